"""Child processes, which end with their parent, and the way in which they ended."""

import ctypes
import os
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

# include/uapi/linux/prctl.h
PR_SET_PDEATHSIG: Final = 1
WORKER_START_S: Final = 0.4
"""Seconds of a measuring process beside its values: Python's start, loading code, laying out builds. Medians
of the four runs in results/machines: 0.38 to 0.55."""
LAST_LINES: Final = 3
LAST_BYTES: Final = 1 << 16
SIGNALLED: Final = 128
"""Offset of the exit status of a command that signal n ended: 128 + n."""
ASKED_TO_END: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
NEEDED_BY_PYTHON: Final = (
    "LD_LIBRARY_PATH",
    "PYTHONHOME",
    "PYTHONNOUSERSITE",
    "PYTHONPATH",
    "PYTHONPLATLIBDIR",
    "PYTHONUSERBASE",
)
"""Variables of the environment by which a Python may find its libraries and its packages."""


def python_path(first: Path) -> str:
    """PYTHONPATH for a child in another folder: that one first, then this process's own entries, absolute."""
    users = os.environ.get("PYTHONPATH")
    more = [str(Path(entry).absolute()) for entry in users.split(os.pathsep)] if users else []
    return os.pathsep.join([str(first), *more])


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that ends.

    Parameters
    ----------
    parent
        The parent's process id, from the parent itself: so a parent that has ended already is noticed.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def how_it_ended(status: int, said: Sequence[str] = ()) -> str:
    """How a process ended, in words: its signal or exit status, and the last lines that it wrote.

    Parameters
    ----------
    status
        As subprocess gives it: negative for a signal.
    said
        Lines of its standard error.
    """
    number = -status if status < 0 else status - SIGNALLED
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if status < 0 or number in ASKED_TO_END:
        how = f"was ended by {name}" + ("" if status < 0 else f" (exit status {status})")
        if number == signal.SIGKILL:
            how += " (by the kernel when memory runs out: see dmesg; or by hand)"
    else:
        how = f"ended with exit status {status}"
    lines = [line.strip() for line in said if line.strip()][-LAST_LINES:]
    return how + (f"; stderr: {' | '.join(lines)}" if lines else " and wrote nothing on stderr")


class Child:
    """A process that prints words as it goes; its stderr is kept for the case that it fails.

    Parameters
    ----------
    command
        Program and arguments.
    environment
        All its variables.
    folder
        Where it runs, and where its stderr is kept, in a file without a name.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        # A file and no pipe: long output must not block the child until it is read.
        self._complaints = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (it stays open)
        try:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
            )
        except OSError:
            self._complaints.close()
            raise
        assert self._process.stdout is not None
        self.output = self._process.stdout

    def wait(self) -> tuple[int, list[str]]:
        """Its exit status, as subprocess gives it, and its last lines, once it has ended."""
        status = self._process.wait()
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - LAST_BYTES))
        return status, self._complaints.read().decode(errors="replace").splitlines()

    def end(self) -> None:
        """Kill it, and release its files."""
        self._process.kill()
        self._process.wait()
        self.output.close()
        self._complaints.close()


def follow(children: Sequence[Child]) -> Iterator[tuple[Child, str]]:
    """Words of all children as they come; an empty one when a child's output ends."""
    with selectors.DefaultSelector() as waiting:
        for child in children:
            waiting.register(child.output, selectors.EVENT_READ, child)
        while waiting.get_map():
            for key, _ in waiting.select():
                said = os.read(key.fd, LAST_BYTES)
                if not said:
                    waiting.unregister(key.fileobj)
                    yield key.data, ""
                for word in said.decode().split():
                    yield key.data, word
