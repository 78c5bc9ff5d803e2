"""Variants: what a file of a kernel's `variants/` declares, and how they are found.

A file's name is the variant's, with `_` for `-`. What it may define beside its docstring, the story:

`SUMMARY`              one line for `--list`
`GATED`                tests the static key, so it exists with both gates
`NEEDS_MEMCG`          with memcg off its source is base's
`MARKS`                which pages alloc_kmem_pages marks, on v4.3
`patch_point(kernel)`  the code at the patch point; its helpers are attributes of `kernel`
`exact_operation`      instead: assembly that is inserted and changes no other instruction
                       (`model.compiler.slot`)
`SLOTS`                dispatch slots that this operation takes, fused pairs counted once
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


@dataclass(frozen=True)
class Variant:
    """One variant, as its file declares it."""

    name: str
    module: ModuleType
    digest: str = ""
    """Digest of its text, if it is a user variant (model.kernels.user_variants.added)."""
    about: str = ""
    """Its story, where that is not the file's docstring: of a variant of another version."""

    @property
    def stem(self) -> str:
        """Stem of the file names of its compiled code."""
        return f"{self.name}~{self.digest}" if self.digest else self.name

    @property
    def summary(self) -> str:
        """One line that says what the patch point does."""
        return str(self.module.SUMMARY)

    @property
    def story(self) -> str:
        """The file's docstring: where in the kernel, what is left out, what to expect."""
        return self.about or (self.module.__doc__ or "").strip()

    @property
    def story_line(self) -> str:
        """The story on one line, for metadata."""
        return " ".join(self.story.split())

    @property
    def operation(self) -> str | None:
        """Assembly of an exact arm; None for a variant that is compiled."""
        return getattr(self.module, "exact_operation", None)

    @property
    def exact(self) -> bool:
        """Whether the arm inserts one operation and changes no other instruction."""
        return self.operation is not None

    @property
    def slots(self) -> int | None:
        """Dispatch slots of an exact arm's operation; None for a compiled variant, or where undeclared."""
        return getattr(self.module, "SLOTS", None)

    @property
    def gated(self) -> bool:
        """Whether the patch point tests the static key."""
        return bool(getattr(self.module, "GATED", False))

    @property
    def needs_memcg(self) -> bool:
        """Whether the patch point is empty when memcg is compiled out."""
        return bool(getattr(self.module, "NEEDS_MEMCG", False))


Variants = dict[str, Variant]


def find(package: str, first: Sequence[str], others: Iterable[Variant] = ()) -> Variants:
    """The variants of one kernel: a file of its own each, and others.

    Parameters
    ----------
    package
        Name of its `variants/`.
    first
        Names in the order of tables and figures; all others come behind them, by name.
    others
        Declared elsewhere: the ladder (model.kernels.kit.ladder), or another version's.
    """
    files = {
        file.name.replace("_", "-"): import_module(f"{package}.{file.name}")
        for file in iter_modules(sys.modules[package].__path__)
    }
    known = {name: Variant(name, module) for name, module in files.items()}
    known = {**{variant.name: variant for variant in others}, **known}
    rank = {name: place for place, name in enumerate(first)}
    ordered = sorted(known, key=lambda name: (rank.get(name, len(rank)), name))
    return {name: known[name] for name in ordered}
