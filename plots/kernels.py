"""The same operation on the path of 2015 and on today's, side by side."""

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure

from model.vocabulary.scenario import AXES
from plots.ladder import rungs
from results.analysis.groups import Group, usual
from results.reading.load import Run

READS: Final = "run"
ALT: Final = "Cost of a NOP, a load, a comparison and a store on the free paths of v4.3 and v6.18."
NEEDS: Final = "python -m benchmarks --sweep kernel -o FILE"
USUAL_MEMCG: Final = {"v4.3": "on-idle", "v6.18": "on-active"}
"""The state that almost every machine of its time was in."""


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """One colour per kernel; None unless both were measured."""
    chosen = {}
    for kernel in AXES["kernel"]:
        known = usual(groups, kernel=kernel, memcg=USUAL_MEMCG[kernel])
        if known:
            chosen[f"{kernel}, memcg {USUAL_MEMCG[kernel]}"] = known[0]
    return rungs(run, chosen) if len(chosen) > 1 else None
