"""What measuring asks of the stages that read a run: it does not know them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Judges:
    """What is asked of the stages that read a run.

    Attributes
    ----------
    undecided
        Names of the scenarios with an open verdict, of the processes in a folder, at a margin.
    calibration
        Asked, got, reached, of the calibration in a file: says it, and returns the exit status.
    brought
        A line on each arm that the user brought, of the processes in a folder, at a margin.
    read
        Raises a FreepathError if no stage could read a file of this content, which is to get that name.
    """

    undecided: Callable[[Path, str], Collection[str]]
    calibration: Callable[[Path], int]
    brought: Callable[[Path, str], Sequence[str]]
    read: Callable[[str, Path], None]
