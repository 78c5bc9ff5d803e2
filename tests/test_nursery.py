"""Workers forked by a process that has loaded everything: they end, say and differ as others do."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from benchmarks.timing import launcher, nursery
from tests.command import ROOT

PYTHON = sys.executable
HOLD = "import time; print('here', flush=True); time.sleep(60)"
WHERE = """
import ctypes, mmap
from pathlib import Path
here = ctypes.CDLL(None)
here.malloc.restype = ctypes.c_void_p
held = mmap.mmap(-1, 1 << 20)
print(ctypes.addressof(ctypes.c_char.from_buffer(held)), here.malloc(ctypes.c_size_t(100_000)))
"""


@pytest.fixture(scope="module")
def runner() -> Iterator[Any]:
    """One whose workers are forked, and do what their last argument says in Python."""
    made: Any = SimpleNamespace(
        program=["-m", "benchmarks"],
        args=SimpleNamespace(python=PYTHON, inherit_environ=["PYTHONPATH"], copy_env=False),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nursery, "ROOT", ROOT)
        patch.setattr(nursery, "COMMAND", ["-c", SERVE])
        with nursery.nursery(made):
            assert launcher.__file__ in made.program
            yield made
    assert (made.args.python, made.program) == (PYTHON, ["-m", "benchmarks"])


SERVE = """
import sys
from benchmarks.timing import nursery
def start(arguments):
    exec(arguments[-1], {"arguments": arguments, "known": known})
    return 7
known = []
def keep(arguments):
    known.append(arguments[0])
    raise ValueError("no worker sees this")
nursery.serve(sys.argv[2:], start, keep)
"""


def worker(runner: Any, code: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A worker that runs this code."""
    command = [runner.args.python, *runner.program, *arguments, code]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **(pipes | options))


def said(runner: Any, code: str, *arguments: str, **options: Any) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    done = worker(runner, code, *arguments, **options)
    out, err = done.communicate(timeout=60)
    return done.returncode, out, err


def test_it_ends_as_the_worker_does(runner: Any) -> None:
    """With its status, by its signal, or with a defect and what Python says of it."""
    assert said(runner, "pass") == (7, "", "")
    assert said(runner, "raise SystemExit(3)")[0] == 3
    assert said(runner, "import os; os.kill(os.getpid(), 11)")[0] == -signal.SIGSEGV
    status, _, text = said(runner, "1 / 0")
    assert status == nursery.DEFECT and "ZeroDivisionError" in text


def test_a_worker_has_what_it_was_given(runner: Any, tmp_path: Any) -> None:
    """Arguments, folder, environment and files; pyperf's pipe has the number that it had."""
    reading, writing = os.pipe()
    code = "import os, sys; print(arguments[:-1], os.getcwd(), os.environ['TOLD'], sys.stdin.read()); "
    code += "os.write(int(arguments[1]), b'values')"
    with (tmp_path / "in").open("w+") as source:
        source.write("words")
        source.seek(0)
        status, text, _ = said(
            runner, code, "--pipe", str(writing), "",
            pass_fds=[writing], cwd=tmp_path, env={"TOLD": "a=b\nc"}, stdin=source,
        )  # fmt: skip
    assert status == 7 and os.read(reading, 100) == b"values"
    assert text == f"{['--pipe', str(writing), '']} {tmp_path} a=b\nc words\n"
    os.close(reading)
    os.close(writing)


def test_its_addresses_are_drawn_anew(runner: Any) -> None:
    """Of what it maps and of what it allocates; where addresses are fixed, they stay."""
    places = [said(runner, WHERE)[1].split() for _ in range(4)]
    assert all(len(set(column)) == len(places) for column in zip(*places, strict=True)), places
    libc_fixed = "import ctypes; ctypes.CDLL(None).personality(0x0040000)\n"
    fixed = libc_fixed + "from benchmarks.timing import nursery\nnursery.redraw()\n" + WHERE
    assert said(runner, fixed)[0] == 7


