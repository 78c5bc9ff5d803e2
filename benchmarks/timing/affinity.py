"""On which CPUs workers run: on cores of one kind, for two kinds are two machines."""

import os
from pathlib import Path

from benchmarks.core_types import SYSTEM, by_kind, numbers_of, ranges, text_of
from model.common.command import note
from model.common.errors import UsageError


def one_kind(affinity: str | None, system: Path = SYSTEM) -> str | None:
    """CPUs for the workers, all of one kind; None where the scheduler may choose among all that are usable.

    Parameters
    ----------
    affinity
        What was asked for. Without it the first kind is chosen, the performance cores, and a note says so.

    Raises
    ------
    UsageError
        When CPUs of several kinds were asked for.
    """
    kinds = by_kind(numbers_of(affinity) if affinity else usable(system), system)
    if len(kinds) <= 1:
        return affinity
    first, *others = kinds
    if affinity:
        raise UsageError(
            f"--affinity {affinity}: {text_of(kinds)}; kinds of cores are different machines, and are not "
            f"averaged: give CPUs of one kind, such as {ranges(kinds[first])}"
        )
    note(
        f"this processor has several kinds of cores, {text_of(kinds)}: measuring on {first}; "
        f"--affinity {ranges(kinds[others[0]])} measures {others[0]}"
    )
    return ranges(kinds[first])


def usable(system: Path = SYSTEM) -> list[int]:
    """CPUs that this process may use; of these the isolated ones if there are any, as pyperf has it."""
    allowed = os.sched_getaffinity(0)
    try:
        isolated = {*numbers_of((system / "system" / "cpu" / "isolated").read_text().strip())}
    except OSError:
        isolated = set()
    return sorted(allowed & isolated or allowed)
