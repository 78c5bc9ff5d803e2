"""The interface of v6.18."""

from pathlib import Path
from typing import Any, Final

from model.kernels.kernel import Kernel, Link
from model.kernels.v6_18.image import KERNEL_NAME, spec_of
from model.kernels.v6_18.keys import KEYS
from model.kernels.v6_18.namespace import CHOICES, HELPERS, STEPS, SWITCHES
from model.kernels.v6_18.page import STRUCT_PAGE
from model.kernels.v6_18.path import FreePath
from model.kernels.v6_18.scenarios import DRAINS, NOT_QUICK, QUICK, SCENARIOS, SWEEP_ARMS, SWEEPS
from model.kernels.v6_18.variants import CALIBRATION, VARIANTS
from model.kernels.vetting import Offer, offsets


def linkage() -> tuple[Any, Link]:
    """Its functions and how an image is linked; imports the compiler."""
    from model.kernels.v6_18.source.link import link
    from model.kernels.v6_18.source.linkage import LINKAGE

    return LINKAGE, link


KERNEL: Final = Kernel(
    name=KERNEL_NAME,
    paths={"free": FreePath()},
    scenarios=SCENARIOS,
    quick=QUICK,
    not_quick=NOT_QUICK,
    sweeps=SWEEPS,
    sweep_arms=SWEEP_ARMS,
    variants=VARIANTS,
    calibration=CALIBRATION,
    keys=KEYS,
    offer=Offer(HELPERS, offsets(STRUCT_PAGE), ("never",), STEPS, SWITCHES, CHOICES),
    template=Path(__file__).with_name("new_variant.txt"),
    spec_of=spec_of,
    linkage=linkage,
    counted_when_asked=[DRAINS],
)
