"""Workers that start in a tenth of a second: forked by a process that has loaded everything.

A worker lives half a second before its first slice when it imports numpy, pyperf and the model itself. This
process does so once. pyperf starts `launcher`, which hands over its arguments, environment and files, and a
fork of this process becomes the worker. A process is the unit of replication, so what differs between
processes that are executed differs between forks: `redraw` moves what they allocate from then on, and the
sampler draws where its stack lies.
"""

import ctypes
import fcntl
import gc
import mmap
import os
import resource
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.timing import launcher
from benchmarks.timing.workers import variables
from model.common.process import end_with_parent, python_path

ROOT: Final = Path(__file__).parents[2]
OPTION: Final = "--nursery"
"""First argument of the command where it is that process."""
COMMAND: Final = ["-m", "benchmarks"]
READY: Final = b"r"
MOST_FILES: Final = 4
MOVED_PAGES: Final = 1 << 24
"""Pages by which the next mappings are moved at most: 64 GiB of addresses, without memory."""
HEAP_BLOCK: Final = 64 << 10
HEAP_BLOCKS: Final = 512
"""Blocks by which the top of the heap is moved at most, 32 MiB: the next objects lie behind them."""
DEFECT: Final = 70
"""Exit status of a worker that ends by an exception, as of any command here."""
APART: Final = "setsid"
"""Starts `launcher` in a session of its own (setsid(1) of util-linux). Ctrl-C on a terminal then reaches the
worker, but no Python that is still starting, which would print a traceback."""
START_S: Final = 60.0
"""Longest wait for this process to be ready; without it workers start by themselves."""

Start = Callable[[list[str]], int]
Keep = Callable[[list[str]], None]


@contextmanager
def nursery(runner: Any) -> Iterator[None]:
    """Have the workers of a runner forked by a process that ends with the block.

    Parameters
    ----------
    runner
        `PairedRunner`, with its options. Where that process does not come up, its workers start as usual.
    """
    python, names, usual = runner.args.python, variables(runner.args), list(runner.program)
    apart = shutil.which(APART)
    given = {name: value for name, value in os.environ.items() if name in names or name.startswith("LC_")}
    given["PYTHONPATH"] = python_path(ROOT)
    # In the kernel's own name space of sockets: a file would be left where this process is killed.
    address = f"freepath-{secrets.token_hex(16)}"
    reading, writing = os.pipe()
    command = [python, *COMMAND, OPTION, address, str(os.getpid()), str(writing)]
    try:
        process = subprocess.Popen(
            command, env=given, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, pass_fds=[writing],
        )  # fmt: skip
    except OSError:
        process = None
    finally:
        os.close(writing)
    try:
        if process is not None and _ready(reading):
            runner.program[:] = ["-I", "-S", launcher.__file__, address]
            if apart is not None:
                runner.args.python, runner.program[:] = apart, [python, *runner.program]
        yield
    finally:
        runner.args.python, runner.program[:] = python, usual
        os.close(reading)
        if process is not None:
            process.kill()
            process.wait()


def _ready(reading: int) -> bool:
    """Wait until it listens, or has ended."""
    came, _, _ = select.select([reading], [], [], START_S)
    return bool(came) and os.read(reading, 1) == READY


def serve(given: Sequence[str], start: Start, keep: Keep | None = None) -> int:
    """Load everything, then fork a worker for each connection, one after the other, for ever.

    Parameters
    ----------
    given
        Name of the socket; the parent's number; the file that is told when it listens.
    start
        What a worker does with its arguments.
    keep
        What this process reads before that, for the worker and those after it. Where it fails, the worker
        says why.
    """
    address, parent, ready = given[0], int(given[1]), int(given[2])
    end_with_parent(parent)
    for number in (signal.SIGINT, signal.SIGHUP):  # of a terminal's whole process group
        signal.signal(number, signal.SIG_IGN)
    import numpy.ma  # noqa: F401 (np.unique asks for it)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0" + address)
        listening.listen()
        # What is here stays: a collection in a worker need not look at it, nor copy the pages that it is on.
        gc.collect()
        gc.freeze()
        os.write(ready, READY)
        os.close(ready)
        while True:
            connection, _ = listening.accept()
            with connection, suppress(OSError, ValueError):
                if launcher.user_of(connection) == os.getuid():
                    _fork(connection, listening, start, keep)


