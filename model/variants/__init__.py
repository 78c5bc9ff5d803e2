"""The forms of the patch point, one file each; a file's name is the variant's, with `_` for `-`.

A file defines what differs from `base`:

`SUMMARY`              one line for `--list`
`EXACT`                inserts one operation and changes no other instruction (see `model.kernel.slot`)
`GATED`                tests the static key, so it exists with both gates
`NEEDS_MEMCG`          with memcg off its source is the base's
`MARKS`                which pages alloc_kmem_pages marks: never, always, charged, memcg-data
`patch_point(kernel)`  the code in free_pages_prepare; its helpers are attributes of `kernel`
`release_uncharge(kernel)`  the test in put_page and release_pages, if it has one
`exact_operation`      an exact arm's assembly
`SLOTS`                dispatch slots that an exact arm's operation takes, fused pairs counted once
`FAMILY`               lengths of a calibration's operation, one variant each, from
                       `exact_operation_of(length)`
"""

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Literal

Marks = Literal["never", "always", "charged", "memcg-data"]

# In the order of tables and figures: the reference, the history, the ladder.
ORDER = ["base", "base-twin", "v1", "v1-ifdef", "v1-series", "keyfirst", "memcg-data"]
ORDER += ["nop", "load", "load-compare", "load-compare-store"]


@dataclass(frozen=True)
class Variant:
    """One variant, as its file declares it."""

    name: str
    module: ModuleType
    length: int | None = None
    """Of a calibration's chain; None for a form of the patch point."""

    @property
    def summary(self) -> str:
        """One line that says what the patch point does."""
        return str(self.module.SUMMARY)

    @property
    def story(self) -> str:
        """The file's docstring: where in the kernel, what is left out, what to expect."""
        return (self.module.__doc__ or "").strip()

    @property
    def operation(self) -> str | None:
        """Assembly of an exact arm; None for a variant that is compiled."""
        if self.length is not None:
            return str(self.module.exact_operation_of(self.length))
        return getattr(self.module, "exact_operation", None)

    @property
    def exact(self) -> bool:
        """Whether the arm inserts one operation and changes no other instruction."""
        return self.operation is not None

    @property
    def slots(self) -> int | None:
        """Dispatch slots of an exact arm's operation; None for a variant as compiled, or if nobody said."""
        return getattr(self.module, "SLOTS", None)

    @property
    def gated(self) -> bool:
        """Whether the patch point asks the static key."""
        return bool(getattr(self.module, "GATED", False))

    @property
    def needs_memcg(self) -> bool:
        """Whether the patch point is empty when memcg is compiled out."""
        return bool(getattr(self.module, "NEEDS_MEMCG", False))

    def marks(self, memcg: bool) -> Marks:
        """Which pages alloc_kmem_pages marks as kmem; an #ifdef leaves out the mark with its test."""
        return "never" if self.needs_memcg and not memcg else getattr(self.module, "MARKS", "never")


def _find() -> tuple[dict[str, Variant], dict[str, Variant]]:
    found: dict[str, Variant] = {}
    calibration: dict[str, Variant] = {}
    for file in iter_modules(__path__):
        name, module = file.name.replace("_", "-"), import_module(f"{__name__}.{file.name}")
        if hasattr(module, "FAMILY"):
            calibration |= {f"{name}-{k}": Variant(f"{name}-{k}", module, k) for k in module.FAMILY}
        else:
            found[name] = Variant(name, module)
    rank = {name: place for place, name in enumerate(ORDER)}
    ordered = sorted(found, key=lambda name: (rank.get(name, len(rank)), name))
    return {name: found[name] for name in ordered}, calibration


VARIANTS, CALIBRATION = _find()


def variant(name: str) -> Variant:
    """A form of the patch point, or a calibration's chain, by name."""
    return VARIANTS.get(name) or CALIBRATION[name]
