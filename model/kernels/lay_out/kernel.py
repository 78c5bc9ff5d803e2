"""What the compiling process needs for the function that lays builds out."""

from typing import Any, Final

from model.kernels.kernel import Compiled, Link
from model.kernels.lay_out.image import spec_of


def linkage() -> tuple[Any, Link]:
    """Its functions and how an image is linked; imports the compiler."""
    from model.kernels.lay_out.source import LINKAGE, link

    return LINKAGE, link


KERNEL: Final = Compiled(spec_of, linkage)
