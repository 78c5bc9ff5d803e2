"""What the compiling process needs for it."""

from typing import Any, Final

from model.kernels.kernel import Link
from model.kernels.lay_out.image import spec_of as spec_of


class Compiled:
    """What is compiled beside the kernels."""

    spec_of = staticmethod(spec_of)

    @staticmethod
    def linkage() -> tuple[Any, Link]:
        """Its functions and how an image is linked; imports the compiler."""
        from model.kernels.lay_out.source import LINKAGE, link

        return LINKAGE, link


KERNEL: Final = Compiled()
