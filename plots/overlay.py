"""Two runs side by side: the overhead of each arm in the old run and in the new one."""

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from plots.style import beside_a_sibling, caption, floor_band, legend, new_figure
from results.analysis.change import Change
from results.analysis.groups import Cell, Group
from results.reading.load import Run

READS: Final = "pair"
ALT: Final = "Overhead of each arm in the old run and in the new one, in ns per page with 95 % intervals."
NEEDS: Final = "python -m results compare OLD NEW --html"
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "old": {"color": "#767676", "marker": "o", "fillstyle": "none", "markersize": 5},
    "new": {"color": "#0072B2", "marker": "s", "fillstyle": "full", "markersize": 4},
}
ROW: Final = 0.28
MOST: Final = 4
"""Most scenarios; those with the most changes first."""
NOTABLE: Final = ("regressed", "improved")


def draw(old: Sequence[Group], new: Sequence[Group], changes: Sequence[Change], run: Run) -> Figure | None:
    """A panel per scenario that both runs have, the ones that changed most first."""
    before = {group.scenario.name: group for group in old}
    both = [group for group in new if group.scenario.name in before]
    notable = [change.cell.partition(": ")[0] for change in changes if change.verdict in NOTABLE]
    chosen = sorted(both, key=lambda group: -notable.count(group.scenario.name))[:MOST]
    if not chosen:
        return None
    columns = min(2, len(chosen))
    count, rows = -(-len(chosen) // columns), max(len(group.cells) for group in chosen)
    figure, axes = new_figure(count, columns, 1.8 + count * (0.6 + ROW * rows))
    for panel in axes.flat[len(chosen) :]:
        panel.set_axis_off()
    for panel, group in zip(axes.flat, chosen, strict=False):
        _panel(panel, before[group.scenario.name], group)
    handles = [_mark(name) for name in LOOKS]
    legend(figure, handles, list(LOOKS))
    which = f"{len(chosen)} of {len(both)} scenarios, by what changed"
    text = f"Each run over its own base, 95 % intervals. {which}."
    shared = beside_a_sibling([before[group.scenario.name] for group in chosen])
    text += f"\nold: measured {shared}" if shared else ""
    caption(figure, run, chosen, text)
    return figure


def _mark(name: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="none", label=name, **LOOKS[name])


def _panel(panel: Any, old: Group, new: Group) -> None:
    floor_band(panel, new)
    before = {cell.overhead.arm: cell for cell in old.cells}
    for row, cell in enumerate(new.cells):
        if cell.overhead.arm in before:
            _point(panel, before[cell.overhead.arm], row - 0.16, "old")
        _point(panel, cell, row + 0.16, "new")
    panel.set_yticks(range(len(new.cells)), [cell.overhead.arm.name for cell in new.cells], fontsize=7)
    panel.set_ylim(len(new.cells) - 0.5, -0.5)
    panel.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.set_title(new.scenario.name, fontsize=7.5)
    panel.set_xlabel("ns per page")


def _point(panel: Any, cell: Cell, y: float, which: str) -> None:
    low, high = cell.judgement.ci95 or (cell.overhead.ns,) * 2
    centre = cell.overhead.ns
    error = [[centre - low], [high - centre]]
    panel.errorbar(centre, y, xerr=error, linestyle="none", linewidth=1.2, **LOOKS[which])
