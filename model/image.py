"""Names of the compiled images: what has to be compiled, and what can share it."""

from dataclasses import asdict, dataclass
from typing import Literal, get_args

from model.variants import Marks, variant

Gate = Literal["jump-label", "memory-flag", "none"]
Checks = Literal["on", "deferred"]

GATES: tuple[Gate, ...] = get_args(Gate)
CHECKS: tuple[Checks, ...] = get_args(Checks)


@dataclass(frozen=True)
class Image:
    """The free path of one arm in one configuration.

    Attributes
    ----------
    variant, gate
        The arm. Gate `none`: the code asks no key, so the uncharge is always called.
    memcg
        CONFIG_MEMCG and CONFIG_MEMCG_KMEM; false only for the memcg state `off`.
    checks
        free_pages_check on every free, or at the drain.
    debug
        CONFIG_DEBUG_VM: the VM_BUG_ON_PAGE assertions are compiled in.
    """

    variant: str
    gate: Gate
    memcg: bool
    checks: Checks = "on"
    debug: bool = False

    @property
    def name(self) -> str:
        """File name of the cached code."""
        flags = ["memcg" if self.memcg else "off"]
        flags += [f"checks-{self.checks}"] if self.checks != "on" else []
        flags += ["debug"] if self.debug else []
        return ".".join([self.variant, self.gate, *flags])


@dataclass(frozen=True)
class Allocator:
    """The allocation side. Variants that mark pages alike share it; it always asks the jump label."""

    marks: Marks
    memcg: bool
    debug: bool = False

    @property
    def name(self) -> str:
        """File name of the cached code."""
        return ".".join(
            ["alloc", self.marks, "memcg" if self.memcg else "off"] + (["debug"] if self.debug else [])
        )


Spec = Image | Allocator


def to_json(spec: Spec) -> dict[str, object]:
    """Plain data, for the compiling process."""
    return {"part": type(spec).__name__, **asdict(spec)}


def from_json(data: dict[str, object]) -> Spec:
    """Inverse of `to_json`."""
    fields = {name: value for name, value in data.items() if name != "part"}
    kind = Image if data["part"] == "Image" else Allocator
    return kind(**fields)  # type: ignore[arg-type]


def allocator_of(image: Image) -> Allocator:
    """The allocation side that gives this arm's free path something to undo."""
    return Allocator(variant(image.variant).marks(image.memcg), image.memcg, image.debug)
