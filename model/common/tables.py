"""Tables for a terminal of any width, by Rich."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from model.common.streams import say

if TYPE_CHECKING:
    from rich.console import Console

SEPARATOR: Final = 2
"""Blanks between two columns of a table."""


@contextlib.contextmanager
def console(wide: int) -> "Iterator[Console]":
    """A Rich console on standard output; its text is printed when the block ends.

    Parameters
    ----------
    wide
        Columns when standard output is no terminal.
    """
    from rich.console import Console

    terminal = sys.stdout.isatty()
    drawn = Console(highlight=False, markup=False, emoji=False, force_terminal=forced(terminal))
    if not terminal:
        drawn.width = wide
    with drawn.capture() as captured:
        yield drawn
    say(captured.get())


def forced(terminal: bool) -> bool | None:
    """`force_terminal` of a Rich console: on a terminal Rich finds its abilities itself.

    Elsewhere False, also with FORCE_COLOR or TTY_COMPATIBLE: a file or a pipe has no width and interprets no
    escape sequence.
    """
    return None if terminal else False


def that_fit(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, spare: Sequence[str]
) -> list[int]:
    """Which columns of a table a terminal has room for.

    Parameters
    ----------
    width
        Of the terminal.
    spare
        Headings of columns that may be left out, in this order.
    """
    needed = {
        heading: SEPARATOR + max(len(text) for text in (heading, *(row[at] for row in rows)))
        for at, heading in enumerate(headings)
    }
    for heading in spare:
        if sum(needed.values()) <= width:
            break
        del needed[heading]
    return [at for at, heading in enumerate(headings) if heading in needed]
