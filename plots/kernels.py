"""The same operations on the free path of every measured kernel version, side by side."""

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure

from plots.ladder import rungs
from results.analysis.groups import Group, usual
from results.reading.load import Run

READS: Final = "run"
ALT: Final = "Cost of a NOP, a load, a comparison and a store on the free path of each kernel version."
NEEDS: Final = "python -m benchmarks --sweep kernel -o FILE"


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """One colour per kernel; None unless both were measured."""
    measured = dict.fromkeys(group.scenario.axes["kernel"] for group in groups)
    found = [group for kernel in measured for group in usual(groups, kernel=kernel)]
    chosen = {f"{g.scenario.axes['kernel']}, memcg {g.scenario.axes['memcg']}": g for g in found}
    return rungs(run, chosen) if len(chosen) > 1 else None
