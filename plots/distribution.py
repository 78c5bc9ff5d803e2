"""The estimate of every process, arm by arm, in the on-idle scenario of the headline."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from plots.style import OTHER, SERIES, caption, floor_band, new_figure
from results.analysis.groups import Group
from results.reading.load import Run

READS: Final = "run"
ALT: Final = "The estimate of each process, arm by arm, with memcg on-idle."
NEEDS: Final = "python -m benchmarks --quick -o FILE"
SCENARIO: Final = "on-idle/plain/warm/sequential/pcp"
ROW: Final = 0.28


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """One dot per process, the interval's centre as a bar; None without the scenario."""
    group = next((group for group in groups if group.scenario.name == SCENARIO), None)
    if group is None:
        return None
    figure, axes = new_figure(1, 1, 1.6 + ROW * len(group.cells))
    panel = axes[0][0]
    floor_band(panel, group)
    rng = np.random.default_rng(0)
    for row, cell in enumerate(group.cells):
        overhead = cell.overhead
        colour, marker, fill = SERIES.get(overhead.arm.gate, OTHER)
        heights = row + 0.5 * (rng.random(len(overhead.per_process)) - 0.5)
        panel.plot(overhead.per_process, heights, marker, color=colour, fillstyle=fill, markersize=4)
        panel.plot([overhead.ns, overhead.ns], [row - 0.36, row + 0.36], color="black", linewidth=1.4)
    panel.set_yticks(range(len(group.cells)), [cell.overhead.arm.name for cell in group.cells])
    panel.invert_yaxis()
    panel.set_xlabel("overhead, ns per page")
    panel.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    panel.set_title(group.scenario.name)
    caption(
        figure, run, [group], "One marker per process; bars: the estimate. Grey: noise floor; dashed: margin."
    )
    return figure
