"""The checkout on strange hosts: names that a shell would obey, a Python that went, line ends, owners."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.commit import commit
from tests.command import ROOT

RECORDER = """\
#!/bin/sh
printf '<%s>' "$@" >>"$RECORD"; echo >>"$RECORD"
case "$*" in
"-m benchmarks.run_name") echo a-name ;;
"-m venv --clear .venv") rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
"-m venv .venv") mkdir -p .venv/bin; test -L .venv/bin/python || cp "$0" .venv/bin/python ;;
esac
"""
"""A Python that does nothing but say what it was asked; as the real one, it leaves links in a .venv alone."""


class Checkout:
    """The parts of a checkout that `make` reads, with Pythons that record what they are called with."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.record = folder / "checkout", folder / "record"
        self.bin = folder / "bin"
        for place in (self.folder, self.bin):
            place.mkdir()
        for name in ("Makefile", "pyproject.toml", "freepath"):
            shutil.copy(ROOT / name, self.folder)
        self.python = self.bin / "recorder"
        self.python.write_text(RECORDER)
        self.python.chmod(0o755)

    @property
    def venv_python(self) -> Path:
        """Of the .venv."""
        return self.folder / ".venv" / "bin" / "python"

    def set_up(self) -> None:
        """As `make setup` leaves it."""
        self.venv_python.parent.mkdir(parents=True)
        shutil.copy(self.python, self.venv_python)
        (self.folder / ".venv" / ".ready").touch()

    def make(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Call make there; what is in `bin` comes first."""
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MAKE", "MFL"))
        }
        env |= {"PATH": f"{self.bin}:{os.environ['PATH']}", "RECORD": str(self.record)}
        command = ["make", f"PYTHON={self.python}", *words]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True)

    def calls(self) -> list[list[str]]:
        """Words of each call of a Python."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [re.findall(r"<(.*?)>(?=<|$)", line) for line in lines]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Nothing is set up yet."""
    return Checkout(tmp_path)


HOSTILE = "a'; touch OWNED; echo \"b`touch OWNED`$(touch OWNED)$HOME c"


def test_a_host_may_be_called_anything(checkout: Checkout) -> None:
    """No part of its name is a command; the folder has a name that needs no quotes."""
    checkout.set_up()
    (checkout.bin / "uname").write_text(f"#!/bin/sh\ncat <<'EOF'\n{HOSTILE}\nEOF\n")
    (checkout.bin / "uname").chmod(0o755)
    done = checkout.make("run")
    assert done.returncode == 0, done.stderr
    assert not list(checkout.folder.rglob("OWNED"))
    (measured,) = [call for call in checkout.calls() if "--quick" in call]
    assert re.fullmatch(r"results/runs/[A-Za-z0-9._-]+/run.json", measured[-1])
    assert (checkout.folder / measured[-1]).parent.is_dir()


@pytest.mark.parametrize(
    "name", ["it's", "a;touch${IFS}OWNED", "$(HOME)", "`touch${IFS}OWNED`", 'a"b', "a&b|c"]
)
def test_a_folder_may_be_called_anything(checkout: Checkout, name: str) -> None:
    """One that came from elsewhere is gone on with, drawn and published under its name."""
    checkout.set_up()
    folder = checkout.folder / "results" / "runs" / name
    (folder / "run.json.partial").mkdir(parents=True)
    done = checkout.make("resume")
    assert done.returncode == 0, done.stderr
    (folder / "run.json").touch()
    assert checkout.make("publish").returncode == 0
    assert not list(checkout.folder.rglob("OWNED"))
    calls = checkout.calls()
    run = f"results/runs/{name}/run.json"
    assert ["-m", "benchmarks", "--resume", run] in calls
    assert ["-m", "results", "answer", run] in calls and ["-m", "results", "publish", run] in calls
    assert f"report:  results/runs/{name}/report.html" in done.stdout


def test_without_a_run_there_is_nothing_to_resume(checkout: Checkout) -> None:
    """One line, as before."""
    checkout.set_up()
    done = checkout.make("resume")
    assert done.returncode == 2 and "no run under results/runs/ was stopped" in done.stderr
    checkout.make("publish")
    assert ["-m", "results", "publish"] in checkout.calls()


def test_a_folder_with_a_blank_is_one_word(checkout: Checkout) -> None:
    """Named by the user, to draw it."""
    checkout.set_up()
    (checkout.folder / "my runs" / "one").mkdir(parents=True)
    done = checkout.make("finish", "RUN=my runs/one")
    assert done.returncode == 0, done.stderr
    assert ["-m", "results", "answer", "my runs/one/run.json"] in checkout.calls()


@pytest.mark.parametrize("left", ["dangling", "does not start", "missing", "half made"])
def test_a_venv_whose_python_went_is_made_again(checkout: Checkout, left: str) -> None:
    """As after an upgrade of the system; once, and ./freepath works then."""
    checkout.set_up()
    checkout.venv_python.unlink()
    if left in ("dangling", "half made"):
        checkout.venv_python.symlink_to("/no/such/python3.11")
    elif left == "does not start":
        checkout.venv_python.write_text("#!/bin/sh\nexit 127\n")
        checkout.venv_python.chmod(0o755)
    if left == "half made":
        (checkout.folder / ".venv" / ".ready").unlink()
    done = checkout.make("setup")
    assert done.returncode == 0, done.stderr
    assert "does not start: making .venv again" in done.stdout
    assert ["-m", "venv", "--clear", ".venv"] in checkout.calls()
    env = {"RECORD": str(checkout.record), "PATH": os.environ["PATH"]}
    assert subprocess.run([checkout.folder / "freepath", "results"], env=env).returncode == 0
    before = checkout.calls()
    assert checkout.make("setup").returncode == 0
    assert checkout.calls() == [*before, ["-c", ""]]


def test_a_first_setup_clears_nothing(checkout: Checkout) -> None:
    """And one whose dependencies changed goes on with the .venv that is there."""
    assert checkout.make("setup").returncode == 0
    os.utime(checkout.folder / ".venv" / ".ready", (0, 0))
    assert checkout.make("setup").returncode == 0
    venvs = [call for call in checkout.calls() if call[:2] == ["-m", "venv"]]
    assert venvs == [["-m", "venv", ".venv"]] * 2


def git(folder: Path, *words: str, **more: str) -> None:
    """Git, as nobody in particular."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | more
    identity = ("-c", "user.name=me", "-c", "user.email=me@localhost")
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, env=env)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of some files of the checkout, committed as they are."""
    folder = tmp_path / "repository"
    (folder / "model").mkdir(parents=True)
    names = [
        name
        for name in (".gitattributes", "freepath", "Makefile", "model/__init__.py")
        if (ROOT / name).exists()
    ]
    for name in names:
        shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return folder


@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.eol=crlf"])
def test_lines_end_as_they_were_committed(repository: Path, tmp_path: Path, setting: str) -> None:
    """A git that writes carriage returns would break ./freepath, and change the digest of what measures."""
    git(tmp_path, "-c", setting, "clone", "-q", "-c", setting, str(repository), str(tmp_path / "clone"))
    for name in ("freepath", "Makefile", "model/__init__.py"):
        assert (tmp_path / "clone" / name).read_bytes() == (repository / name).read_bytes(), name
    done = subprocess.run([tmp_path / "clone" / "freepath"], capture_output=True, text=True)
    assert done.returncode == 0 and "COMMAND" in done.stdout


def test_safe_directory_may_come_by_the_environment(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout of another owner, as in a container: only GIT_CONFIG_* tells git that it may be read."""
    if os.geteuid():
        pytest.skip("only root can give a checkout to another user")
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 65534, 65534)
    for name, value in {"HOME": tmp_path, "GIT_CONFIG_NOSYSTEM": 1, "SUDO_UID": 0}.items():
        monkeypatch.setenv(name, str(value))
    assert commit(repository) == "unknown"
    for name, value in {"COUNT": "1", "KEY_0": "safe.directory", "VALUE_0": "*"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    assert re.fullmatch("[0-9a-f]{12}", commit(repository))
