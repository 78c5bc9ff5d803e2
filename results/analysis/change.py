"""Differences between two files, cell by cell."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One cell, ns per page (or counts, with `interval` None); None: the file does not have it."""

    cell: str
    old: float | None
    new: float | None
    difference: float | None
    interval: tuple[float, float] | None
    verdict: str
    detail: str = ""
    agrees: bool | None = None
    """Whether the difference lies within the joint 95 % interval, not corrected: 95 % of all should."""
    sides: "tuple[Side, Side] | None" = None
    """The same in cycles and dispatch slots, for processors of different clocks and widths."""
    code: str = "unknown"
    """`same`, `other` or `unknown`: whether the arm is the same machine code and text in both files."""
    condition: str | None = None
    """Condition of the core that both figures are of; None: unknown, or a level, or a count."""


@dataclass(frozen=True)
class Side:
    """One cell of one run: cycles, dispatch slots, and the slots of an exact arm; None where unknown."""

    cycles: float | None
    slots: float | None
    inserted: float | None
