"""Verdict hooks: functions of stages beside and behind measuring, which it does not import."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class VerdictHooks:
    """Verdict hooks.

    Attributes
    ----------
    undecided
        Name of each undecided scenario -> names of its undecided arms, from the processes in a folder, at a
        margin.
    calibration
        Prints the calibration in a file (asked, got, reached), and returns the exit status.
    brought
        A line on each user variant, from the processes in a folder, at a margin.
    read
        Raises a FreepathError if no stage could read a file of this content, which is to get that name.
    sharpness
        Half-widths of all arms' 95 % intervals, ns, from the processes in a folder, once each scenario has as
        many processes as it is to have.
    counted
        What one free by each arm of a kernel file executes, as workers are given it; the code is compiled.
    """

    undecided: Callable[[Path, str], Mapping[str, frozenset[str]]]
    calibration: Callable[[Path], int]
    brought: Callable[[Path, str], Sequence[str]]
    read: Callable[[str, Path], None]
    sharpness: Callable[[Path, Mapping[str, int]], Sequence[float]]
    counted: Callable[[], Any]
