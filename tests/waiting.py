"""Wait for a thing that happens, not for a time: a machine under load takes longer."""

import time
from collections.abc import Callable
from typing import Final

import psutil

LONGEST_S: Final = 200.0
"""After which it is taken for granted that nothing will happen."""


def until(happened: Callable[[], object]) -> None:
    """Wait for it."""
    end = time.monotonic() + LONGEST_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def until_it_ran(process: int | psutil.Process, seconds: float) -> None:
    """Until a process has used so many seconds of a CPU from now on, or has ended."""
    try:
        own = psutil.Process(process) if isinstance(process, int) else process
        end = spent(own) + seconds
        until(lambda: own.status() == psutil.STATUS_ZOMBIE or spent(own) >= end)
    except psutil.NoSuchProcess:
        return


def spent(process: psutil.Process) -> float:
    """Seconds of a CPU that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)
