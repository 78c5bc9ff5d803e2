"""A fork that waits to become the process that forks a command's workers (`benchmarks.timing.nursery`).

To start that process takes as long as a short run does. Here it is forked before the command begins, so it
knows nothing of it; it is told what it would be started with when the command starts it, and ends with the
command otherwise. tests/test_nursery.py, and every test that starts its command itself, have real ones.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NoReturn

from benchmarks.timing import nursery
from tests import forked

MAY_LACK: Final = frozenset(
    {"OPENBLAS_NUM_THREADS", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "LANG", *forked.OF_DRAWING}
)
"""Variables that a command does not hand on, and that change nothing of what workers do."""


def keep(streams: Sequence[int]) -> None:
    """Fork one; `nursery` of this process finds it in the place of `subprocess`.

    Parameters
    ----------
    streams
        Files of the command, which are not this one's to hold open.
    """
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (here, there):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, forked.LONGEST)
    number = os.fork()
    if number == 0:
        here.close()
        for stream in streams:
            os.close(stream)
        _wait(there)
    there.close()

    def popen(command: list[str], env: Mapping[str, str], pass_fds: list[int], **usual: Any) -> Any:
        python, *module = command[:3]
        if module != nursery.COMMAND or not Path(python).samefile(sys.executable) or not _as_here(env):
            return subprocess.Popen(command, env=env, pass_fds=pass_fds, **usual)
        socket.send_fds(here, [json.dumps([command[4:], dict(env)]).encode()], pass_fds)
        return Spare(number)

    ours = SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL)
    setattr(nursery, "subprocess", ours)  # noqa: B010 (mypy has it for a module)


class Spare:
    """What the command has of it, as of a process that it started."""

    def __init__(self, number: int) -> None:
        self._number = number

    def kill(self) -> None:
        """Kill it."""
        os.kill(self._number, signal.SIGKILL)

    def wait(self) -> None:
        """Wait for its end."""
        os.waitpid(self._number, 0)


def _as_here(environment: Mapping[str, str]) -> bool:
    """Whether all that Python would read when it starts is as it was read here."""
    here, there = forked.at_start(forked.HERE), forked.at_start(environment)
    path = {*there.pop(forked.OWN_PATH, "").split(os.pathsep)}
    lacking = {*here} - {*there, forked.OWN_PATH}
    return path == {str(forked.ROOT)} and there.items() <= here.items() and lacking <= MAY_LACK


def _wait(told: socket.socket) -> NoReturn:
    """Become that process once it is asked for, or end."""
    data, files, _, _ = socket.recv_fds(told, forked.LONGEST, 1)
    if not data:
        os._exit(0)
    given, environment = json.loads(data)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    os.environ.clear()
    os.environ.update(environment)
    from benchmarks.__main__ import start
    from benchmarks.timing.worker import keep

    address, parent, _ = given
    nursery.serve([address, parent, str(files[0])], start, keep)
    os._exit(0)
