"""Limits of a verdict: the noise floor of each scenario, and the spread of one code placement."""

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure

from plots.style import caption, legend, new_figure
from results.analysis.groups import Group
from results.reading.load import Run

READS: Final = "run"
ALT: Final = "Noise floor of each scenario and the spread of a single code placement."
NEEDS: Final = "python -m benchmarks --quick -o FILE"
ROW: Final = 0.3
LINEAR_NS: Final = 1e-3


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """Floor and the three spreads, a row per scenario, on a logarithmic scale; None without a floor."""
    chosen = [group for group in groups if group.floor_ns]
    if not chosen:
        return None
    figure, axes = new_figure(1, 1, 1.8 + ROW * len(chosen))
    panel = axes[0][0]
    series = {
        "noise floor": ("#000000", "D", [group.floor_ns for group in chosen]),
        "one process": ("#56B4E9", "o", [_middle(g, "within") for g in chosen]),
        "between processes": ("#D55E00", "s", [_middle(g, "between") for g in chosen]),
        "one placement": ("#0072B2", "^", [_middle(g, "placement") for g in chosen]),
    }
    for name, (colour, marker, values) in series.items():
        known = [(value, row) for row, value in enumerate(values) if value is not None]
        if known:
            panel.plot(*zip(*known, strict=True), marker, color=colour, label=name, markersize=6)
    # Logarithmic down to a picosecond, then linear, so that a spread of zero is visible.
    panel.set_xscale("symlog", linthresh=LINEAR_NS)
    panel.set_xlim(left=-0.2 * LINEAR_NS)
    panel.set_xlabel("ns per page")
    panel.set_yticks(range(len(chosen)), [group.scenario.name for group in chosen])
    panel.invert_yaxis()
    panel.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    legend(figure, *panel.get_legend_handles_labels())
    text = "Noise floor: largest apparent cost of the A/A control. Others: sd, median over arms."
    caption(figure, run, chosen, text)
    return figure


def _middle(group: Group, name: str) -> float | None:
    values = sorted(v for cell in group.cells if (v := getattr(cell.overhead.noise, name)) is not None)
    return values[len(values) // 2] if values else None
