"""The headline: overhead in ns per page of every variant and gate, one panel per memcg state."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from plots.style import NARROW, STATES, caption, floor_band, gate_legend, new_figure, point
from results.analysis.groups import Cell, Group, usual
from results.reading.load import Run

READS: Final = "run"
ALT: Final = "Overhead of every variant over base, in ns per page with 95 % intervals, by memcg state."
NEEDS: Final = "python -m benchmarks --quick -o FILE"
ROW: Final = 0.27
"""Inches per arm."""
EXACT: Final = frozenset({"nop", "load", "load-compare", "load-compare-store"})


def panels(groups: Sequence[Group]) -> list[Group]:
    """One group per memcg state: warm, sequential, to the per-CPU list; on-charged with charged pages."""
    kinds = {state: "charged" if state == "on-charged" else "plain" for state in STATES}
    return [group for state, kind in kinds.items() for group in usual(groups, memcg=state, page_kind=kind)]


def shown(group: Group) -> list[Cell]:
    """Every variant but the exact arms, which have a figure of their own."""
    return [cell for cell in group.cells if cell.overhead.arm.variant not in EXACT]


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """Overhead with 95 % intervals; None when the file has no such scenario."""
    chosen = {
        f"memcg {group.scenario.axes['memcg']}\n{group.scenario.axes['page_kind']}": group
        for group in panels(groups)
        if shown(group)
    }
    text = "Overhead over base with 95 % intervals; left of zero: it saves. Each panel has its own scale."
    return forest(run, chosen, text)


def forest(run: Run, chosen: Mapping[str, Group], text: str, apart: Collection[str] = ()) -> Figure | None:
    """A panel per group, by its title, with a row per variant; None without any.

    Parameters
    ----------
    apart
        Variants with overheads so large that they need a scale of their own: drawn below the others.
    """
    if not chosen:
        return None
    cells = [cell for group in chosen.values() for cell in shown(group)]
    names = dict.fromkeys(cell.overhead.arm.variant for cell in cells)
    parts = [[n for n in names if n not in apart], [n for n in names if n in apart]]
    parts = [part for part in parts if part]
    height = 1.6 + 0.5 * (len(parts) - 1) + ROW * len(names) * 1.6
    ratios = [len(part) + 1 for part in parts]
    figure, axes = new_figure(len(parts), len(chosen), height, sharey="row", height_ratios=ratios)
    for part, panels_of_it in zip(parts, axes, strict=True):
        for panel, group in zip(panels_of_it, chosen.values(), strict=True):
            _rows(panel, group, part)
    for row, panels_of_it in enumerate(axes):
        for panel, (title, group) in zip(panels_of_it, chosen.items(), strict=True):
            if row == 0 or NARROW.get():
                panel.set_title(f"{title}, base {group.base_ns:.1f} ns")
    for panel in axes[-1]:
        panel.set_xlabel("overhead, ns per page")
    gate_legend(figure, sorted({cell.overhead.arm.gate for cell in cells}))
    caption(figure, run, list(chosen.values()), text)
    return figure


def _rows(panel: Any, group: Group, names: Sequence[str]) -> None:
    """One variant below the other, its gates beside each other."""
    floor_band(panel, group)
    for row, name in enumerate(names):
        drawn = sorted(
            (c for c in shown(group) if c.overhead.arm.variant == name), key=lambda c: c.overhead.arm.gate
        )
        for at, cell in enumerate(drawn):
            point(panel, cell, row + (at - (len(drawn) - 1) / 2) * 0.3)
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    panel.set_axisbelow(True)
