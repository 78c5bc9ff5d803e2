"""The images of v6.18: what has to be compiled."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from model.kernels.v6_18.variants import variant_called
from model.kernels.variants import Variant
from model.vocabulary.scenario import Config, Entry, KernelVersion

KERNEL_NAME: KernelVersion = "v6.18"


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
    entry
        Function by which a page enters the path.
    direct
        With the code for blocks that no per-CPU list holds, which are freed straight to the buddy.
    """

    variant: str
    gate: str
    memcg: bool
    config: Config = "distribution"
    apart: bool = False
    entry: Entry = "__free_pages"
    direct: bool = False

    kernel: ClassVar[str] = KERNEL_NAME
    variant_called: "ClassVar[staticmethod[[str], Variant]]" = staticmethod(variant_called)  # noqa: RUF009 (no field)

    @property
    def patched(self) -> str:
        """The function with the patch point of these pages: free_pages_prepare is inlined."""
        if self.direct:
            return "__free_pages_ok"
        if self.entry == "folios_put_refs":
            return "free_unref_folios"
        return "__free_pages" if self.entry == "__free_pages" else "free_frozen_pages"

    @property
    def name(self) -> str:
        """File name of the cached code."""
        flags = ["memcg" if self.memcg else "off", self.config]
        flags += [name for name in ("apart", "direct") if getattr(self, name)]
        flags += [self.entry] if self.entry != "__free_pages" else []
        return ".".join([self.kernel.replace(".", "-"), self.stem, self.gate, *flags])

    @property
    def stem(self) -> str:
        """The variant in that name."""
        return self.variant_called(self.variant).stem

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """A spec from plain data, as the compiling process gets it."""
        return cls(**{name: value for name, value in data.items() if name not in ("kernel", "part")})
