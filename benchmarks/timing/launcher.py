"""A worker as pyperf sees it: has a process that is loaded already fork the real one, and ends as that does.

Started by its path, without site and without a package: Python's start is all that it costs. Where nobody
answers, it becomes an ordinary worker.
"""

import _signal  # type: ignore[import-not-found]  # of CPython; signal takes 3 ms to import

if __name__ == "__main__":
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # at once: until then Ctrl-C prints a traceback

import _socket
import os
import sys

PIPE = "--pipe"


def main(address: str, arguments: list[str]) -> int:
    """Hand everything over, wait, and end in the same way.

    Parameters
    ----------
    address
        Name of the socket on which `benchmarks.timing.nursery` listens, without the zero byte before it.
    arguments
        Of the worker.
    """
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    pipe = arguments[arguments.index(PIPE) + 1] if PIPE in arguments else ""
    files = [0, 1, 2, *([int(pipe)] if pipe else [])]
    folder = os.getcwd()  # noqa: PTH109 (pathlib would take longer to import than all the rest)
    text = b"\0".join(map(os.fsencode, [folder, str(len(arguments)), *arguments, *_environment()]))
    packed = b"".join(number.to_bytes(4, sys.byteorder) for number in files)
    try:
        connection.connect("\0" + address)
        if user_of(connection) != os.getuid():
            raise PermissionError(address)
        connection.sendmsg(
            [len(text).to_bytes(8, "little")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)]
        )
        while text:
            text = text[connection.send(text) :]
    except OSError:
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *arguments])
    said = b""
    while more := connection.recv(64):
        said += more
    status = int(said or b"1")
    if status < 0:
        if -status not in (_signal.SIGKILL, _signal.SIGSTOP):
            _signal.signal(-status, _signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def user_of(connection: _socket.socket) -> int:
    """Number of the user at the other end: anyone can open such a socket, or listen on a free name."""
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)  # pid, uid, gid
    return int.from_bytes(credentials[4:8], sys.byteorder)


def _environment() -> list[str]:
    return [f"{name}={value}" for name, value in os.environ.items()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
