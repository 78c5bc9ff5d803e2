"""What a variant may declare, and what a kernel version offers to its check."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

DECLARATIONS: Final[Mapping[str, str]] = {
    "SUMMARY": "one line for --list",
    "GATED": "True: the check tests the static key, so it exists with both gates",
    "NEEDS_MEMCG": "True: with memcg compiled out it is base",
    "MARKS": "which pages alloc_kmem_pages marks",
    "SLOTS": "dispatch slots of an exact operation, fused pairs counted once",
    "KERNEL": "the version that it is for",
    "patch_point": "the check: a function of `kernel` that returns a function of the page and its order",
    "release_uncharge": "what put_page and release_pages do about the page's owner",
    "exact_operation": "instead of patch_point: assembly, inserted without touching another instruction",
}
"""What a file of a variant may define beside its docstring, the story."""
EVENTS: Final = 8
"""Counters of a CPU for user variants, a power of two."""


class Switch(NamedTuple):
    """A constant by which a variant leaves out or chooses something."""

    about: str
    values: tuple[str, ...] | tuple[bool, ...]
    """Those that it may have; of a constant that is a tuple, those that may be in it."""
    several: bool = False
    """It is a tuple."""


@dataclass(frozen=True)
class Offer:
    """What a kernel version offers to a check.

    Attributes
    ----------
    helpers
        Attribute of `kernel` -> what it does.
    fields
        Field of `struct page` -> its offset.
    marks
        Values of MARKS.
    steps
        Function that replaces a step of the path, of the same form as `patch_point` -> the step.
    switches
        Constant by which a variant leaves out or chooses something -> its meaning and values.
    """

    helpers: Mapping[str, str]
    fields: Mapping[str, int]
    marks: Collection[str]
    steps: Mapping[str, str] = field(default_factory=dict)
    switches: Mapping[str, Switch] = field(default_factory=dict)

    @property
    def declarations(self) -> Mapping[str, str]:
        """What a file of a variant for this kernel may define."""
        switches = {name: switch.about for name, switch in self.switches.items()}
        return {**DECLARATIONS, **self.steps, **switches}


def offsets(record: np.dtype[Any]) -> dict[str, int]:
    """Where each field of a record lies, bytes."""
    return {name: int(place[1]) for name, place in (record.fields or {}).items()}
