"""What the compiling process needs for kernel files: the timed loops. A file's own kernel is in `known`."""

from typing import Any, Final

from model.kernels.kernel import Compiled, Link
from model.kernels.kernel_file.image import spec_of


def linkage() -> tuple[Any, Link]:
    """Its functions and how an image is linked; imports the compiler."""
    from model.kernels.kernel_file.source.loops import LINKAGE, link

    return LINKAGE, link


KERNEL: Final = Compiled(spec_of, linkage)
