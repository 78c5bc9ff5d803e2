"""The interface of v7.1."""

from pathlib import Path
from typing import Any, Final

from model.kernels.kernel import Kernel, Link
from model.kernels.v6_18 import namespace as v6_18
from model.kernels.v6_18.keys import KEYS
from model.kernels.v6_18.page import STRUCT_PAGE
from model.kernels.v7_1.image import KERNEL_NAME, spec_of
from model.kernels.v7_1.path import FreePath
from model.kernels.v7_1.scenarios import DRAINS, NOT_QUICK, QUICK, SCENARIOS, SWEEP_ARMS, SWEEPS, USUAL
from model.kernels.v7_1.variants import CALIBRATION, CHOICES, SWITCHES, VARIANTS
from model.kernels.vetting import Offer, offsets


def linkage() -> tuple[Any, Link]:
    """v6.18's functions and those of this version, and how an image is linked; imports the compiler."""
    from model.kernels.v6_18.source.linkage import LINKAGE
    from model.kernels.v7_1.source.link import link

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
    offer=Offer(
        v6_18.HELPERS,
        offsets(STRUCT_PAGE),
        ("never",),
        v6_18.STEPS,
        {**v6_18.SWITCHES, **SWITCHES},
        {**v6_18.CHOICES, **CHOICES},
    ),
    template=Path(__file__).with_name("new_variant.txt"),
    spec_of=spec_of,
    linkage=linkage,
    counted_when_asked=[DRAINS, USUAL.but(block="order-9")],
    in_headline=False,
)