def test_ctrl_c_reaches_the_worker_alone(runner: Any) -> None:
    """Not what pyperf starts: Python prints a traceback when Ctrl-C comes in its first milliseconds."""
    done = worker(runner, f"import os; print(os.getpid(), flush=True); {HOLD}")
    assert done.stdout is not None
    measuring = int(done.stdout.readline())
    assert done.stdout.readline() == "here\n"
    assert (os.getsid(done.pid) == done.pid) == (shutil.which(nursery.APART) is not None)
    assert os.getsid(measuring) == os.getsid(0)
    os.kill(measuring, signal.SIGINT)
    out, err = done.communicate(timeout=30)
    assert (done.returncode, out, err) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_who_stops_it_stops_the_worker(runner: Any, number: signal.Signals) -> None:
    """At once: what pyperf started is not what measures."""
    done = worker(runner, f"import os; print(os.getpid(), flush=True); {HOLD}")
    assert done.stdout is not None and done.stderr is not None
    measuring = psutil.Process(int(done.stdout.readline()))
    done.stdout.readline()
    done.send_signal(number)
    assert done.wait(timeout=30) == -number
    measuring.wait(timeout=30)
    done.stdout.close()
    done.stderr.close()
    assert said(runner, "pass")[0] == 7  # the next one is forked as before


@pytest.mark.skipif(os.getuid() != 0, reason="to be another user takes root")
def test_another_user_is_neither_answered_nor_asked(runner: Any) -> None:
    """A socket without a file can be opened by anyone, and its name taken where it is free."""
    begin = "import os, socket, sys\nos.setuid(65534)\nmade = socket.socket(socket.AF_UNIX)\n"
    address = f"\0{runner.program[-1]}"
    asks = f"{begin}made.connect({address!r})\nprint(made.recv(1))"
    assert subprocess.run([PYTHON, "-c", asks], capture_output=True).stdout == b"b''\n"
    assert said(runner, "pass")[0] == 7
    taken = "\0freepath-test"
    listens = f"{begin}made.bind({taken!r})\nmade.listen()\nprint('here', flush=True)\nmade.accept()"
    with subprocess.Popen([PYTHON, "-c", listens], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "here\n"
        check_becomes_a_worker("freepath-test")
        other.kill()


def check_becomes_a_worker(address: str) -> None:
    """An ordinary one, which says what is wrong with its arguments."""
    done = subprocess.run(
        [PYTHON, "-I", "-S", launcher.__file__, address, "--tea"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2 and "--tea" in done.stderr


def test_where_nobody_answers_it_is_an_ordinary_worker() -> None:
    """Its name is of a process that has gone."""
    check_becomes_a_worker("freepath-nobody")


def test_where_it_does_not_start_workers_start_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment, not after a minute."""
    made: Any = SimpleNamespace(
        program=["-m", "benchmarks"],
        args=SimpleNamespace(python="/nowhere/python", inherit_environ=[], copy_env=False),
    )
    for python, command in (("/nowhere/python", []), (PYTHON, ["-c", "raise SystemExit(1)"])):
        made.args.python = python
        monkeypatch.setattr(nursery, "COMMAND", command)
        with nursery.nursery(made):
            assert made.program == ["-m", "benchmarks"]


def test_it_ends_with_its_parent() -> None:
    """Also when that is killed; and a worker with it."""
    code = (
        "import sys, subprocess\nfrom tests import test_nursery as t\n"
        "from types import SimpleNamespace as S\n"
        "r = S(program=[], args=S(python=sys.executable, inherit_environ=['PYTHONPATH'], copy_env=False))\n"
        "t.nursery.COMMAND = ['-c', t.SERVE]\n"
        "with t.nursery.nursery(r):\n"
        "    w = t.worker(r, 'import os; print(os.getppid(), os.getpid(), flush=True); ' + t.HOLD)\n"
        "    print(w.stdout.readline(), flush=True)\n"
        "    w.wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    timer = threading.Timer(60, parent.kill)
    timer.start()
    numbers = [int(word) for word in re.findall(r"\d+", parent.stdout.readline())]
    timer.cancel()
    both = [psutil.Process(number) for number in numbers]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert not psutil.wait_procs(both, timeout=10)[1]


def test_what_is_kept_before_a_worker_is_forked_is_there(runner: Any) -> None:
    """Its own arguments come first, then those of workers after it; where that fails the worker says why."""
    assert said(runner, "print(known[-1])", "a") == (7, "a\n", "")
    assert said(runner, "print(*known[-2:])", "b") == (7, "a b\n", "")
