"""v7.1: the cost of each step of the free path, as the saving when it is left out or replaced."""

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure

from plots.v6_18 import steps
from results.analysis.groups import Group
from results.reading.load import Run

IMAGE: Final = "newer"
"""Of its images."""
READS: Final = "run"
ALT: Final = "What each step of the free path of v7.1 costs, in ns per page, by configuration."
NEEDS: Final = "python -m benchmarks --quick --only kernel=v7.1 -o FILE"


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """A panel per configuration; None when the file has no v7.1."""
    return steps(run, groups, "v7.1")
