"""Placed code is executed or changed, never both at once."""

import contextlib
from collections.abc import Callable
from threading import Lock, get_ident
from typing import Final

from model.common.errors import CompileError, KeysBusyError
from model.machine_code.region import Region


class Running:
    """Keeps the threads of this process from changing placed code while one of them executes it.

    ctypes lets other threads go on while code runs. One of them could change a site under the processor that
    executes it, or make its page writable and not executable. The kernel patches running code with int3 and
    an interrupt to every CPU; here that is refused. A call that begins during a change waits for its end, and
    a change happens as a whole or not at all.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._threads: set[int] = set()
        self._undo: Callable[[], None] | None = None

    def call(self, function: Callable[..., int], *arguments: int) -> int:
        """Run placed code in this thread."""
        thread = get_ident()
        try:
            # First register, then check for a change: a change announces itself, then checks for threads.
            self._threads.add(thread)
            if self._undo is not None:
                self._wait(thread)
            return function(*arguments)
        finally:
            self._threads.discard(thread)

    def change(self, do: Callable[[], None], undo: Callable[[], None], *, code: bool) -> None:
        """Change code, and what has to agree with it.

        Parameters
        ----------
        do
            Makes the change.
        undo
            Restores the state before, however far `do` came. Where that leaves a region torn, the next call
            or change tries it again, and is refused if it fails: code that is half changed, or on a page that
            is not executable, never runs.
        code
            Whether code that may be running is changed.

        Raises
        ------
        KeysBusyError
            When another thread runs placed code. Nothing has changed then.
        """
        with self._lock:
            self._take_back()
            self._undo = undo
            # This thread is here, so it runs no code, even if Ctrl-C left it registered.
            if code and self._threads - {get_ident()}:
                self._undo = None
                raise KeysBusyError(
                    "a static key cannot change while another thread runs placed code: "
                    "change keys between calls"
                )
            try:
                do()
            except BaseException:
                with contextlib.suppress(CompileError):
                    self._take_back()
                raise
            self._undo = None

    def _wait(self, thread: int) -> None:
        """Wait until a change is complete or undone."""
        self._threads.discard(thread)
        with self._lock:
            self._take_back()
            self._threads.add(thread)

    def _take_back(self) -> None:
        """Undo an incomplete change; raises CompileError where code remains that must not run."""
        if self._undo is None:
            return
        self._undo()
        if Region.torn:
            raise CompileError(
                "code was being changed, and its pages cannot be made executable again: "
                "free memory, or raise vm.max_map_count; or run again"
            )
        self._undo = None


RUNNING: Final = Running()
