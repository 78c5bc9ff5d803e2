"""Cells of `results machines`, from the JSON that the machines' folders hold."""

from typing import Any, Final

from results.analysis.conditions import CONDITIONS, SAID, apart

HEAD: Final = (
    "ns per page over base with 95 % interval, alone on the core unless said; cycles (predicted);",
    "share of builds that pay; the figure beside a busy sibling.",
)
"""What the columns of the table are."""


def text_of(cell: dict[str, Any] | None) -> tuple[str, str, str]:
    """What is known of a cell.

    Number, interval and verdict; cycles, in brackets the prediction, and the share of builds that pay; the
    number in the other condition of the core.
    """
    if cell is None:
        return "", "", ""
    more = []
    if cell["overhead_cycles"] is not None:
        predicted = cell["predicted_cycles"]
        more.append(
            f"{cell['overhead_cycles']:+z.2f} cycles"
            + (f" ({predicted:.2f})" if predicted is not None else "")
        )
    if cell["builds_paying"] is not None:
        more.append(f"{cell['builds_paying']:.0%} pay")
    condition = cell.get("condition")  # entries from before it have none
    other = next((each for each in CONDITIONS if each != condition and cell.get(each)), None)
    beside = f"{SAID[other]} {_figure(cell[other])}" if other and condition else ""
    return f"{_figure(cell)}{apart(condition)}", ", ".join(more), beside


def _figure(cell: dict[str, Any]) -> str:
    """`+0.202 [+0.161, +0.243] costs`."""
    interval = f" [{cell['ci95_ns'][0]:+z.3f}, {cell['ci95_ns'][1]:+z.3f}]" if cell["ci95_ns"] else ""
    return f"{cell['overhead_ns']:+z.3f}{interval} {cell['verdict']}"


def columns(figure: dict[str, Any] | None) -> tuple[Any, ...]:
    """Number, both ends of its interval, verdict; empty where there was not enough of a condition."""
    if not figure:
        return ("",) * 4
    return figure["overhead_ns"], *(figure["ci95_ns"] or ("", "")), figure["verdict"]
