"""Before a kernel file's code runs natively: the same bytes, in the emulator, to their end.

A worker lays an arm's functions out anew, so the emulator runs what the worker made: one free through the
timed loop of the arm's first build, or one batch. It must return, without an instruction that user space
cannot execute, from the build's own bytes, and leave its pages on their list and the CPU as it was.
"""

from typing import Any

from benchmarks.emulator import EmulationError, Emulator
from benchmarks.privileged import refuse_privileged
from model.common.errors import KernelFileError
from model.kernels.arrays import address_of

LIMIT = 20_000
"""Instructions of one free with its loop."""


def run_first(start: Any, run: Any, builds: Any, what: str) -> None:
    """Free one page with an arm's first build, in the emulator.

    Parameters
    ----------
    start
        The arm's start state; its memory is as before, afterwards.
    run
        What the loop is told.
    builds
        The arm's code.
    what
        The arm, for the message.

    Raises
    ------
    KernelFileError
        When anything is not as it should be: nothing of this arm may run natively.
    """
    machine, record = start.machine, run.record
    pages = start.order_of_pages[: start.at_once]
    rows = start.rows_of(pages)
    kept = machine.memory.arena.copy(), machine.memory.mem_map[rows].copy()
    told = {name: record[name].copy() for name in ("n", "passes", "restore")}
    record["n"], record["passes"], record["restore"] = len(pages), 1, 0
    emulator = Emulator(machine, [])
    for shown in (record, start.order_of_pages):
        emulator.show(address_of(shown), shown.nbytes)
    emulator.show(builds.start, builds.size)
    try:
        trace = emulator.call(int(builds.addresses[0]), run.address, limit=LIMIT)
        refuse_privileged(emulator, trace)
        outside = [at for at in trace.executed if not builds.start <= at < builds.start + builds.size]
        if outside:
            raise EmulationError(f"it leaves its own code for {outside[0]:#x}")
        if fault := start.fault(pages):
            raise EmulationError(fault)
    except EmulationError as error:
        raise KernelFileError(f"the emulator refuses {what}, so it is not run: {error}") from None
    finally:
        machine.memory.arena[:], machine.memory.mem_map[rows] = kept
        for name, value in told.items():
            record[name] = value
