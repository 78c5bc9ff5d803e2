"""Compilers in forks of one process that has Numba loaded and its first images behind it.

Numba takes two seconds to load, and the first image of a kernel version as long as six more; a test that
needs one image of its own waits for both. `python -m tests.compilers SOCKET PID` does that once for all
processes of a test run, forks for each request, and ends with the process PID. `install` makes `Store` ask
it. A compiler for other sources or settings than these is started as ever, and so is every one that a command
of its own starts; tests/test_store.py has real ones alone.
"""

import array
import atexit
import contextlib
import fcntl
import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from model.common import process
from model.kernels import store
from tests import forked

SOCKET: Final = "FREEPATH_TESTS_COMPILERS"
"""Variable that names the socket; it is set by the first process of a test run."""
FIRST: Final = {
    "v4.3": (
        {"part": "Image", "variant": "base", "gate": "none", "memcg": False},
        {"part": "Image", "variant": "v1", "gate": "jump-label", "memcg": True},
        {"part": "Allocator", "marks": "always", "memcg": True},
    ),
    "v6.18": (
        {"variant": "base", "gate": "none", "memcg": False, "config": "default", "direct": True},
        {"variant": "base", "gate": "jump-label", "memcg": True, "config": "distribution", "direct": True},
    ),
    "v7.1": ({"variant": "base", "gate": "jump-label", "memcg": True, "direct": True},),
}
"""Of each version the images by which its functions are compiled before the first fork."""
AS_HERE: Final = ("PYTHON", "LC_", "LANG", "LD_", "NUMBA_", "LLVMLITE_")
"""Beginnings of the variables that must be the same, but for the path of packages."""
LONGEST: Final = forked.LONGEST
WAIT_S: Final = 120.0
_started: list["subprocess.Popen[bytes]"] = []


def install() -> None:
    """Let the store of this process, and of those that it forks, ask for its compilers."""
    setattr(store, "Child", child)  # noqa: B010 (mypy has it for a class)


def offer() -> None:
    """Choose the socket of this test run: each process of it that needs a compiler finds it, or starts it.

    `make test` has chosen one, of a process that compiles for `tests.images` and then for the tests.
    """
    if SOCKET not in os.environ:
        folder = tempfile.mkdtemp(prefix="freepath-tests-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ[SOCKET] = f"{folder}/{os.getpid()}"
    install()


def child(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Any:
    """A compiler: a fork where it is asked for what the process that forks has loaded."""
    cpu, digest = command[5:7]
    if SOCKET in os.environ and _as_here(environment) and digest == store.digest_of(cpu):
        return Fork(command, environment, folder)
    return process.Child(command, environment, folder)


class Fork(process.Child):
    """As `Child`; it is no child of this process, so it says which process it is and how it ends."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self._complaints = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (it stays open)
        reader, writer = os.pipe()
        self.output = os.fdopen(reader, "rb", 0)
        self._asked = connected()
        request = json.dumps([list(command[3:]), dict(environment), str(folder)])
        rights = array.array("i", [writer, self._complaints.fileno()])
        self._asked.sendmsg([request.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        os.close(writer)
        self._number = int(self._asked.recv(LONGEST))

    def wait(self) -> tuple[int, list[str]]:
        """Its exit status and its last lines; a fork that does not say how it ended was killed."""
        said = self._asked.recv(LONGEST)
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").splitlines()
        return int(said) if said else -signal.SIGKILL, lines

    def end(self) -> None:
        """Kill it if it still runs, and release its files."""
        if not select.select([self._asked], [], [], 0)[0]:
            os.kill(self._number, signal.SIGKILL)
        self._asked.close()
        self.output.close()
        self._complaints.close()


def _as_here(environment: Mapping[str, str]) -> bool:
    here, there = (
        {name: value for name, value in each.items() if name.startswith(AS_HERE) and name != forked.OWN_PATH}
        for each in (forked.HERE, environment)
    )
    return here == there and environment[forked.OWN_PATH].split(os.pathsep)[0] == str(forked.ROOT)


def connected() -> socket.socket:
    """A connection to the process that forks, which the first who needs it starts."""
    path = Path(os.environ[SOCKET])
    path.parent.mkdir(mode=0o700, exist_ok=True)
    assert path.parent.stat().st_uid == os.geteuid(), f"{path.parent} is another user's"
    with path.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not path.exists():
            _start(path)
    asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asked.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST)
    try:
        asked.connect(str(path))
    except ConnectionRefusedError:
        raise AssertionError(path.with_suffix(".log").read_text()) from None
    return asked


def _start(path: Path) -> None:
    environment = {**forked.HERE, forked.OWN_PATH: str(forked.ROOT)}
    said = path.with_suffix(".log")
    with said.open("w") as log:  # it outlives this process, whose streams others read to their end
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.compilers", str(path), path.name],
            cwd=forked.ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started.append(server)
    end = time.monotonic() + WAIT_S
    while not path.exists():
        assert server.poll() is None and time.monotonic() < end, said.read_text()
        time.sleep(0.01)


def main(name: str, number: int) -> None:
    """Fork a compiler for each request, until the process of this number ends."""
    import_module("model.compiler.emit")  # it loads Numba
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a fork: it says itself how it ended
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{name}.new")
    listener.listen(64)
    Path(f"{name}.new").rename(name)
    ended, ready = os.pidfd_open(number), set[str]()
    while ended not in select.select([listener.fileno(), ended], [], [])[0]:
        asked, _ = listener.accept()
        data, ((_, _, rights),), _, _ = asked.recvmsg(LONGEST, socket.CMSG_SPACE(8))
        streams = array.array("i", rights)
        words, environment, folder = json.loads(data)
        for kernel in sorted({spec["kernel"] for spec in json.loads(words[-1])["specs"]} - ready):
            compile_first(kernel)
            ready.add(kernel)
            gc.collect()
            gc.freeze()  # else each fork looks through all that is loaded, again and again
        if os.fork() == 0:
            listener.close()
            _compile(asked, streams, words, environment, folder)
        for stream in streams:
            os.close(stream)
        asked.close()
    with contextlib.suppress(OSError):
        shutil.rmtree(Path(name).parent)


def compile_first(kernel: str) -> None:
    """Compile the functions of a version's first images; every fork has them then."""
    from model.compiler.emit import emit
    from model.kernels import compiled_called

    version = compiled_called(kernel)
    linkage, link = version.linkage()
    for data in FIRST.get(kernel, ()):
        emit(linkage, link(version.spec_of({"kernel": kernel, **data})), store.DEFAULT_CPU)


def _compile(
    asked: socket.socket, streams: Sequence[int], words: list[str], environment: dict[str, str], folder: str
) -> None:
    """What `python -m model.kernels` does, in this process, which is a fork."""
    from model.common.command import run
    from model.kernels.__main__ import main as compile_images

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    forked.take_over(streams)
    asked.send(str(os.getpid()).encode())
    status = run("python -m model.kernels", lambda: compile_images(*words[1:]), signals=False)
    sys.stdout.flush()
    sys.stderr.flush()
    asked.send(str(status).encode())
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
