"""`results show`: a table per scenario, as wide as the terminal."""

import io
from typing import Final, Literal

from model.common.tables import forced, that_fit
from results.analysis.file_pairs import beside
from results.analysis.groups import Analysis
from results.output.words import (
    HEADINGS,
    NUMERIC,
    footer,
    noise_line,
    other_line,
    row_of,
    run_warnings,
    title_of,
)

UNBOUNDED: Final = 1000
"""Columns of a table that is piped: no line is broken."""
WIDE: Final = 110
"""Columns of a terminal below which verdicts are one word."""
SLIM: Final = 60
"""Columns of a terminal below which names of arms are broken too."""
SHORT_VERDICT: Final = 12
SPARE: Final = ("corrected", "sd", "%", "cycles", "pay, save", "95 % interval")
"""Headings that a narrow terminal omits, in this order."""


def as_table(analysis: Analysis, *, terminal: bool = False) -> str:
    """Fits a terminal of any width; for a file or a pipe every column, and no line broken.

    Parameters
    ----------
    terminal
        Whether standard output is a terminal, and gets the table.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    run, groups = analysis.run, analysis.groups
    stream = io.StringIO()
    real = Console(force_terminal=forced(terminal))
    width = real.width if real.is_terminal else UNBOUNDED
    drawn = Console(
        file=stream,
        width=width,
        force_terminal=real.is_terminal,
        safe_box=True,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for group in groups:
        rows = [row_of(cell) for cell in group.cells]
        if width < WIDE:
            rows = [(*row[:-1], cell.judgement.verdict) for row, cell in zip(rows, group.cells, strict=True)]
        # A verdict that is more than a word is broken where it does not fit.
        kept = that_fit(HEADINGS, [(*row[:-1], row[-1][:SHORT_VERDICT]) for row in rows], width, SPARE)
        table = Table(
            title=title_of(group),
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            collapse_padding=True,
            pad_edge=False,
        )
        for heading in (HEADINGS[at] for at in kept):
            justify: Literal["left", "right"] = "right" if heading in NUMERIC else "left"
            broken = heading == "verdict" or (heading == "arm" and width < SLIM)
            table.add_column(heading, justify=justify, no_wrap=not broken, overflow="fold")
        for row in rows:
            table.add_row(*(row[at] for at in kept))
        drawn.print(table)
        for line in (
            *beside(group),
            *other_line(group),
            noise_line(group),
            *(f"warning: {warning}" for warning in group.warnings),
        ):
            drawn.print(line)
    for line in (*(f"warning: {w}" for w in run_warnings(run)), *footer(run, groups)):
        drawn.print(line, soft_wrap=not real.is_terminal)
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())
