"""Published and kept runs, read and analysed once: one page after another asks for the same ones.

There are some 130, with 3 MB each in memory. To read and analyse one takes longer than what pages make of it.
"""

from functools import cache
from pathlib import Path

from results.analysis.groups import Analysis, analysis_of
from results.analysis.machines import MARGIN
from results.reading.load import load


@cache
def analysed(path: Path) -> Analysis:
    """A run at the margin of all published figures; a process that asks again gets the same object.

    Raises
    ------
    BadRunError
        When it is damaged.
    """
    return analysis_of(load(path), MARGIN)
