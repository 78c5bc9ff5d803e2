"""File systems that have no locks, permissions or links: a run is measured and kept there as well."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from benchmarks.timing import partial as partial_module
from benchmarks.timing.partial import Partial
from model.common.errors import UsageError
from model.common.files import write_new
from model.kernels.store import Store
from model.kernels.v4_3.image import Image
from model.vocabulary.formats import PLAN
from tests.command import ROOT

WITHOUT = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


def new_plan() -> dict[str, object]:
    """Of a run that appends to nothing."""
    return {"schema": PLAN, "append": False}


@pytest.fixture(params=WITHOUT, ids=errno.errorcode.get)
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every lock is refused as such a file system does; returns its words."""
    words = os.strerror(request.param)

    def refuse(number: int, how: int) -> NoReturn:
        raise OSError(request.param, words)

    monkeypatch.setattr("fcntl.flock", refuse)
    return words


def test_a_run_begins_and_is_resumed_without_locks(
    tmp_path: Path, no_locks: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what is missing, and what nobody guards then."""
    target = tmp_path / "run.json"
    begun = Partial.begin(target, new_plan())
    said = capsys.readouterr().err
    assert f"has no locks ({no_locks})" in said and "--resume" in said and len(said.splitlines()) == 1
    with pytest.raises(UsageError, match=r"was stopped: go on with .*--resume"):
        Partial.begin(target, new_plan())
    (begun.folder / "0-0000.json").write_text('{"benchmarks": []}')
    begun.close(done=False)
    found = Partial.find(target)
    assert "has no locks" in capsys.readouterr().err
    assert found.count(0) == 1
    found.close(done=True)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_stored_needs_no_lock(no_locks: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its folder has a name that nobody else has."""
    Partial.begin(None, new_plan()).close(done=True)
    assert capsys.readouterr().err == ""


def test_of_two_that_begin_at_once_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without locks: the other one's plan stays as it is."""
    folder = tmp_path / "run.json.partial"

    def meanwhile(number: int) -> str:
        (folder / "plan.json").write_text("another run's")
        return "Function not implemented"

    monkeypatch.setattr(partial_module, "lock", meanwhile)
    with pytest.raises(UsageError, match="belongs to a run that is going on or was stopped"):
        Partial.begin(tmp_path / "run.json", new_plan())
    assert (folder / "plan.json").read_text() == "another run's"


def test_a_lock_that_somebody_has_is_still_that(tmp_path: Path) -> None:
    """What another process holds is no missing feature."""
    held = Partial.begin(tmp_path / "run.json", new_plan())
    with pytest.raises(UsageError, match="going on: wait for it"):
        Partial(held.folder, tmp_path / "run.json", new_plan())
    held.close(done=True)


def test_code_is_kept_without_locks(tmp_path: Path, no_locks: str) -> None:
    """The folder counts as used now; and no other is pruned, for nobody can say whether it is in use."""
    old = [tmp_path / f"{number:016x}-x86-64" for number in range(8)]
    for folder in old:
        folder.mkdir(mode=0o700)
        os.utime(folder, (0, 0))
    store = Store(tmp_path)
    store.make_folder()
    os.utime(store.folder, (0, 0))
    store.hold()
    opened = len(list(Path("/proc/self/fd").iterdir()))
    store.hold()
    assert len(list(Path("/proc/self/fd").iterdir())) == opened
    assert store.folder.stat().st_mtime > 0
    store.prune()
    assert all(folder.exists() for folder in old)


def test_who_holds_the_code_waits_for_who_prunes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shared lock is waited for: else its holder would not see that the folder went."""
    asked: list[int] = []
    monkeypatch.setattr("fcntl.flock", lambda number, how: asked.append(how))
    store = Store(tmp_path)
    store.make_folder()
    store.hold()
    assert asked == [fcntl.LOCK_SH]
    assert store.missing([Image("base", "none", memcg=False)])


RUN_WITHOUT = """
import errno, fcntl, os, sys
def refuse(number, how):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = refuse
from benchmarks.__main__ import start
sys.exit(start(sys.argv[1:]))
"""


def test_a_run_without_locks(tmp_path: Path) -> None:
    """From beginning to end."""
    only = "base,memcg=off,page_kind=plain,depth=pcp,checks=on,entry=__free*"
    options = ["-p", "1", "-n", "1", "-l", "96", "--only", only, "-o", str(tmp_path / "run.json")]
    command = [sys.executable, "-c", RUN_WITHOUT, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "No locks available" in done.stderr, done.stderr
    assert json.loads((tmp_path / "run.json").read_text())["benchmarks"]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_permissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """FAT refuses to set what it cannot keep: the file is written all the same."""

    def refuse(number: int, mode: int) -> NoReturn:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.fchmod", refuse)
    write_new(tmp_path / "file", "text")
    assert (tmp_path / "file").read_text() == "text"
