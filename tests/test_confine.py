"""A worker that runs a kernel file's code keeps what measuring needs, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.timing import worker
from model.common.errors import FileError
from model.vocabulary.partial_run import WORDS
from tests.command import ROOT

SCRIPT = """
import os, socket, sys, threading
from pathlib import Path
from benchmarks.timing.confine import confine

folder, outside = Path(sys.argv[1]), Path(sys.argv[2])
has = confine(folder)
print(*has)

def attempt(name, does):
    try:
        does()
    except OSError as error:
        print(name, type(error).__name__)
    else:
        print(name, "done")

# What a worker does: its side file, threads, imports, /proc.
(folder / "a").write_text("x")
os.rename(folder / "a", folder / "b")
os.link(folder / "b", folder / "c")
os.unlink(folder / "b")
thread = threading.Thread(target=lambda: print("thread done"))
thread.start()
thread.join()
import colorsys
attempt("read", Path("/proc/self/status").read_bytes)
attempt("mmap", lambda: __import__("mmap").mmap(-1, 4096))

attempt("network", lambda: socket.socket())
attempt("fork", os.fork)
attempt("program", lambda: os.posix_spawn("/bin/true", ["true"], {}))
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("kill", lambda: os.kill(os.getppid(), 0))
attempt("write", lambda: (outside / "made").write_text("x"))
attempt("append", lambda: open(outside / "there", "a"))
attempt("remove", lambda: os.remove(outside / "there"))
attempt("truncate", lambda: os.truncate(outside / "there", 0))
attempt("move", lambda: os.rename(folder / "c", outside / "c"))
"""
ALLOWED = ["thread done", "read done", "mmap done"]
BY_SECCOMP = ["network", "fork", "program", "exec", "kill"]
BY_LANDLOCK = ["write", "append", "remove", "truncate", "move"]


def test_what_a_worker_cannot_do(tmp_path: Path) -> None:
    """In a process of its own, for it cannot be taken back; what the machine lacks is not asked for."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "there").write_text("as before")
    command = [sys.executable, "-c", SCRIPT, str(folder), str(outside)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    has, *said = done.stdout.splitlines()
    assert said[: len(ALLOWED)] == ALLOWED
    results = dict(line.split() for line in said[len(ALLOWED) :])
    if "seccomp" in has:
        assert {results[name] for name in BY_SECCOMP} == {"PermissionError"}
    if "landlock" in has:
        assert not {results[name] for name in BY_LANDLOCK} - {"PermissionError", "OSError"}
        assert (outside / "there").read_text() == "as before" and len(list(outside.iterdir())) == 1
    if not has:
        pytest.skip("this machine has neither Landlock nor seccomp")


def test_what_confined_code_left_in_the_folder_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link where the next worker, which is not confined yet, writes what it has to say."""
    outside, folder = tmp_path / "outside", tmp_path / "run.json.partial"
    outside.write_text("as before")
    folder.mkdir()
    (folder / WORDS).symlink_to(outside)
    monkeypatch.setattr(worker, "end_with_parent", lambda parent: None)
    with pytest.raises(FileError, match=WORDS):
        worker._begin(1, folder)
    assert outside.read_text() == "as before"
