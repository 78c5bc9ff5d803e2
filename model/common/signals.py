"""Signals that end a command: the same way out for Ctrl-C, for a CI system and for a terminal that closes."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar, Final

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """A signal asked this process to end. No Exception, so that only who means it catches it.

    Attributes
    ----------
    status
        Exit status, 128 + the signal's number as a shell has it.
    name
        `SIGTERM`.
    asked
        The end that this process was asked for, whatever C code made of the exception: numpy, being imported,
        makes an ImportError of it.
    """

    asked: "ClassVar[Ended | None]" = None

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number
        self.name = signal.Signals(number).name


def raise_on_signals() -> dict[int, Any]:
    """From now on raise `Ended` in the main thread; what the caller has us ignore (nohup) stays ignored.

    Returns the handlers that were there, for `restore_signals`.
    """
    Ended.asked = None
    before: dict[int, Any] = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _raise)
    return before


def restore_signals(before: Mapping[int, Any]) -> None:
    """What a signal did before, it does again."""
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def signals_later() -> Iterator[None]:
    """What must be done in whole: a signal that comes meanwhile is met at the end.

    Not by a signal mask, which is one thread's: Python runs handlers here, whichever thread the kernel chose.
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
    """Raise the end that this process was asked for, if what was raised for it went nowhere.

    A library may drop every exception where it closes something, as Unicorn does with an engine.

    Raises
    ------
    Ended
        That end.
    """
    if Ended.asked:
        raise Ended.asked


def ignore_signals() -> None:
    """From now on they come too late, and change neither what was written nor the exit status."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _raise(number: int, frame: FrameType | None) -> None:
    # Once is enough: a second one must not interrupt the putting away of what was measured.
    ignore_signals()
    Ended.asked = Ended(number)
    raise Ended.asked
