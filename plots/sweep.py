"""Along an axis: what an arm costs at each of its values, a panel per axis that the run varies."""

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from model.vocabulary.scenario import Arm
from plots.style import caption, error_bar, legend, new_figure
from results.analysis.groups import Group, usual
from results.reading.load import Run

READS: Final = "run"
ALT: Final = "What the test and the ladder cost at each value of an axis, in ns per page with 95 % intervals."
NEEDS: Final = "python -m benchmarks --sweep between -o FILE"
AXES: Final = ("between", "depth", "entry")
"""Axes with no figure of their own."""
LEAST: Final = 3
"""Values that make a sweep: fewer are a table."""
SHOWN: Final = {
    ("v1", "jump-label"): ("#0072B2", "o"),
    ("v1-unlikely", "jump-label"): ("#E69F00", "P"),
    ("keyfirst", "jump-label"): ("#D55E00", "s"),
    ("nop", "none"): ("#999999", "v"),
    ("load", "none"): ("#56B4E9", "^"),
    ("load-compare", "none"): ("#009E73", "D"),
    ("load-compare-store", "none"): ("#CC79A7", "X"),
}


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """None unless some axis has three values with all else usual, memcg on-idle."""
    along = {axis: usual(groups, axis, memcg="on-idle") for axis in AXES}
    along = {axis: chosen for axis, chosen in along.items() if len(chosen) >= LEAST}
    if not along:
        return None
    figure, axes = new_figure(1, len(along), 4.2)
    for panel, (axis, chosen) in zip(axes[0], along.items(), strict=True):
        _panel(panel, axis, chosen)
    axes[0][0].set_ylabel("overhead, ns per page")
    legend(figure, *axes[0][0].get_legend_handles_labels())
    text = "memcg on-idle, plain pages, 95 % intervals. Below each value: base. Grey: noise floor."
    caption(figure, run, [group for chosen in along.values() for group in chosen], text)
    return figure


def _panel(panel: Any, axis: str, chosen: Sequence[Group]) -> None:
    panel.axhline(0, color="black", linewidth=0.8)
    for place, group in enumerate(chosen):
        floor = group.floor_ns or 0.0
        panel.fill_between([place - 0.45, place + 0.45], -floor, floor, color="#DDDDDD", zorder=0)
    for number, ((variant, gate), (colour, marker)) in enumerate(SHOWN.items()):
        shift = (number - (len(SHOWN) - 1) / 2) * 0.13
        for place, group in enumerate(chosen):
            for cell in (cell for cell in group.cells if cell.overhead.arm == Arm(variant, gate)):
                panel.errorbar(
                    place + shift,
                    cell.overhead.ns,
                    yerr=error_bar(cell),
                    color=colour,
                    marker=marker,
                    capsize=2,
                    label=None if place else variant,
                )
    labels = [f"{group.scenario.axes[axis]}\n{group.base_ns:.1f} ns" for group in chosen]
    panel.set_xticks(range(len(chosen)), labels)
    panel.set_title(axis)
