"""The cost of an arm at each value of an axis, a panel per axis that the run varies."""

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from model.vocabulary.scenario import AXES, DEFAULTS, Arm, usual_of
from plots.style import caption, error_bar, legend, new_figure
from results.analysis.groups import Group, usual
from results.reading.load import Run

READS: Final = "run"
ALT: Final = "Cost of the test and the ladder at each value of an axis, in ns per page with 95 % intervals."
NEEDS: Final = "python -m benchmarks --sweep between -o FILE"
CHARGED: Final = {"memcg": "on-charged", "page_kind": "charged"}
FAR: Final = {"memory": "dram", "order": "random"}
OTHERS: Final = [kernel for kernel in AXES["kernel"] if kernel != DEFAULTS["kernel"]]
OF_OTHERS: Final[Sequence[tuple[str, str, int, dict[str, str]]]] = (
    ("between", "", 3, {}),
    ("memory", "random", 3, {"order": "random"}),
    ("entry", "", 3, {}),
    ("depth", "", 2, {}),
    ("block", "", 3, {}),
    ("stock", "charged pages", 3, CHARGED),
    ("levels", "charged pages", 3, CHARGED),
    ("cgroup", "charged pages", 2, CHARGED),
)
"""As `PANELS`, for each kernel but the first."""
PANELS: Final[Sequence[tuple[str, str, int, dict[str, str]]]] = (
    ("between", "", 3, {}),
    ("depth", "", 3, {}),
    ("checks", "", 3, {}),
    ("entry", "", 3, {}),
    ("block", "to the buddy", 3, {"depth": "full"}),
    ("threads", "each with its lists", 2, {}),
    ("threads", "one zone lock", 2, {"depth": "full"}),
    ("threads", "shared counters", 2, CHARGED),
    ("levels", "charged pages", 3, CHARGED),
    ("levels", "memsw on", 3, {**CHARGED, "memsw": "on"}),
    ("memsw", "charged pages", 2, CHARGED),
    ("backing", "dram, random", 2, FAR),
    *(
        (axis, f"{kernel}, {what}" if what else kernel, least, {"kernel": kernel, **fixed})
        for kernel in OTHERS
        for axis, what, least, fixed in OF_OTHERS
    ),
)
"""Axes without a figure of their own: axis, addition to the title, fewest values of a sweep, values of other
axes."""
MANY: Final = 5
"""Number of values beyond which their labels are small."""
SHOWN: Final = {
    ("v1", "jump-label"): ("#0072B2", "o"),
    ("v1-unlikely", "jump-label"): ("#E69F00", "P"),
    ("keyfirst", "jump-label"): ("#D55E00", "s"),
    ("nop", "none"): ("#999999", "v"),
    ("load", "none"): ("#56B4E9", "^"),
    ("load-compare", "none"): ("#009E73", "D"),
    ("load-compare-store", "none"): ("#CC79A7", "X"),
    ("no-type-test", "jump-label"): ("#0072B2", "o"),
    ("memcg-off", "jump-label"): ("#D55E00", "s"),
    ("memcg-flag-first", "jump-label"): ("#E69F00", "P"),
}
"""Variant and gate -> colour and marker: the variants of each kernel, and the ladder."""


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """None unless some axis has enough values where all else is as `PANELS` says."""
    along = {}
    for axis, what, least, fixed in PANELS:
        chosen = usual(groups, axis, **fixed)
        if len(chosen) >= least:
            along[f"{axis}: {what}" if what else axis] = (axis, chosen)
    if not along:
        return None
    figure, axes = new_figure(1, len(along), 4.2)
    for panel, (title, (axis, chosen)) in zip(axes[0], along.items(), strict=True):
        _panel(panel, axis, chosen)
        panel.set_title(title)
    axes[0][0].set_ylabel("overhead, ns per free")
    legend(figure, *axes[0][0].get_legend_handles_labels())
    others = ", ".join(f"{kernel}: {usual_of(kernel)['memcg']}" for kernel in OTHERS)
    text = (
        f"memcg {usual_of(DEFAULTS['kernel'])['memcg']} ({others}), plain pages, unless stated; "
        "95 % intervals. Below each value: base. Grey: noise floor."
    )
    caption(figure, run, [group for _, chosen in along.values() for group in chosen], text)
    return figure


def _panel(panel: Any, axis: str, chosen: Sequence[Group]) -> None:
    panel.axhline(0, color="black", linewidth=0.8)
    for place, group in enumerate(chosen):
        floor = group.floor_ns or 0.0
        panel.fill_between([place - 0.45, place + 0.45], -floor, floor, color="#DDDDDD", zorder=0)
    there = {cell.overhead.arm for group in chosen for cell in group.cells}
    looks = {name: look for name, look in SHOWN.items() if Arm(*name) in there}
    for number, ((variant, gate), (colour, marker)) in enumerate(looks.items()):
        shift = (number - (len(looks) - 1) / 2) * 0.13
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
    panel.set_xticks(range(len(chosen)), labels, fontsize=7 if len(chosen) > MANY else None)
