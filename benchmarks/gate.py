"""Before a kernel file's code runs natively: the same bytes, in the emulator, to their end.

A worker lays an arm's functions out anew in many builds, so the emulator runs what the worker made: one free,
or one batch, through the timed loop of each build. The first one of an arm must return, leave its pages on
their list and the CPU as it was, and execute nothing that user space cannot. Each other one must execute the
same instructions, NOPs aside, from its own bytes, and store the same values at the same addresses.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.emulator import EmulationError
from benchmarks.executed import Executed
from benchmarks.recorder import Recorded, Recorder
from model.common.errors import KernelFileError
from model.common.limits import usable_cpus
from model.kernels.arrays import address_of
from model.kernels.start import LoopRecord, StartState

THREADS: Final = 2
"""Emulated at a time, where there are so many CPUs: a worker is measured alone, so others are idle."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Candidate:
    """Code that a worker is going to run: the builds of one arm.

    Attributes
    ----------
    what
        The arm, for messages.
    start
        Its start state: memory is as before, afterwards.
    run
        What the loop is told.
    addresses, begins, ends
        int64[builds]: of the loop in each build, and where the build's own bytes lie.
    """

    what: str
    start: StartState
    run: LoopRecord
    addresses: Ints
    begins: Ints
    ends: Ints

    @property
    def code(self) -> tuple[int, int]:
        """Where all builds lie: first address and bytes."""
        return int(self.begins.min()), int(self.ends.max() - self.begins.min())

    @property
    def shown(self) -> list[tuple[int, int]]:
        """What the loop reads beside the machine's memory."""
        return [(address_of(each), each.nbytes) for each in (self.run.record, self.start.order_of_pages)]


def run_first(candidates: Sequence[Candidate]) -> None:
    """Free a page, or a batch of pages, with every build of every arm, in the emulator.

    Raises
    ------
    KernelFileError
        When anything is not as it should be: nothing of that arm may run natively.
    """
    records = [(each.run.record, each.run.record.copy()) for each in candidates]
    for each in candidates:
        record = each.run.record
        record["n"], record["passes"], record["restore"] = each.start.at_once, 1, 0
    try:
        others = [partial(_others, each, *_first(each)) for each in candidates]
        with ThreadPoolExecutor(min(THREADS, usable_cpus())) as threads:
            for done in [threads.submit(each) for each in others]:
                done.result()
    finally:
        for record, kept in records:
            record[:] = kept


def _first(arm: Candidate) -> tuple[Recorded, Ints, dict[int, bytes]]:
    """Run the first build in the machine's own memory.

    Returns
    -------
    What it did, the instructions by their numbers in Capstone, and what the pages were that it wrote.
    """
    start = arm.start
    recorder = Recorder(start.machine, arm.shown, arm.code)
    try:
        done = _call(recorder, arm, 0)
        code = Executed(done.code)
        fault = code.fault() or start.fault(start.order_of_pages[: start.at_once])
        if fault:
            raise _refusal(arm, 0, fault)
    finally:
        recorder.undo()
    return done, code.numbers, recorder.before


def _others(arm: Candidate, first: Recorded, numbers: Ints, before: dict[int, bytes]) -> None:
    """Run every other build, each in a copy of what the first one wrote."""
    recorder = Recorder(arm.start.machine, arm.shown, arm.code, before)
    for build in range(1, len(arm.addresses)):
        done = _call(recorder, arm, build)
        if not np.array_equal(done.stores, first.stores):
            raise _refusal(arm, build, "it does not store what the first build does")
        if not np.array_equal(Executed(done.code).numbers, numbers):
            raise _refusal(arm, build, "it does not execute the instructions of the first build")


def _call(recorder: Recorder, arm: Candidate, build: int) -> Recorded:
    """Run one build to its end, in its own bytes."""
    try:
        done = recorder.call(int(arm.addresses[build]), arm.run.address)
    except EmulationError as error:
        raise _refusal(arm, build, str(error)) from None
    at, ends = done.blocks[:, 0], done.blocks.sum(axis=1)
    outside = at[(at < arm.begins[build]) | (ends > arm.ends[build])]
    if len(outside):
        raise _refusal(arm, build, f"it leaves its own code for {outside[0]:#x}")
    return done


def _refusal(arm: Candidate, build: int, why: str) -> KernelFileError:
    return KernelFileError(f"the emulator refuses {arm.what}, build {build}, so it is not run: {why}")
