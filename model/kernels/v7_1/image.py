"""The images of v7.1: what has to be compiled."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from model.kernels.v6_18 import image as v6_18
from model.kernels.v7_1.variants import variant_called
from model.vocabulary.scenario import KernelVersion

KERNEL_NAME: Final[KernelVersion] = "v7.1"


@dataclass(frozen=True)
class Image(v6_18.Image):
    """The free path of one arm in one configuration."""

    kernel: ClassVar[str] = KERNEL_NAME

    @property
    def stem(self) -> str:
        """The variant in the name of the file."""
        return variant_called(self.variant).stem


def spec_of(data: dict[str, Any]) -> Image:
    """A spec from plain data, as the compiling process gets it."""
    return Image(**{name: value for name, value in data.items() if name not in ("kernel", "part")})
