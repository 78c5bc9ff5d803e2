"""Build by build: the cost of each arm in every measured build, and the mean over builds."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from plots.style import OTHER, SERIES, caption, floor_band, new_figure
from results.analysis.groups import Cell, Group
from results.reading.load import Run

READS: Final = "run"
ALT: Final = "Each arm's overhead build by build, with the mean over builds, memcg on-idle."
NEEDS: Final = "python -m benchmarks --quick -o FILE"
SCENARIO: Final = "on-idle/plain/warm/sequential/pcp"
ROW: Final = 0.42
MOST_CYCLES: Final = 60
"""Most grey lines, one per cycle, on either side of zero; more would run together."""
MOST_DOTS: Final = 600
"""Most dots of an arm; of more builds every second or third is drawn, which looks the same."""
SHOWN: Final = 0.98
"""Share of the builds within the axis; the shares beyond are printed at its ends."""


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """One dot per build and process, the mean with its interval below; None without builds."""
    group = next((group for group in groups if group.scenario.name == SCENARIO), None)
    if group is None or all(cell.overhead.spread.builds == 1 for cell in group.cells):
        return None
    figure, axes = new_figure(1, 1, 1.7 + ROW * len(group.cells))
    panel = axes[0][0]
    floor_band(panel, group)
    cycle = group.cells[0].overhead.cycle_ns
    limit = _limit(group, cycle)
    lines = cycle is not None and limit / cycle <= MOST_CYCLES
    if cycle and lines:
        for number in range(-int(limit / cycle), int(limit / cycle) + 1):
            panel.axvline(number * cycle, color="#CCCCCC", linewidth=0.6, zorder=0)
    for row, cell in enumerate(group.cells):
        _row(panel, row, cell, limit)
    panel.set_xlim(-limit * 1.18, limit * 1.18)
    panel.set_yticks(range(len(group.cells)), [cell.overhead.arm.name for cell in group.cells])
    panel.set_ylim(len(group.cells) - 0.4, -0.6)
    panel.set_xlabel("overhead of a build, ns per page")
    panel.set_title(group.scenario.name)
    text = (
        "Upper: one dot per build and process, alike for base and arm but for the patch point. "
        "Lower: mean over builds, 95 % interval. Numbers at the ends: share of builds beyond. "
        "Dashed: margin; grey band: noise floor" + ("; grey lines: whole cycles." if lines else ".")
    )
    caption(figure, run, [group], text)
    return figure


def _limit(group: Group, cycle: float | None) -> float:
    """Half the axis: most builds of most arms, every mean, and at least two cycles."""
    ends = [np.quantile(np.abs(cell.overhead.spread.differences), SHOWN) for cell in group.cells]
    means = [abs(cell.overhead.ns) * 1.2 for cell in group.cells]
    return max(float(np.median(ends)), 2 * (cycle or 0.0), *means, 1e-6)


def _row(panel: Any, row: int, cell: Cell, limit: float) -> None:
    estimate = cell.overhead
    colour, marker, fill = SERIES.get(estimate.arm.gate, OTHER)
    values = estimate.spread.differences
    heights = row - 0.18 + 0.3 * (np.random.default_rng(0).random(len(values)) - 0.5)
    inside = np.abs(values) <= limit
    inside[np.arange(len(values)) % -(-len(values) // MOST_DOTS) != 0] = False
    panel.plot(
        values[inside],
        heights[inside],
        ".",
        color=colour,
        alpha=0.25,
        markersize=3,
        zorder=1,
        rasterized=True,
    )
    for sign, align in ((-1, "right"), (1, "left")):
        share = float((sign * values > limit).mean())
        if share > 0:
            panel.text(sign * limit * 1.03, row - 0.18, f"{share:.0%}", fontsize=7, ha=align, va="center")
    interval = cell.judgement.ci95
    ends = None if interval is None else [[estimate.ns - interval[0]], [interval[1] - estimate.ns]]
    panel.errorbar(
        estimate.ns,
        row + 0.22,
        xerr=ends,
        fmt=marker,
        color=colour,
        fillstyle=fill,
        markersize=5,
        capsize=2.5,
    )
