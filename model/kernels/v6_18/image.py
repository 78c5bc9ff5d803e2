"""The images of v6.18: what has to be compiled."""

from dataclasses import dataclass
from typing import Any, ClassVar

from model.kernels.v6_18.variants import variant_called
from model.vocabulary.scenario import Config, KernelVersion

KERNEL_NAME: KernelVersion = "v6.18"
PATCHED = "__free_pages"
"""The function that holds the patch point: free_pages_prepare is a part of it."""


@dataclass(frozen=True)
class Image:
    """The free path of one arm in one configuration.

    Attributes
    ----------
    variant, gate
        The arm.
    memcg
        CONFIG_MEMCG.
    config
        x86_64_defconfig, or what distributions add to it.
    apart
        With the loops that time each free alone.
    """

    variant: str
    gate: str
    memcg: bool
    config: Config = "distribution"
    apart: bool = False

    kernel: ClassVar[str] = KERNEL_NAME
    patched: ClassVar[str] = PATCHED

    @property
    def name(self) -> str:
        """File name of the cached code."""
        flags = ["memcg" if self.memcg else "off", self.config]
        flags += ["apart"] if self.apart else []
        return ".".join(["v6-18", variant_called(self.variant).stem, self.gate, *flags])


def spec_of(data: dict[str, Any]) -> Image:
    """A part of the kernel from plain data, as the compiling process is given it."""
    return Image(**{name: value for name, value in data.items() if name not in ("kernel", "part")})
