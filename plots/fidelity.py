"""The model beside kernel files: what one free executes in each step."""

from typing import Any, Final

from matplotlib.figure import Figure

from model.common.errors import UsageError
from plots.style import foot, legend, new_figure
from results.analysis.fidelity import STEPS, Column, columns_of

READS: Final = "fidelity"
ALT: Final = "Instructions of one free in each step of the path: the models beside kernel files."
NEEDS: Final = "python -m results.fidelity MODEL.json KERNEL.json -o FILE"
SHADES: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
PARTS: Final = {"work": "", "stack and calls": "////", "NOPs": "...."}
MOST: Final = len(SHADES)
"""Kernels that colours tell apart."""


def draw(document: dict[str, Any]) -> Figure | None:
    """Bars per step and kernel; None when the census has not several kernels, each with its order."""
    columns = _columns(document)
    if len(columns) < 2:
        return None
    names = [name.partition(":")[0] for name, _ in STEPS]
    figure, axes = new_figure(1, 1, 1.6 + 0.16 * len(columns) * len(names))
    panel = axes[0][0]
    for at, column in enumerate(columns):
        _bars(panel, column, SHADES[at], (at + 0.5) / len(columns) - 0.5, 0.8 / len(columns))
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.set_xlabel("instructions per freed page")
    handles, labels = _legend(columns)
    legend(figure, handles, labels)
    foot(
        figure,
        "One free of order 0 to the per-CPU list, memcg key and page checks on, with the list check; "
        f"the model compiled for {document['cpu']}. Exact counts, python -m benchmarks.census --in-order.",
    )
    return figure


def _columns(document: dict[str, Any]) -> list[Column]:
    """Of every kernel; none where one of them was not counted in order."""
    try:
        return columns_of(document)[:MOST]
    except UsageError:
        return []


def _bars(panel: Any, column: Column, colour: str, place: float, height: float) -> None:
    """One kernel's bar in each step, in three parts."""
    for row, (name, _) in enumerate(STEPS):
        step = column.steps[name]
        left = 0
        parts = (step.instructions - step.frame - step.idle, step.frame, step.idle)
        for count, hatch in zip(parts, PARTS.values(), strict=True):
            # A browser prints a hatch as a megabyte, so bars are pixels.
            look = {
                "color": colour,
                "hatch": hatch,
                "edgecolor": "white" if hatch else colour,
                "linewidth": 0.4,
            }
            panel.barh(row + 0.8 * place, count, height * 0.92, left=left, rasterized=True, **look)
            left += count


def _legend(columns: list[Column]) -> tuple[list[Any], list[str]]:
    from matplotlib.patches import Patch

    handles = [Patch(color=SHADES[at]) for at in range(len(columns))]
    handles += [
        Patch(facecolor="#888888", hatch=hatch, edgecolor="white") for hatch in PARTS.values() if hatch
    ]
    totals = [sum(step.instructions for step in column.steps.values()) for column in columns]
    labels = [f"{column.kernel} ({total})" for column, total in zip(columns, totals, strict=True)]
    return handles, [*labels, *(name for name, hatch in PARTS.items() if hatch)]
