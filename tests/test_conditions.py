"""Which processor this is, from files made up as the kernel writes them."""

import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.commit import commit, sources
from benchmarks.core_types import core_type
from benchmarks.fleet import driver
from benchmarks.processor import IDENTITY, processor
from tests.command import ROOT

AMD = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
stepping\t: 1
microcode\t: 0xb002116

processor\t: 1
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
stepping\t: 1
microcode\t: 0xb002147

"""
INTEL = "\n\n".join(
    f"processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 151\n"
    "model name\t: 12th Gen Intel(R) Core(TM) i7-12700K\nstepping\t: 2\nmicrocode\t: 0x35"
    for number in range(22)
)
ARM = """\
processor\t: 0
BogoMIPS\t: 50.00
Features\t: fp asimd
CPU implementer\t: 0x41
CPU architecture: 8
"""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/sys/devices of a processor that is not hybrid, and whose CPUs say nothing themselves."""
    monkeypatch.setattr("benchmarks.core_types.kind_of", lambda ask: "unknown")
    monkeypatch.setattr("os.sched_setaffinity", lambda process, cpus: None)
    (tmp_path / "devices").mkdir()
    return tmp_path / "devices"


def written(folder: Path, text: str) -> Path:
    """A /proc/cpuinfo with this text."""
    path = folder / "cpuinfo"
    path.write_text(text)
    return path


def hybrid(system: Path) -> None:
    """What the kernel adds: eight P-cores with two threads each, four E-cores, two low-power ones."""
    for kind, cpus in (("core", "0-13,14-15\n"), ("atom", "16-18,19\n"), ("lowpower", "20-21\n")):
        (system / f"cpu_{kind}").mkdir()
        (system / f"cpu_{kind}" / "cpus").write_text(cpus)


def test_amd(tmp_path: Path, system: Path) -> None:
    """Family and model tell generations apart that have one name; the microcode is that CPU's own."""
    facts = processor(1, written(tmp_path, AMD), system)
    assert facts == {
        "cpu_model_name": "AMD EPYC",
        "cpu_vendor": "AuthenticAMD",
        "cpu_family": "26",
        "cpu_model": "2",
        "cpu_stepping": "1",
        "cpu_microcode": "0xb002147",
        "cpu_core_type": "unknown",
    }
    assert processor(0, written(tmp_path, AMD), system)["cpu_microcode"] == "0xb002116"


@pytest.mark.parametrize(
    ("cpu", "kind"), [(0, "core"), (13, "core"), (15, "core"), (16, "atom"), (19, "atom"), (21, "lowpower")]
)
def test_a_hybrid_processor_is_two(tmp_path: Path, system: Path, cpu: int, kind: str) -> None:
    """Family and model are the same, the cores are not."""
    hybrid(system)
    facts = processor(cpu, written(tmp_path, INTEL), system)
    assert (facts["cpu_family"], facts["cpu_model"]) == ("6", "151")
    assert facts["cpu_core_type"] == kind


def test_a_cpu_that_is_in_no_list(system: Path) -> None:
    """Nobody says what it is; a list may be empty while all cores of a kind are offline."""
    hybrid(system)
    (system / "cpu_atom" / "cpus").write_text("\n")
    assert core_type(16, system) == "unknown"


def test_another_architecture_has_other_fields(tmp_path: Path, system: Path) -> None:
    """Said, instead of left out: all runs have the same names."""
    facts = processor(0, written(tmp_path, ARM), system)
    assert facts == dict.fromkeys((*IDENTITY, "cpu_core_type"), "unknown")


def test_without_the_file_nothing_is_claimed(tmp_path: Path, system: Path) -> None:
    """As in a sandbox without /proc."""
    assert processor(0, tmp_path / "missing", system) == {}


def test_the_cpu_is_the_one_that_measures(
    tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker tells of its own CPU, which need not be the first one of the machine."""
    monkeypatch.setattr("benchmarks.processor.current_cpu", lambda: 1)
    assert processor(None, written(tmp_path, AMD), system)["cpu_microcode"] == "0xb002147"


def git(folder: Path, *arguments: str) -> None:
    """In a repository of this test."""
    identity = ("-c", "user.name=me", "-c", "user.email=me@localhost")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "checkout"
    (folder / "model" / "variants").mkdir(parents=True)
    (folder / "model" / "variants" / "base.py").write_text("base\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return folder


def test_the_commit_knows_changes_and_new_sources(checkout: Path) -> None:
    """A file that was measured into the checkout is no change; a variant that git does not know is one."""
    clean = commit(checkout)
    assert len(clean) == 12
    (checkout / "run.json").write_text("{}")
    assert commit(checkout) == clean
    new = checkout / "model" / "variants" / "mine.py"
    new.write_text("mine\n")
    assert commit(checkout) == f"{clean}-dirty"
    new.unlink()
    (checkout / "model" / "variants" / "base.py").write_text("edited\n")
    assert commit(checkout) == f"{clean}-dirty"


def test_the_commit_is_that_of_the_checkout(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of the repository that GIT_DIR names, nor of one that a tarball was unpacked in."""
    clean = commit(checkout)
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    git(other, "commit", "-qm", "other", "--allow-empty")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert commit(checkout) == clean
    monkeypatch.delenv("GIT_DIR")
    assert commit(checkout / "model") == "unknown"
    assert commit(tmp_path) == "unknown"


def ignored(checkout: Path) -> None:
    """A variant that a global excludesFile hides."""
    (checkout.parent / "global").write_text("mine*.py\n")
    git(checkout, "config", "core.excludesFile", str(checkout.parent / "global"))
    (checkout / "model" / "variants" / "mine.py").write_text("mine\n")


def excluded(checkout: Path) -> None:
    """The same by the repository's own list."""
    (checkout / ".git" / "info" / "exclude").write_text("*.py\n")
    (checkout / "model" / "variants" / "mine.py").write_text("mine\n")


def overlooked(flag: str) -> Callable[[Path], None]:
    """An edit that the index is told to overlook."""

    def hide(checkout: Path) -> None:
        git(checkout, "update-index", flag, "model/variants/base.py")
        (checkout / "model" / "variants" / "base.py").write_text("edited\n")

    return hide


def linked(checkout: Path) -> None:
    """A folder of variants that lies elsewhere; git has the link alone."""
    (checkout.parent / "elsewhere").mkdir()
    (checkout.parent / "elsewhere" / "mine.py").write_text("mine\n")
    (checkout / "model" / "more").symlink_to(checkout.parent / "elsewhere")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "link")


