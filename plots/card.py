"""The answer as one picture to be forwarded: 1200 x 630 pixels, the size of a link preview."""

import io
import textwrap
from typing import Any, Final

from plots.drawing import import_matplotlib
from results.analysis import answer
from results.analysis.conditions import SAID
from results.analysis.groups import Analysis
from results.output import as_answer

DOTS: Final = 100
SIZE: Final = (12.0, 6.3)
"""Inches at 100 pixels each."""
ROWS: Final = 6
LOOK: Final[dict[str, Any]] = {"fmt": "o", "color": "#0072B2", "capsize": 4, "linewidth": 2, "markersize": 8}
"""Look of a mark with its interval."""
COLUMNS: Final = 74


def card(analysis: Analysis) -> bytes:
    """A PNG with the answer as a sentence, and below it every state with its interval.

    Raises
    ------
    ValueError
        When the run has no answer.
    """
    import_matplotlib()
    from matplotlib.figure import Figure

    rows = answer.of_2015(analysis.groups)
    if not rows:
        raise ValueError("no answer in this run")
    figure = Figure(figsize=SIZE, dpi=DOTS)
    said = textwrap.fill(
        as_answer.sentence(analysis.run, rows[0]).replace(" %", "\N{NO-BREAK SPACE}%"), COLUMNS
    )
    title: dict[str, Any] = {"fontsize": 22, "fontweight": "bold", "va": "top", "parse_math": False}
    figure.text(0.04, 0.95, as_answer.QUESTION, **title)
    figure.text(0.04, 0.85, said, fontsize=18, va="top", linespacing=1.35, parse_math=False)
    panel = figure.add_axes((0.24, 0.13, 0.72, 0.36))
    panel.axvline(0, color="black", linewidth=1)
    for place, line in enumerate(rows[:ROWS]):
        low, high = line.cell.judgement.ci95 or (line.cell.overhead.ns,) * 2
        centre = line.cell.overhead.ns
        error = [[centre - low], [high - centre]]
        panel.errorbar(centre, place, xerr=error, **LOOK)
    limit = rows[0].cell.judgement.margin_ns
    panel.axvspan(-limit, limit, color="#BBBBBB", alpha=0.5, linewidth=0)
    panel.set_yticks(range(len(rows[:ROWS])), [_label(line) for line in rows[:ROWS]], fontsize=13)
    panel.set_ylim(len(rows[:ROWS]) - 0.5, -0.5)
    panel.tick_params(axis="x", labelsize=12)
    panel.set_xlabel("ns per page over base, 95 % intervals; grey: the margin", fontsize=13)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=DOTS)
    return image.getvalue()


def _label(line: answer.Line) -> str:
    """The state, and below it the condition of the core where that is not the core alone."""
    condition = line.cell.condition
    return f"{line.about},\n{SAID[condition]}" if condition == "shared" else line.about
