"""The interface of v4.3."""

from pathlib import Path
from typing import Any, Final, get_args

from model.kernels.kernel import Kernel, Link
from model.kernels.v4_3.image import KERNEL_NAME, Marks, spec_of
from model.kernels.v4_3.keys import KEYS
from model.kernels.v4_3.namespace import CHOICES, HELPERS, SWITCHES
from model.kernels.v4_3.page import STRUCT_PAGE
from model.kernels.v4_3.path import FreePath
from model.kernels.v4_3.scenarios import NOT_QUICK, QUICK, SCENARIOS, SWEEP_ARMS, SWEEPS
from model.kernels.v4_3.variants import CALIBRATION, VARIANTS
from model.kernels.vetting import Offer, offsets


def linkage() -> tuple[Any, Link]:
    """Its functions and how an image is linked; imports the compiler."""
    from model.kernels.v4_3.source.link import link
    from model.kernels.v4_3.source.linkage import LINKAGE

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
    offer=Offer(HELPERS, offsets(STRUCT_PAGE), get_args(Marks), switches=SWITCHES, choices=CHOICES),
    template=Path(__file__).with_name("new_variant.txt"),
    spec_of=spec_of,
    linkage=linkage,
)