def _fork(connection: socket.socket, listening: socket.socket, start: Start, keep: Keep | None) -> None:
    """Fork one worker, and say how it ended."""
    files, folder, arguments, environment = _received(connection)
    if keep is not None:
        with suppress(Exception):
            keep(arguments)
    alive, ends = os.pipe()  # the worker holds one end for as long as it lives, beyond the files' numbers
    held = fcntl.fcntl(ends, fcntl.F_DUPFD, 1 + max(targets_of(arguments)))
    os.close(ends)
    here = os.getpid()
    worker = os.fork()
    if worker == 0:
        listening.close()
        connection.close()
        os.close(alive)
        status = DEFECT
        try:
            end_with_parent(here)
            _become(files, arguments)
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            redraw()
            status = _status_of(start, arguments)
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)
    for number in (*files, held):
        os.close(number)
    came, _, _ = select.select([alive, connection.fileno()], [], [])
    if alive not in came:
        os.kill(worker, signal.SIGKILL)  # whoever started it has gone
    os.close(alive)
    _, status = os.waitpid(worker, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _status_of(start: Start, arguments: list[str]) -> int:
    """Run the command as `python -m benchmarks` does; returns its exit status."""
    sys.argv = [str(ROOT / "benchmarks" / "__main__.py"), *arguments]
    try:
        return start(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)


def _received(connection: socket.socket) -> tuple[list[int], str, list[str], dict[str, str]]:
    """Files, folder, arguments and environment of a worker."""
    size, files, _, _ = socket.recv_fds(connection, 8, MOST_FILES)
    left = int.from_bytes(size, "little")
    parts = []
    while left:
        parts.append(connection.recv(min(left, 1 << 16)))
        if not parts[-1]:
            raise ValueError("cut short")
        left -= len(parts[-1])
    folder, count, *words = map(os.fsdecode, b"".join(parts).split(b"\0"))
    arguments, variables = words[: int(count)], words[int(count) :]
    return files, folder, arguments, dict(word.split("=", 1) for word in variables)


def _become(files: list[int], arguments: list[str]) -> None:
    """Have the worker's files at the numbers that they had where it was started."""
    for sign in (signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, signal.SIG_DFL)
    arguments[:] = [f"--parent={os.getppid()}" if a.startswith("--parent=") else a for a in arguments]
    targets = targets_of(arguments)
    high = [fcntl.fcntl(number, fcntl.F_DUPFD, 1 + max(targets)) for number in files]
    for number, target in zip(high, targets, strict=True):
        os.dup2(number, target)
    for number in {*high, *files} - {*targets}:
        os.close(number)
    # Streams remember whether what they were opened on could be sought in.
    sys.stdin, sys.stdout, sys.stderr = map(_stream, range(3), "rww")


def targets_of(arguments: Sequence[str]) -> list[int]:
    """Numbers of a worker's files: the standard ones, and pyperf's pipe."""
    pipe = [int(arguments[arguments.index(launcher.PIPE) + 1])] if launcher.PIPE in arguments else []
    return [0, 1, 2, *pipe]


def _stream(number: int, mode: str) -> Any:
    return os.fdopen(number, mode, closefd=False)


def redraw() -> None:
    """Move what this process maps and allocates from now on, as the kernel does with a new process.

    Where addresses are fixed (setarch -R) they stay; where they are limited (ulimit -v) mappings stay.
    """
    from benchmarks.process_settings import addresses_fixed

    if addresses_fixed():
        return
    draw = int.from_bytes(os.urandom(16), "little")
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        size = (1 + draw % MOVED_PAGES) * mmap.PAGESIZE
        with suppress(OSError, ValueError):
            KEPT.append(mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE, prot=0))
    libc = ctypes.CDLL(None)
    for _ in range((draw >> 32) % HEAP_BLOCKS):
        libc.malloc(ctypes.c_size_t(HEAP_BLOCK))  # never touched, never freed
    libc.malloc(ctypes.c_size_t((draw >> 64) % HEAP_BLOCK))


NORESERVE: Final = 0x4000
"""MAP_NORESERVE of mmap(2)."""
KEPT: Final[list[Any]] = []
"""What holds the addresses before those that a worker uses."""
