"""Overheads over time, with the points at which a level changed."""

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure

from plots.style import foot, new_figure
from results.analysis.history import Series, cells_of_several_codes

READS: Final = "history"
ALT: Final = "Overhead of each arm over the runs, oldest first, change points marked."
NEEDS: Final = "python -m benchmarks --quick -o DIR/run.json, more than once"
MOST: Final = 12
"""Series per figure: those with changes first, then the longest."""
COLUMNS: Final = 3
MOST_TICKS: Final = 4
"""Labels of date and commit below a panel."""


def draw(histories: Sequence[Series]) -> Figure | None:
    """Small panels, one per cell; None without two runs of any cell."""
    known = [series for series in histories if len(series.points) > 1 and "base-twin" not in series.cell]
    chosen = sorted(known, key=lambda series: (-len(series.changes), -len(series.points)))[:MOST]
    if not chosen:
        return None
    several = cells_of_several_codes(known)
    rows = -(-len(chosen) // COLUMNS)
    figure, axes = new_figure(rows, COLUMNS, 0.8 + 1.7 * rows)
    for panel, series in zip(axes.flat, chosen, strict=False):
        places = range(len(series.points))
        values = [point.overhead_ns for point in series.points]
        ends = [point.ci95_ns or (point.overhead_ns, point.overhead_ns) for point in series.points]
        errors = [
            [v - e[0] for v, e in zip(values, ends, strict=True)],
            [e[1] - v for v, e in zip(values, ends, strict=True)],
        ]
        panel.errorbar(places, values, yerr=errors, fmt="o-", color="#0072B2", markersize=3, linewidth=0.8)
        for index in series.changes:
            panel.axvline(index - 0.5, color="#D55E00", linestyle="--", linewidth=1)
        panel.axhline(0, color="black", linewidth=0.6)
        title = series.cell.replace(": ", "\n")
        title += "\n" + series.code.replace("; ", "\n") if series.cell in several else ""
        panel.set_title(title.replace("$", r"\$"), fontsize=7)
        panel.tick_params(labelsize=7)
        shown = range(0, len(places), -(-len(places) // MOST_TICKS))
        panel.set_xticks(
            list(shown), [f"{series.points[i].date[5:10]}\n{series.points[i].commit[:7]}" for i in shown]
        )
    for panel in axes.flat[len(chosen) :]:
        panel.set_axis_off()
    text = "Overhead, ns per page, run by run; dashed: change points; days in UTC. "
    text += f"{len(chosen)} of {len(known)} cells."
    foot(figure, text)
    return figure
