"""The object that stands for v4.3."""

from typing import Any, Final

from model.kernels.kernel import Kernel, Link
from model.kernels.v4_3.image import KERNEL_NAME, spec_of
from model.kernels.v4_3.keys import KEYS
from model.kernels.v4_3.path import FreePath
from model.kernels.v4_3.scenarios import QUICK, QUICK_ARMS, SCENARIOS
from model.kernels.v4_3.variants import CALIBRATION, VARIANTS


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
    quick_arms=QUICK_ARMS,
    variants=VARIANTS,
    calibration=CALIBRATION,
    keys=KEYS,
    spec_of=spec_of,
    linkage=linkage,
)
