"""The images of v7.1: what has to be compiled."""

from dataclasses import dataclass
from typing import ClassVar, Final

from model.kernels.v6_18 import image as v6_18
from model.kernels.v7_1.variants import variant_called
from model.vocabulary.scenario import KernelVersion

KERNEL_NAME: Final[KernelVersion] = "v7.1"


@dataclass(frozen=True)
class Image(v6_18.Image):
    """The free path of one arm in one configuration."""

    kernel: ClassVar[str] = KERNEL_NAME
    variant_called = staticmethod(variant_called)
