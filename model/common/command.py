"""How a command begins and ends: one-line errors, exit statuses, signals.

0    done
1    a finding: a regression, a failed claim, a missed target
2    bad input, or something that cannot be done here; one line on stderr says what to do
3    could not tell, where a command has `--strict`
70   a defect of freepath (EX_SOFTWARE of sysexits.h), so that a crash is never taken for a finding
128+n  ended by signal n
"""

import contextlib
import gc
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, NoReturn

from model.common.errors import FreepathError
from model.common.signals import Ended, ignore_signals, meet_end, raise_on_signals, restore_signals
from model.common.streams import forget, note, prepare_streams, say

BAD_INPUT: Final = 2
CANNOT_TELL: Final = 3
DEFECT: Final = 70
INTERRUPTED: Final = 130
OURS: Final = ("model", "benchmarks", "results", "plots")
"""Packages of freepath; any other is installed by make setup."""
MOMENT_S: Final = 0.01
SELDOM: Final = (20_000, 20, 20)
"""When garbage is collected (gc.set_threshold): a command keeps nearly all that it reads and soon ends. By
Python's own thresholds a twentieth of the time goes into looking through it."""


def run(name: str, command: Callable[[], int], *, signals: bool = True) -> int:
    """Run a command; returns the exit status. No exception leaves here.

    Parameters
    ----------
    name
        As the user called it: `python -m results`.
    signals
        Handle the signals that end a command; without it they have their default effect.
    """
    usual, before = sys.unraisablehook, {}
    gc.set_threshold(*SELDOM)
    try:
        if signals:
            sys.unraisablehook = partial(_end_again, usual)
            before = raise_on_signals()
        return _run(name, command)
    except Ended as end:
        Ended.asked = None  # release the frames that it was raised in, with their objects
        return end.status
    finally:
        if signals:
            signal.setitimer(signal.ITIMER_REAL, 0)
            sys.unraisablehook = usual
            restore_signals(before)


def guard(name: str) -> None:
    """Give a crash during imports, before `run`, the exit status that it would have inside."""

    def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            leave(_complain_of(error, name))

    sys.excepthook = crashed


def leave(status: int) -> NoReturn:
    """End the process; signals are ignored now, since they would only change the exit status."""
    ignore_signals()
    sys.exit(status)


def _end_again(usual: Callable[[Any], object], dropped: "sys.UnraisableHookArgs") -> None:
    """Raise `Ended` once more where Python dropped it, as it drops what is raised in a callback."""
    end = dropped.exc_value
    if not isinstance(end, Ended):
        usual(dropped)
        return

    def again(number: int, frame: FrameType | None) -> None:
        raise end

    signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, MOMENT_S)


def _run(name: str, command: Callable[[], int]) -> int:
    """Turn what the command raises into a message and an exit status, except the end by a signal."""
    prepare_streams()
    status = 0
    try:
        status = _status(command)
        say("")
        meet_end()
        return status
    except BrokenPipeError:
        forget(sys.stdout)  # the reader has gone, as `head` does: the exit status stays
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException as error:  # a panic in Rust is no Exception
        if Ended.asked:
            raise Ended.asked from None
        return _complain_of(error, name)


def complain(name: str, message: str, shown: Iterable[str] = ()) -> int:
    """One line on stderr, and what it shows below it; returns the exit status for bad input."""
    note(f"{name}: {message}")
    for line in shown:
        note(f"  {line}")
    return BAD_INPUT


def _complain_of(error: BaseException, name: str) -> int:
    """Say what went wrong; returns the exit status."""
    match error:
        case FreepathError():
            return complain(name, str(error), error.shown)
        case MemoryError():
            return complain(name, "not enough memory")
        case ImportError() if (error.name or "").partition(".")[0] not in OURS:
            why = f"{error.__cause__ or error}".strip().partition("\n")[0]
            advice = "make setup, then use .venv/bin/python or ./freepath"
            return complain(name, f"{sys.executable} lacks what freepath needs ({why}): {advice}")
        case OSError():
            forget(sys.stdout)
            return complain(name, f"{_what_failed(error)}: {error.strerror or error}")
    with contextlib.suppress(OSError):
        traceback.print_exception(error)
    note(f"{name}: this is a defect of freepath; please report the lines above")
    return DEFECT


def _what_failed(error: OSError) -> str:
    """The file that cannot be used, or the function whose system call was refused."""
    if error.filename is not None:
        return f"cannot use {error.filename}"
    frames = traceback.extract_tb(error.__traceback__)
    where = (
        f"{frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else "a call"
    )
    return f"the system refuses {where}"


def _status(command: Callable[[], int]) -> int:
    """Exit status of a command that may call exit, as argparse does for --help."""
    try:
        return command()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
