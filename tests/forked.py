"""Commands in forks of one process that has imported the libraries, which a start of its own takes longest.

`python -m tests.forked SOCKET` is that process; `run` asks it. A child takes over the streams, the folder and
the variables that it is given, then runs `python -m MODULE` and ends as Python ends. What Python itself reads
when it starts (its own variables, locales, library paths) needs a process of its own: `can_run`.
"""

import array
import atexit
import gc
import io
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from runpy import run_module
from typing import Any, Final, NoReturn, cast

from plots import drawing
from plots.drawing import Source
from results.claims import judging
from results.reading import formats

ROOT: Final = Path(__file__).parent.parent
AT_START: Final = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "MPL", "MATPLOTLIB", "NUMBA_", "OPENBLAS", "OMP_")
"""Beginnings of variables that Python or a library reads when it starts."""
COLOURS: Final = "PYTHON_COLORS"
"""Of these names the one that is read where something is printed."""
OF_DRAWING: Final = ("MPLBACKEND", "MPLCONFIGDIR")
OWN_PATH: Final = "PYTHONPATH"
HERE: Final = dict(os.environ)
ROOMS: Final = ("model", "benchmarks", "results", "plots")
COMPILING: Final = frozenset({"__main__", "compiler", "loops", "source", "variants"})
"""Modules that are run, and those that import Numba, which only compilers do."""
LATE: Final = (
    *("scipy.special", "jinja2", "jinja2.ext", "PIL.Image", "pyperf._manager", "email.parser"),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
    *("rich.box", "rich.console", "rich.progress", "rich.table", "rich.text"),
    "tests.spare",
)
"""What commands import when they first need it: each fork would do so again."""
LONGEST: Final = 1 << 20
"""Bytes of a request: its arguments and variables."""


def inherited() -> dict[str, str]:
    """Variables of this process, but for what `plots.drawing` sets where a test draws in this process."""
    return {name: value for name, value in os.environ.items() if name not in OF_DRAWING or name in HERE}


def can_run(environment: Mapping[str, str]) -> bool:
    """Whether all that Python and the libraries read when they start is as in the process that forks."""
    return at_start(environment) == at_start({**HERE, OWN_PATH: str(ROOT)})


def at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that Python or a library reads when it starts."""
    return {
        name: value for name, value in environment.items() if name.startswith(AT_START) and name != COLOURS
    }


def run(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    figures: Sequence[str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """`python -m ARGUMENTS`, its output caught; `environment` is all that it has.

    Parameters
    ----------
    figures
        Only these and the first of a source are drawn, each of which takes half a second; None means all.
    """
    out, err = os.pipe(), os.pipe()
    try:
        asked = [list(arguments), str(folder.absolute()), dict(environment), figures]
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [out[1], err[1]]))
        _server().sendmsg([json.dumps(asked).encode()], [rights])
    finally:
        os.close(out[1])
        os.close(err[1])
    said = _all_of(out[0], err[0])
    status = int(_server().recv(LONGEST))
    texts = [data.decode().replace("\r\n", "\n") for data in said]
    return subprocess.CompletedProcess(["python", "-m", *arguments], status, *texts)


def _all_of(*pipes: int) -> list[bytes]:
    """What is written into pipes until their last writer closes them."""
    parts: dict[int, list[bytes]] = {pipe: [] for pipe in pipes}
    with selectors.DefaultSelector() as waiting:
        for pipe in pipes:
            waiting.register(pipe, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select():
                part = os.read(key.fd, 1 << 16)
                parts[key.fd].append(part)
                if not part:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    return [b"".join(part) for part in parts.values()]


@cache
def _server() -> socket.socket:
    """The process that forks, started when it is first needed; it ends when this one does."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (here, there):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST)
    environment = {**HERE, OWN_PATH: str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forked", str(there.fileno())],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        pass_fds=[there.fileno()],
    )
    there.close()

    def ended() -> None:
        here.close()
        process.wait()

    atexit.register(ended)
    return here


def main(number: int) -> None:
    """Fork a child for each request, and answer with its status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for those who asked
    _import_all()
    from tests import compilers  # which asks this module what can be forked

    compilers.install()
    _read_all()
    gc.collect()
    gc.freeze()
    asked = socket.socket(fileno=number)
    while True:
        data, (*rights,), _, _ = asked.recvmsg(LONGEST, socket.CMSG_SPACE(8))
        if not data:
            return
        streams = array.array("i", rights[0][2])
        child = os.fork()
        if child == 0:
            asked.close()
            _end(_status_of(streams, *json.loads(data)))
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(child, 0)
        asked.send(str(os.waitstatus_to_exitcode(status)).encode())


def _import_all() -> None:
    drawing.import_matplotlib()
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            if not COMPILING.intersection(file.relative_to(ROOT).with_suffix("").parts):
                import_module(
                    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                )
    for name in LATE:
        import_module(name)
    assert "numba" not in sys.modules


def _read_all() -> None:
    """What most commands read of the checkout, and what they make of it: schemas, the kept census, fonts."""
    for name in formats.MADE_BY:
        formats.validator(name)
    judging.read_census(None)


def _status_of(
    streams: Sequence[int],
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
    figures: list[str] | None,
) -> int:
    """Run a module as `python -m` does, in this process, which is a fork; returns the exit status."""
    os.chdir(folder)
    if arguments[0] == "benchmarks" and "--list" not in arguments:
        from tests import spare  # which asks this module what it is that it forks

        spare.keep(streams)
    take_over(streams)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if figures is not None:
        drawing.figures = partial(_some, drawing.figures, figures)
    name, *sys.argv[1:] = arguments
    sys.path[0] = folder
    try:
        found = find_spec(name)
        if found is None:
            sys.exit(f"{sys.executable}: No module named {name}")
        if found.submodule_search_locations is None:
            sys.modules.pop(name, None)  # it is run as __main__, and nothing imported it before
        run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _some(every: Callable[[Source], dict[str, Any]], names: Sequence[str], source: Source) -> dict[str, Any]:
    """The first figure of a source and those of these names; of a census none but these: it has many bars."""
    found = every(source)
    first = [*found][: source != "census"]
    return {name: figure for name, figure in found.items() if name in {*first, *names}}


def take_over(streams: Sequence[int]) -> None:
    """Make two open files this process's standard output and error."""
    for stream, number, name in zip(streams, (1, 2), ("stdout", "stderr"), strict=True):
        os.dup2(stream, number)
        os.close(stream)
        _open_again(name, number)


def _open_again(name: str, number: int) -> None:
    """A standard stream as Python opens it: what this process has is of another file."""
    file = io.FileIO(number, "w", closefd=False)
    file.name = f"<{name}>"
    old = getattr(sys, name)
    lines = name == "stderr"
    stream = io.TextIOWrapper(io.BufferedWriter(file), old.encoding, old.errors, line_buffering=lines)
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def _end(status: int) -> NoReturn:
    """What Python does at its end, but for releasing each module: that takes longer than most commands."""
    cast(Any, threading)._shutdown()
    cast(Any, atexit)._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    main(int(sys.argv[1]))
