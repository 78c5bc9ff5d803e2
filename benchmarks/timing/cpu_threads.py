"""Several threads that free at the same time, each on a CPU of its own: all run the same arm's loop."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from model.common.errors import FreepathError, KernelReportError
from model.common.limits import usable_cpus
from model.kernels.contract import Machine
from model.kernels.start import LoopRecord
from model.machine_code.placement import Trampoline


class CpuThreads:
    """The calling thread, and one more for every other CPU of a machine.

    Parameters
    ----------
    machine
        Whose CPUs they are: thread k's %gs is its CPU k.

    Raises
    ------
    FreepathError
        When fewer CPUs than that may be used.
    """

    def __init__(self, machine: Machine) -> None:
        count = machine.cpus
        self._call = Trampoline().call
        self._helpers = []
        if count > 1:
            for number, cpu in enumerate(chosen(count)):
                if number == 0:
                    os.sched_setaffinity(0, {cpu})
                    continue
                helper = ThreadPoolExecutor(1)
                helper.submit(os.sched_setaffinity, 0, {cpu}).result()
                helper.submit(machine.activate, number).result()
                self._helpers.append((helper, Trampoline().call))
        machine.activate()

    @property
    def several(self) -> bool:
        """Whether there are other threads."""
        return bool(self._helpers)

    def call(self, run: LoopRecord, stack: int, address: int) -> float:
        """Run a timed loop on every CPU at once.

        Parameters
        ----------
        run
            The loop's record, with those of the other CPUs in `others`.
        stack
            Bytes that the stack is moved down.
        address
            Of the loop.

        Returns
        -------
        Ticks, the mean over the CPUs.

        Raises
        ------
        KernelReportError
            When a thread waited for another in vain: a CPU was taken away for seconds.
        """
        if not self._helpers:
            return float(self._call(run.address, stack, address))
        run.arrived[0] = 0
        for other in run.others:
            for field in ("n", "passes", "restore"):
                other.record[field] = run.record[field]
        replies = [
            helper.submit(call, other.address, stack, address)
            for (helper, call), other in zip(self._helpers, run.others, strict=True)
        ]
        ticks = [self._call(run.address, stack, address), *(reply.result() for reply in replies)]
        if min(ticks) < 0:
            raise KernelReportError("a thread was waited for in vain: its CPU was taken away for seconds")
        return sum(ticks) / len(ticks)

    def restore(self, run: LoopRecord, function: Callable[..., int]) -> None:
        """Restore the pages of every CPU in its own thread, so that they lie in its own cache.

        The zone and the cgroups are CPU 0's, so they come last.
        """
        pairs = zip(self._helpers, run.others, strict=True)
        for reply in [helper.submit(function, other.address) for (helper, _), other in pairs]:
            reply.result()
        function(run.address)


def chosen(count: int) -> Sequence[int]:
    """CPUs for so many threads.

    Raises
    ------
    FreepathError
    """
    allowed = sorted(os.sched_getaffinity(0))
    if min(len(allowed), usable_cpus()) < count:
        raise FreepathError(
            f"threads={count}: {min(len(allowed), usable_cpus())} CPUs may be used here, and a thread that "
            "waits for another must not take its CPU: choose fewer threads"
        )
    return allowed[:count]
