"""The ladder: the cost of operations at the patch point; each rung inserts exactly one more."""

from collections.abc import Mapping, Sequence
from typing import Final

from matplotlib.figure import Figure

from plots.headline import panels
from plots.style import caption, error_bar, floor_band, legend, new_figure
from results.analysis.groups import Group
from results.reading.load import Run

READS: Final = "run"
ALT: Final = "Cost of a NOP, a load, a comparison with its branch, and a store, each inserted alone."
NEEDS: Final = "python -m benchmarks --quick --only 'nop,load*' -o FILE"
RUNGS: Final = {
    "nop": "5-byte NOP",
    "load": "load",
    "load-compare": "load, compare,\nbranch",
    "load-compare-store": "load, compare,\nbranch, store",
}
HATCHES: Final = ("", "//", "..", "xx", "--")
SHADES: Final = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7")
"""Beyond as many groups they come again, each with another hatch."""


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """One colour and hatch per memcg state; None without exact arms."""
    return rungs(run, {f"memcg {group.scenario.axes['memcg']}": group for group in panels(groups)})


def rungs(run: Run, groups: Mapping[str, Group]) -> Figure | None:
    """Bars with 95 % intervals, a colour per group, by its name; None without exact arms."""
    chosen = {n: g for n, g in groups.items() if any(c.overhead.arm.variant in RUNGS for c in g.cells)}
    if not chosen:
        return None
    figure, axes = new_figure(1, 1, 4.2)
    panel = axes[0][0]
    width = 0.8 / len(chosen)
    for at, (name, group) in enumerate(chosen.items()):
        cells = {cell.overhead.arm.variant: cell for cell in group.cells}
        label = f"{name}, base {group.base_ns:.1f} ns"
        for rung, variant in enumerate(variant for variant in RUNGS if variant in cells):
            panel.bar(
                rung + (at - (len(chosen) - 1) / 2) * width,
                cells[variant].overhead.ns,
                width * 0.92,
                yerr=error_bar(cells[variant]),
                capsize=3,
                facecolor=SHADES[at % len(SHADES)],
                edgecolor="black",
                hatch=HATCHES[(at + at // len(SHADES)) % len(HATCHES)],
                rasterized=True,  # a browser prints a hatch as a megabyte
                linewidth=0.7,
                label=label if rung == 0 else None,
            )
    floor_band(panel, max(chosen.values(), key=lambda group: group.floor_ns or 0.0), vertical=True)
    panel.set_xticks(range(len(RUNGS)), list(RUNGS.values()))
    panel.set_ylabel("overhead, ns per page")
    legend(figure, *panel.get_legend_handles_labels())
    text = (
        "Each arm inserts its operations and changes no other instruction. Plain page; the store writes the "
        "same value again. Grey band: noise floor; dashed: margin."
    )
    caption(figure, run, list(chosen.values()), text)
    return figure
