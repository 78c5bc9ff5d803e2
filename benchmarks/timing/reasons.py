"""Why a session stopped, in words, and the exit status that belongs to it."""

import re
import signal
import subprocess
from typing import Any, Final

from benchmarks.timing.partial import Partial
from benchmarks.timing.workers import what_stops_a_worker
from model.common.command import BAD_INPUT
from model.common.errors import FreepathError
from model.common.process import how_it_ended
from model.common.signals import Ended

TIMED_OUT: Final = 124
"""pyperf's exit status, and that of timeout(1)."""
EXPECTED: Final = (
    Ended,
    SystemExit,
    RuntimeError,
    FreepathError,
    OSError,
    MemoryError,
    subprocess.TimeoutExpired,
)
"""Exceptions that may end a run; any other is a defect, and is shown once the processes are saved."""


def reason_of(stop: BaseException, partial: Partial, args: Any) -> tuple[str, int]:
    """A reason in words, and the exit status that belongs to it."""
    if isinstance(stop, Ended):
        return f"stopped by {stop.name}", stop.status
    if not partial.folder.exists():
        return f"{partial.folder} was removed while this was measured", BAD_INPUT
    if isinstance(stop, SystemExit):
        return f"a worker took longer than --timeout {args.timeout} allows", TIMED_OUT
    if isinstance(stop, subprocess.TimeoutExpired):  # pyperf's own limit, once it has the values
        return f"a worker had measured and did not end within {stop.timeout:.0f} s", TIMED_OUT
    if isinstance(stop, MemoryError):
        return "not enough memory", BAD_INPUT
    if isinstance(stop, RuntimeError):
        return _how_a_worker_ended(str(stop), partial, args)
    return (f"{stop.strerror or stop}" if isinstance(stop, OSError) else f"{stop}"), BAD_INPUT


def _how_a_worker_ended(pyperfs: str, partial: Partial, args: Any) -> tuple[str, int]:
    """By the exit status, which pyperf has in its text, and by what the worker left in the folder."""
    match = re.search(r"exit code (-?\d+)", pyperfs)
    said = partial.words().splitlines()
    if match is None:
        return f"a worker failed: {pyperfs}", BAD_INPUT
    status = int(match[1])
    if status == BAD_INPUT and said:
        return said[-1].removeprefix("python -m benchmarks: "), BAD_INPUT
    if not said and status > 0 and (said := what_stops_a_worker(args)):
        more = "workers get few variables of your environment: --copy-env gives them all of it"
        return f"a worker {how_it_ended(status, said[-1:])}; {more}", BAD_INPUT
    # Ctrl-C on a terminal reaches the worker as well, perhaps first.
    interrupted = status == -signal.SIGINT
    return f"a worker {how_it_ended(status, said)}", 128 + signal.SIGINT if interrupted else BAD_INPUT
