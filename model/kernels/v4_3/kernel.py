"""The object that stands for v4.3."""

from typing import Any, Final

from model.kernels.kernel import Kernel, Link
from model.kernels.v4_3.image import KERNEL_NAME, spec_of
from model.kernels.v4_3.keys import KEYS
from model.kernels.v4_3.variants import CALIBRATION, VARIANTS


def linkage() -> tuple[Any, Link]:
    """Its functions and how an image is linked; imports the compiler."""
    from model.kernels.v4_3.source.link import link
    from model.kernels.v4_3.source.linkage import LINKAGE

    return LINKAGE, link


KERNEL: Final = Kernel(KERNEL_NAME, VARIANTS, CALIBRATION, KEYS, spec_of, linkage)
