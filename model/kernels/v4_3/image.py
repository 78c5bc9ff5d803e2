"""The images of v4.3: what has to be compiled, and what can share it."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from model.kernels.v4_3.variants import variant_called
from model.vocabulary.scenario import Checks, KernelVersion, PageKind

KERNEL_NAME: KernelVersion = "v4.3"
PATCHED: Final = "free_pages_prepare"
"""The function that holds the patch point, in every variant."""
Marks = Literal["never", "always", "charged", "memcg-data"]


@dataclass(frozen=True)
class Image:
    """The free path of one arm in one configuration.

    Attributes
    ----------
    variant, gate
        The arm. Gate `none`: the code tests no key, so the uncharge is always called.
    memcg
        CONFIG_MEMCG and CONFIG_MEMCG_KMEM; false only for the memcg state `off`.
    checks
        free_pages_check on every free, or at the drain.
    debug
        CONFIG_DEBUG_VM: the VM_BUG_ON_PAGE assertions are compiled in.
    apart
        With the loops that time each free alone.
    together
        With the loops for several threads at once, and locks that wait.
    """

    variant: str
    gate: str
    memcg: bool
    checks: Checks = "on"
    debug: bool = False
    apart: bool = False
    together: bool = False

    kernel: ClassVar[str] = KERNEL_NAME
    patched: ClassVar[str] = PATCHED

    @property
    def marks(self) -> Marks:
        """Which pages alloc_kmem_pages marks in this kernel."""
        return marks_of(self.variant, self.memcg)

    @property
    def name(self) -> str:
        """File name of the cached code."""
        flags = ["memcg" if self.memcg else "off"]
        flags += [f"checks-{self.checks}"] if self.checks != "on" else []
        flags += [name for name in ("debug", "apart", "together") if getattr(self, name)]
        return ".".join([variant_called(self.variant).stem, self.gate, *flags])


@dataclass(frozen=True)
class Allocator:
    """The allocation side. Variants that mark pages alike share it; it always has the jump label."""

    marks: Marks
    memcg: bool
    debug: bool = False

    kernel: ClassVar[str] = KERNEL_NAME
    patched: ClassVar[str] = PATCHED

    @property
    def name(self) -> str:
        """File name of the cached code."""
        return ".".join(
            ["alloc", self.marks, "memcg" if self.memcg else "off"] + (["debug"] if self.debug else [])
        )


Spec = Image | Allocator


def spec_of(data: dict[str, Any]) -> Spec:
    """A spec from plain data, as the compiling process gets it."""
    fields = {name: value for name, value in data.items() if name not in ("kernel", "part")}
    return Image(**fields) if data["part"] == "Image" else Allocator(**fields)


def is_kmem(kind: PageKind) -> bool:
    """Whether such pages come from alloc_kmem_pages."""
    return kind in ("flagged", "charged")


def marks_of(variant: str, memcg: bool) -> Marks:
    """Which pages alloc_kmem_pages marks as kmem; an #ifdef leaves out the mark with its test."""
    known = variant_called(variant)
    if known.needs_memcg and not memcg:
        return "never"
    marks: Marks = getattr(known.module, "MARKS", "never")
    return marks


def allocator_of(image: Image) -> Allocator:
    """The allocation side that matches this arm's free path."""
    return Allocator(image.marks, image.memcg, image.debug)
