"""--until-decided: further processes for what is undecided, and for nothing else.

The verdicts are those of `python -m results show`. Every look is one more chance to be wrong, so results
narrow the error of each (`looks` in the metadata). Rounds grow, so that looks are few.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.units import counted
from model.common.streams import note

LEAST: Final = 4
"""Processes of a round."""
SHARE: Final = 0.5
"""A round adds this share of what a scenario has."""
MOST_LOOKS: Final = 100

Open = Mapping[int, frozenset[str]]
"""Index of a case -> names of its undecided arms."""


def round_of(processes: int, most: float) -> int:
    """Processes to add to so many, where about as many as `most` still fit into the budget."""
    return max(LEAST, min(round(SHARE * processes), int(most)))


def until_decided(
    looks: int, end: float, look: Callable[[int], Open], add: Callable[[int, frozenset[str]], None]
) -> None:
    """Add rounds of processes to undecided arms, until every verdict is settled or the time is over.

    Parameters
    ----------
    looks
        At the verdicts, that were taken before.
    end
        On the monotonic clock, seconds.
    look
        Looks once more, and notes that as this number.
    add
        Adds a round to these arms of a case.
    """
    for number in range(looks + 1, MOST_LOOKS + 1):
        before, found = time.monotonic(), look(number)
        if not found:
            note("every verdict is settled")
            return
        arms = counted(sum(map(len, found.values())), "arm")
        for index, names in found.items():
            if time.monotonic() > end:
                note(f"the budget is spent; undecided: {arms} in {counted(len(found), 'scenario')}")
                return
            add(index, names)
        took = time.monotonic() - before
        note(f"look {number - 1}: {arms} in {counted(len(found), 'scenario')} undecided, {took:.0f} s more")
