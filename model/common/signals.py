"""Signals that end a command: the same way out for Ctrl-C, for a CI system and for a terminal that closes."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar, Final

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """A signal asked this process to end. It is no Exception, so that only explicit handlers catch it.

    Attributes
    ----------
    status
        Exit status, 128 + the signal's number as a shell has it.
    name
        `SIGTERM`.
    asked
        The latest such end, kept because C code may replace the exception: numpy, while it is imported,
        turns it into an ImportError.
    """

    asked: "ClassVar[Ended | None]" = None

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number
        self.name = signal.Signals(number).name


def raise_on_signals() -> dict[int, Any]:
    """From now on raise `Ended` in the main thread; signals that the caller ignores (nohup) stay ignored.

    Returns the previous handlers, for `restore_signals`.
    """
    Ended.asked = None
    before: dict[int, Any] = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _raise)
    return before


def restore_signals(before: Mapping[int, Any]) -> None:
    """Restore the previous handlers."""
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def signals_later() -> Iterator[None]:
    """Delay signals until the end of a block that must not be interrupted.

    Not by a signal mask, which is per thread: Python runs handlers in this thread anyway.
    """
    came: list[int] = []
    before: dict[int, Any] = {}
    for number in ENDING:
        before[number] = signal.signal(number, lambda which, _: came.append(which))
    try:
        yield
    finally:
        restore_signals(before)
        if came:
            signal.raise_signal(came[0])


def meet_end() -> None:
    """Raise a requested end once more, if the exception was dropped.

    A library may drop every exception where it closes something, as Unicorn does with an engine.

    Raises
    ------
    Ended
        That end.
    """
    if Ended.asked:
        raise Ended.asked


def ignore_signals() -> None:
    """From now on ignore them: they change neither what was written nor the exit status."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _raise(number: int, frame: FrameType | None) -> None:
    # Only once: a second signal must not interrupt the saving of results.
    ignore_signals()
    Ended.asked = Ended(number)
    raise Ended.asked
