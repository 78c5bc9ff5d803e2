"""A judged figure on one line, as evidence of a claim, tables and pages say it."""

from results.analysis.conditions import SAID
from results.analysis.estimate import Overhead
from results.analysis.groups import Cell
from results.analysis.verdict import Judgement


def text_of(overhead: Overhead, judgement: Judgement, name: str = "") -> str:
    """`on-idle v1/jump-label +0.239 ns [+0.228, +0.250], 25 % of builds pay: costs`."""
    paying = overhead.spread.paying if overhead.spread.builds > 1 else None
    share = "" if paying is None else f", {paying:.0%} of builds pay"
    interval = "" if judgement.ci95 is None else f" [{judgement.ci95[0]:+z.3f}, {judgement.ci95[1]:+z.3f}]"
    return f"{name or overhead.arm.name} {overhead.ns:+z.3f} ns{interval}{share}: {judgement.verdict}"


def cell_text(cell: Cell, name: str = "") -> str:
    """The same of a cell; with its condition, and the figure in the other one, where a sibling was busy."""
    text = text_of(cell.overhead, cell.judgement, name)
    if cell.condition == "shared" or cell.other:
        text += f", {SAID[cell.condition]}"
    return text + (f"; {other_text(cell)}" if cell.other else "")


def other_text(cell: Cell) -> str:
    """`beside a busy sibling +0.202 [+0.161, +0.243]: costs`; empty where there was one condition."""
    if cell.other is None:
        return ""
    condition, judged = cell.other
    number = f"{judged.overhead.ns:+z.3f} {interval_text(judged.judgement.ci95)}"
    return f"{SAID[condition]} {number}: {judged.judgement.verdict}"


def interval_text(interval: tuple[float, float] | None) -> str:
    """`[-0.081, +0.073]`."""
    return "none" if interval is None else f"[{interval[0]:+z.3f}, {interval[1]:+z.3f}]"