def compiled(checkout: Path) -> None:
    """A module that Python imports before the source of that name."""
    (checkout / ".gitignore").write_text("*.so\n")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "ignore")
    (checkout / "model" / "variants" / "base.so").write_bytes(b"\x7fELF")


def replaced(checkout: Path) -> None:
    """A commit that stands for another one (git replace), here for the one before it."""
    (checkout / "model" / "variants" / "base.py").write_text("edited\n")
    git(checkout, "commit", "-qam", "two")
    git(checkout, "reset", "-q", "--soft", "HEAD~")
    git(checkout, "replace", "HEAD", "ORIG_HEAD")


HIDDEN = [ignored, excluded, overlooked("--assume-unchanged"), overlooked("--skip-worktree")]
HIDDEN += [linked, compiled, replaced]


@pytest.mark.parametrize("hide", HIDDEN)
def test_what_git_is_told_to_overlook_is_measured(checkout: Path, hide: Callable[[Path], None]) -> None:
    """It is not in the commit, so the commit is not clean."""
    assert not commit(checkout).endswith("-dirty")
    before = sources(checkout)
    hide(checkout)
    assert commit(checkout).endswith("-dirty") and sources(checkout) != before


def test_what_measures_nothing_is_no_change(checkout: Path) -> None:
    """Documents, editors' files, what Python keeps of sources; a name for a commit is no other commit."""
    (checkout / "README.md").write_text("read me\n")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "documents")
    git(checkout, "tag", "v1")
    clean = commit(checkout)
    (checkout / "README.md").write_text("read me again\n")
    (checkout / "model" / "__pycache__").mkdir()
    (checkout / "model" / "__pycache__" / "base.cpython-311.pyc").write_bytes(b"x")
    (checkout / "model" / "variants" / "base.py~").write_text("old\n")
    (checkout / "model" / "variants" / ".#base.py").symlink_to("me@localhost.4711")
    assert commit(checkout) == clean and len(clean) == 12


def test_a_repository_with_other_ids(tmp_path: Path) -> None:
    """SHA-256 instead of SHA-1."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "base.py").write_text("base\n")
    git(tmp_path, "init", "-q", "--object-format=sha256")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    assert re.fullmatch("[0-9a-f]{12}", commit(tmp_path))


@pytest.fixture
def another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that the environment names, as git's hooks do."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    git(other, "commit", "-qm", "other", "--allow-empty")
    for name in ("GIT_DIR", "GIT_COMMON_DIR"):
        monkeypatch.setenv(name, str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git" / "objects"))
    return other


def test_the_folder_of_a_run_has_its_time_and_commit(another: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC, wherever this is, and the commit of the checkout, whatever repository the environment names."""
    monkeypatch.setenv("TZ", "JST-9")  # nine hours ahead of UTC
    done = subprocess.run(["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True, check=True)
    (name,) = set(re.findall(r"mkdir -p '?results/runs/([^\s']+)", done.stdout))
    assert name.endswith(f"-{commit(ROOT)}")
    then = datetime.strptime(name[: len("2026-11-27-104340Z")], "%Y-%m-%d-%H%M%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - then) < timedelta(hours=1)


def test_a_fleet_is_sent_this_checkout(another: Path) -> None:
    """Not what GIT_DIR names, which has no such commit."""
    known = commit(ROOT).removesuffix("-dirty")
    assert known == "unknown" or b"model/__init__.py" in driver._archive(known)


def test_sources_are_those_that_measure(checkout: Path) -> None:
    """Contents and names of model/ and benchmarks/; nothing else."""
    before = sources(checkout)
    (checkout / "README.md").write_text("read me")
    assert sources(checkout) == before
    (checkout / "model" / "variants" / "base.py").rename(checkout / "model" / "base.py")
    assert sources(checkout) != before


def test_an_edit_that_keeps_size_and_time_is_noticed(checkout: Path) -> None:
    """What was read once is read again when the system has noted any change of the file."""
    before, edited = sources(checkout), checkout / "model" / "variants" / "base.py"
    content, times = edited.read_bytes(), edited.stat()
    edited.write_bytes(content.swapcase())
    os.utime(edited, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert edited.stat().st_size == times.st_size and sources(checkout) != before
    edited.write_bytes(content)
    assert sources(checkout) == before
