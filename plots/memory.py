"""Overhead against the number of struct pages: their lines are in L1D, in another cache, or in memory."""

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure

from plots.style import caption, error_bar, legend, new_figure
from results.analysis.groups import Cell, Group, usual
from results.reading.load import Run

READS: Final = "run"
ALT: Final = "Overhead of v1 against the number of struct pages, sequential and random."
NEEDS: Final = "python -m benchmarks --memory all --only 'v1,keyfirst,memcg=on-idle,depth=pcp' -o FILE"
SIZES: Final = {"warm": 512, "l2": 8192, "l3": 65536, "dram": 16_777_216}
"""Number of struct pages of older runs, which do not state it."""
UNITS: Final = ((30, "GiB"), (20, "MiB"), (10, "KiB"))
SHOWN: Final = {("v1", "jump-label"): ("#0072B2", "o"), ("keyfirst", "jump-label"): ("#D55E00", "s")}
LINES: Final = {"on": "-", "deferred": ":"}


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """Sequential beside random, checks on and deferred; None unless two sizes were measured."""
    measured = usual(groups, "memory", "order", "checks", memcg="on-idle")
    chosen = [group for group in measured if group.scenario.axes["memory"] in SIZES]
    if len({group.scenario.axes["memory"] for group in chosen}) < 2:
        return None
    figure, axes = new_figure(1, 2, 4.0)
    for panel, access in zip(axes[0], ("sequential", "random"), strict=True):
        panel.axhline(0, color="black", linewidth=0.8)
        for (variant, gate), (colour, marker) in SHOWN.items():
            for checks, line in LINES.items():
                points = _points(chosen, access, checks, variant, gate)
                if points:
                    places, cells = zip(*points, strict=True)
                    bars = [error_bar(cell) or [[0], [0]] for cell in cells]
                    panel.errorbar(
                        places,
                        [cell.overhead.ns for cell in cells],
                        yerr=[[bar[end][0] for bar in bars] for end in (0, 1)],
                        color=colour,
                        marker=marker,
                        fillstyle="full" if checks == "on" else "none",
                        linestyle=line,
                        capsize=3,
                        label=f"{variant}, check {'on every free' if checks == 'on' else 'at the drain'}",
                    )
        panel.set_xticks(range(len(SIZES)), [_label(memory, chosen) for memory in SIZES])
        panel.set_title(f"pages freed in {access} order")
        panel.set_ylabel("overhead, ns per page")
    handles, labels = axes[0][0].get_legend_handles_labels()
    legend(figure, handles, labels)
    caption(figure, run, chosen, "memcg on-idle, plain pages, 95 % intervals. Panels have their own scales.")
    return figure


def _label(memory: str, groups: Sequence[Group]) -> str:
    """The name and the bytes of struct pages on this machine."""
    of_it = [group.scenario for group in groups if group.scenario.axes["memory"] == memory]
    known = [
        process.facts["struct_pages"]
        for s in of_it
        for process in s.processes
        if "struct_pages" in process.facts
    ]
    size = 64 * (int(known[0]) if known else SIZES[memory])
    shift, unit = next((shift, unit) for shift, unit in UNITS if size >> shift)
    return f"{memory}\n{size / (1 << shift):.3g} {unit}"


def _points(
    groups: Sequence[Group], access: str, checks: str, variant: str, gate: str
) -> list[tuple[int, Cell]]:
    """Place on the axis and cell; the warm set is measured in sequential order only."""
    return [
        (list(SIZES).index(group.scenario.axes["memory"]), cell)
        for group in groups
        for cell in group.cells
        if group.scenario.axes["order"] == access
        and group.scenario.axes["checks"] == checks
        and (cell.overhead.arm.variant, cell.overhead.arm.gate) == (variant, gate)
    ]
