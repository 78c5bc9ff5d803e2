"""Overhead against the share of flagged pages, evenly spread or at random."""

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure

from plots.style import caption, error_bar, legend, new_figure
from results.analysis.groups import Cell, Group, usual
from results.reading.load import Run

READS: Final = "run"
ALT: Final = "Overhead against the share of flagged pages, evenly spread and at random."
NEEDS: Final = "python -m benchmarks --only 'memcg=on-idle,page_kind=flagged*,v1,keyfirst' -o FILE"
SHOWN: Final = {
    ("v1", "jump-label"): ("#0072B2", "o"),
    ("v1", "memory-flag"): ("#56B4E9", "D"),
    ("keyfirst", "jump-label"): ("#D55E00", "s"),
}


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """Periodic beside random; None unless mixes were measured."""
    shares = [group for group in groups if _share(group) is not None]
    if any(group.scenario.axes["share"] == "0" for group in shares):  # base through its old helper there too
        shares = [group for group in shares if group.scenario.axes["page_kind"] == "flagged"]
    if len(shares) < 2 or all(group.scenario.axes["share"] == "100" for group in shares):
        return None
    figure, axes = new_figure(1, 2, 3.8, sharey=True)
    for panel, spread in zip(axes[0], ("periodic", "random"), strict=True):
        panel.axhline(0, color="black", linewidth=0.8)
        for (variant, gate), (colour, marker) in SHOWN.items():
            points = sorted(_points(shares, spread, variant, gate), key=lambda point: point[0])
            if points:
                bars = [error_bar(cell) or [[0], [0]] for _, cell in points]
                panel.errorbar(
                    [share for share, _ in points],
                    [cell.overhead.ns for _, cell in points],
                    yerr=[[bar[end][0] for bar in bars] for end in (0, 1)],
                    color=colour,
                    marker=marker,
                    capsize=3,
                    label=f"{variant}, {gate}",
                )
        panel.set_title(f"flagged pages {'evenly spread' if spread == 'periodic' else 'at random'}")
        panel.set_xlabel("flagged pages, %")
    axes[0][0].set_ylabel("overhead, ns per page")
    handles, labels = axes[0][0].get_legend_handles_labels()
    legend(figure, handles, labels)
    caption(
        figure, run, shares, "memcg on-idle, warm. Base frees every page of a mix through its old helper."
    )
    return figure


def _share(group: Group) -> tuple[float, str] | None:
    """Percentage and spread of a scenario with memcg on-idle; all flagged and none belong to both spreads."""
    axes = group.scenario.axes
    if not usual([group], "page_kind", "share", "spread", memcg="on-idle"):
        return None
    if axes["page_kind"] == "flagged" and axes["share"] != "100":
        return float(axes["share"]), axes["spread"]
    pure = {"plain": 0.0, "flagged": 100.0}.get(axes["page_kind"])
    return None if pure is None else (pure, "both")


def _points(groups: Sequence[Group], spread: str, variant: str, gate: str) -> list[tuple[float, Cell]]:
    points = []
    for group in groups:
        share = _share(group)
        if share and share[1] in (spread, "both"):
            wanted = (
                c for c in group.cells if (c.overhead.arm.variant, c.overhead.arm.gate) == (variant, gate)
            )
            points += [(share[0], cell) for cell in wanted]
    return points
