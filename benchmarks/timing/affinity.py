"""CPUs of the workers: cores of one kind, since each kind counts as a machine."""

import os
from pathlib import Path

from benchmarks.core_types import SYSTEM, by_kind, text_of
from model.common.errors import UsageError
from model.common.streams import note
from model.common.system_files import cpu_list, cpus_in, read


def one_kind(affinity: str | None, system: Path = SYSTEM) -> str:
    """CPUs for the workers, all of one kind, in the form of `--affinity`.

    Parameters
    ----------
    affinity
        What was asked for. Without it the first kind is chosen, the performance cores, and a note says so.

    Raises
    ------
    UsageError
        When CPUs of several kinds were asked for.
    """
    cpus = cpus_in(affinity) if affinity else usable(system)
    kinds = by_kind(cpus, system)
    if len(kinds) <= 1:
        return affinity or cpu_list(cpus)
    first, *others = kinds
    if affinity:
        raise UsageError(
            f"--affinity {affinity}: {text_of(kinds)}; kinds of cores are different machines, and are not "
            f"averaged: give CPUs of one kind, such as {cpu_list(kinds[first])}"
        )
    note(
        f"this processor has several kinds of cores, {text_of(kinds)}: measuring on {first}; "
        f"--affinity {cpu_list(kinds[others[0]])} measures {others[0]}"
    )
    return cpu_list(kinds[first])


def usable(system: Path = SYSTEM) -> list[int]:
    """CPUs that this process may use; of these the isolated ones if there are any.

    pyperf's own choice is every isolated CPU; where a cpuset or taskset leaves us none of them, its workers
    fail with EINVAL.
    """
    ours = os.sched_getaffinity(0)
    isolated = {*cpus_in(read(system / "system" / "cpu" / "isolated"))}
    if isolated and not ours & isolated:
        note(
            f"the isolated CPUs ({cpu_list(isolated)}) are not among those that this process may use "
            f"({cpu_list(ours)}): measuring on these"
        )
    return sorted(ours & isolated or ours)
