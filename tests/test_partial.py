"""Whatever ends a run: what was measured stays, one line says where, and the run can be gone on with."""

import gzip
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from benchmarks.timing import reasons
from benchmarks.timing.partial import Partial
from results.reading.load import load
from tests.command import ROOT, refused, run
from tests.kills import default_signals
from tests.waiting import until

PROCESSES = 3
ONLY = "base,memcg=off,page_kind=plain,depth=pcp,checks=on,entry=__free*"
SMALL = ("-p", str(PROCESSES), "-n", "2", "-l", "96", "--only", ONLY)
"""Processes of a third of a second."""
RUNNING: list[subprocess.Popen[str]] = []


def started(*options: str, cwd: Path = ROOT, **more: object) -> subprocess.Popen[str]:
    """A run in the background."""
    command = [sys.executable, "-m", "benchmarks", *SMALL, *options]
    pipes = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        "preexec_fn": default_signals,
        "text": True,
    }
    environment = {**os.environ, "PYTHONPATH": str(cwd)}
    process: subprocess.Popen[str] = subprocess.Popen(command, cwd=cwd, env=environment, **pipes | more)  # type: ignore[call-overload]
    RUNNING.append(process)
    return process


@pytest.fixture(autouse=True)
def _none_is_left() -> Iterator[None]:
    """A test that failed leaves no process, which another test would be blamed for."""
    yield
    for process in RUNNING:
        if process.poll() is None:
            process.kill()
            process.communicate()
    RUNNING.clear()


def offsets(path: Path) -> list[int]:
    """Where the data of each process lay: the witness of its draw of builds."""
    return sorted(p.facts["data_offset"] for s in load(path).scenarios for p in s.processes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of seed 5 that nobody disturbed."""
    target = tmp_path_factory.mktemp("whole") / "run.json"
    done = run("benchmarks", *SMALL, "--seed", "5", "-o", str(target))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in target.parent.iterdir()] == ["run.json"]
    return target


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_stopped_run_is_gone_on_with(tmp_path: Path, whole: Path, number: signal.Signals) -> None:
    """The same plan, the same seed, so the same builds; what was complete is not measured again."""
    target = tmp_path / "run.json"
    folder = tmp_path / "run.json.partial"
    parent = started("--seed", "5", "-o", str(target))
    until(lambda: list(folder.glob("0-*.json")))
    parent.send_signal(number)
    said = parent.communicate()[1]
    if number != signal.SIGKILL:
        assert parent.returncode == 128 + number
        assert number.name in said.splitlines()[-1] and f"--resume {folder}" in said.splitlines()[-1]
    before = {path.name: path.read_bytes() for path in folder.glob("0-*.json")}
    assert before and not target.exists()
    done = run("benchmarks", "--resume", str(target))
    assert done.returncode == 0, done.stderr
    assert offsets(target) == offsets(whole)
    kept = {process.pair_id for scenario in load(target).scenarios for process in scenario.processes}
    assert {json.loads(content)["metadata"]["pair_id"] for content in before.values()} <= kept
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_nohup_is_obeyed(tmp_path: Path) -> None:
    """A signal that the caller has it ignore stays ignored."""
    target = tmp_path / "run.json"
    parent = started("-o", str(target), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    until(lambda: list(tmp_path.glob("run.json.partial/0-*.json")))
    parent.send_signal(signal.SIGHUP)
    parent.communicate()
    assert parent.returncode == 0 and target.exists()


def test_a_removed_folder_is_written_again(tmp_path: Path) -> None:
    """The processes are kept in memory too."""
    folder = tmp_path / "out"
    folder.mkdir()
    parent = started("-v", "-p", "5", "-o", str(folder / "run.json"))
    assert parent.stderr
    # It says so when it keeps a copy, which is later than the file is there.
    assert any(line.startswith("complete:") and "process 1" in line for line in parent.stderr)
    folder.rename(tmp_path / "gone")
    said = parent.communicate()[1]
    assert parent.returncode == 2 and "was removed" in said and "--resume" in said
    assert len(list(folder.glob("run.json.partial/0-*.json"))) >= 2
    assert run("benchmarks", "--resume", str(folder / "run.json")).returncode == 0
    assert len(offsets(folder / "run.json")) == 5


def test_what_appeared_meanwhile_is_left(tmp_path: Path) -> None:
    """And the measured processes get another name."""
    target = tmp_path / "run.json"
    parent = started("-o", str(target))
    until(lambda: (tmp_path / "run.json.partial" / "plan.json").exists())  # written after the last look
    target.write_text("mine")
    said = parent.communicate()[1]
    assert parent.returncode == 2 and "appeared" in said and "-o OTHER" in said
    assert target.read_text() == "mine"
    folder, other = tmp_path / "run.json.partial", tmp_path / "other.json"
    shutil.copytree(folder, tmp_path / "other.json.partial")
    assert run("benchmarks", "--resume", str(folder), "-o", str(other)).returncode == 0
    assert len(offsets(other)) == PROCESSES
    # As if it had been killed between writing the file and removing the folder: nothing is there twice.
    whole = other.read_bytes()
    assert run("benchmarks", "--resume", str(other)).returncode == 0
    assert other.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.json", "run.json"]


@pytest.mark.parametrize("limit", [2000, 6000])
def test_a_file_that_cannot_grow(tmp_path: Path, limit: int) -> None:
    """As on a full disk: neither a process (2 kB) nor the file (6 kB) is written in part."""
    target = tmp_path / "run.json"
    parent = started(
        "-o", str(target), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    said = parent.communicate()[1]
    assert parent.returncode == 2 and "Traceback" not in said, said
    assert "too large" in said.splitlines()[-1]
    assert not target.exists()
    if limit > 2000:
        assert f"{PROCESSES} complete processes are kept" in said
        assert run("benchmarks", "--resume", str(target)).returncode == 0
        assert len(offsets(target)) == PROCESSES


def test_a_closed_standard_output_loses_nothing(tmp_path: Path) -> None:
    """The file comes first."""
    reader, writer = os.pipe()
    os.close(reader)
    parent = started("-o", str(tmp_path / "run.json"), stdout=writer)
    os.close(writer)
    said = parent.communicate()[1]
    assert parent.returncode == 0 and "Traceback" not in said and "Error" not in said, said
    assert len(offsets(tmp_path / "run.json")) == PROCESSES


@pytest.mark.parametrize("option", ["-o", "--append"])
def test_two_at_once(tmp_path: Path, whole: Path, option: str) -> None:
    """The later one is refused before it measures anything; the first, and what was there, is whole."""
    target = tmp_path / "run.json"
    if option == "--append":
        shutil.copy(whole, target)
    first = started(option, str(target))
    until(lambda: (tmp_path / "run.json.partial" / "plan.json").exists())
    first.send_signal(signal.SIGSTOP)  # so that it cannot come to its end before the other has begun
    refused(run("benchmarks", *SMALL, option, str(target)), "going on")
    first.send_signal(signal.SIGCONT)
    said = first.communicate()[1]
    assert first.returncode == 0, said
    assert len(offsets(target)) == PROCESSES * (2 if option == "--append" else 1)


def test_append_keeps_links_and_packing(tmp_path: Path, whole: Path) -> None:
    """A link stays a link, gzip stays gzip."""
    packed, link = tmp_path / "run.json.gz", tmp_path / "link.json.gz"
    packed.write_bytes(gzip.compress(whole.read_bytes()))
    link.symlink_to(packed)
    assert run("benchmarks", *SMALL, "--append", str(link)).returncode == 0
    assert link.is_symlink() and packed.read_bytes()[:2] == b"\x1f\x8b"
    assert len(offsets(packed)) == 2 * PROCESSES


def stopped(folder: Path, *options: str) -> Path:
    """A run of which one process or two are complete; its folder."""
    parent = started(*options, "-o", str(folder / "run.json"))
    until(lambda: list(folder.glob("run.json.partial/0-0000.json")))
    parent.terminate()
    parent.communicate()
    return folder / "run.json.partial"


def test_a_damaged_process_is_measured_again(tmp_path: Path) -> None:
    """One file of the folder is no reason to lose the others."""
    folder = stopped(tmp_path)
    (folder / "0-0000.json").write_bytes(b"{")
    done = run("benchmarks", "--resume", str(folder))
    assert done.returncode == 0, done.stderr
    assert len(offsets(tmp_path / "run.json")) == PROCESSES


def test_resuming_refuses(tmp_path: Path) -> None:
    """What is no run that was stopped, other options, other sources, a damaged plan."""
    refused(run("benchmarks", "--resume", str(tmp_path / "no.json")), "nothing to resume")
    folder = stopped(tmp_path)
    refused(run("benchmarks", *SMALL, "-o", str(tmp_path / "run.json")), "--resume", "run.json.partial")
    refused(run("benchmarks", "--resume", str(folder), "--quick"), "not --quick")
    plan = folder / "plan.json"
    good = plan.read_text()
    plan.write_text(good.replace('"sources": "', '"sources": "0'))
    refused(run("benchmarks", "--resume", str(folder)), "sources", "have changed", "check that out")
    plan.write_text(good.replace('"cpu_family": "', '"cpu_family": "9'))
    refused(run("benchmarks", "--resume", str(folder)), "cpu_family")
    plan.write_text("{}")
    refused(run("benchmarks", "--resume", str(folder)), "damaged")
    plan.write_text(good)
    held = Partial.find(folder)
    refused(run("benchmarks", "--resume", str(folder)), "going on")
    held.close(done=False)
    assert run("benchmarks", "--resume", str(folder)).returncode == 0


def test_targets_that_are_no_files(tmp_path: Path) -> None:
    """Refused before measuring, and nothing is left."""
    os.mkfifo(tmp_path / "pipe")
    refused(run("benchmarks", *SMALL, "--append", str(tmp_path / "pipe")), "is no file")
    refused(run("benchmarks", *SMALL, "-o", "-"), "is no file")
    refused(run("benchmarks", *SMALL, "-o", str(tmp_path / ("n" * 255))), "too long")
    refused(run("benchmarks", *SMALL, "--append", str(tmp_path)), str(tmp_path))
    (tmp_path / "run.json.partial").write_text("mine")
    refused(run("benchmarks", *SMALL, "-o", str(tmp_path / "run.json")), "in the way")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe", "run.json.partial"]


def found(parent: subprocess.Popen[str], forked: bool) -> list[psutil.Process]:
    """The worker that measures, or what pyperf started instead, which waits for it."""
    try:
        own = psutil.Process(parent.pid).children()
        waiting = [child for child in own if "--worker" in child.cmdline()]
        return [worker for child in own for worker in child.children()] if forked else waiting
    except psutil.Error:  # ended meanwhile
        return []


@pytest.mark.parametrize("forked", [True, False])
def test_how_a_worker_ended_is_said(tmp_path: Path, forked: bool) -> None:
    """By its signal, whoever got it."""
    parent = started("-p", "50", "-n", "30", "-o", str(tmp_path / "run.json"))
    until(lambda: list(tmp_path.glob("*.partial/0-0000.json")))
    killed = False
    while not killed:
        assert parent.poll() is None
        for worker in found(parent, forked)[:1]:
            with suppress(psutil.NoSuchProcess):  # ended by itself: the next one
                worker.kill()
                killed = True
    said = parent.communicate()[1]
    assert parent.returncode == 2
    assert "SIGKILL" in said and "memory" in said and "--resume" in said


def test_a_worker_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """With one line that names the limit."""
    slow = run("benchmarks", *SMALL, "-l", "960000", "--timeout", "1", "-o", str(tmp_path / "slow.json"))
    assert slow.returncode == 124
    announced, said = slow.stderr.splitlines()
    assert "3 processes in 1 scenario" in announced and "--timeout 1" in said


def test_a_worker_that_does_not_end_is_no_defect(tmp_path: Path) -> None:
    """Pyperf waits a minute for it, once it has the values: a machine that stood still, say."""
    partial: Any = SimpleNamespace(folder=tmp_path)
    late = subprocess.TimeoutExpired("worker", 60)
    assert isinstance(late, reasons.EXPECTED)
    said = reasons.reason_of(late, partial, None)
    assert said == ("a worker had measured and did not end within 60 s", reasons.TIMED_OUT)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clean checkout of its own; the same sources, so the compiled code is there."""
    folder = tmp_path / "checkout"
    for name in ("model", "benchmarks", "results"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".gitignore").write_text("__pycache__\n*.json*\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        git = ["git", "-C", str(folder), "-c", "user.name=me", "-c", "user.email=me@localhost"]
        subprocess.run([*git, *command], check=True)
    return folder


@pytest.mark.parametrize("where", ["model", "benchmarks"])
def test_sources_that_are_edited_meanwhile(checkout: Path, where: str) -> None:
    """Later workers refuse to measure something else; put back, the run goes on."""
    parent = started("-p", "50", "-o", "run.json", cwd=checkout)
    until(lambda: list(checkout.glob("*.partial/0-0000.json")))
    source = checkout / where / "__init__.py"
    before = source.read_text()
    source.write_text(before + "# edited\n")
    said = parent.communicate()[1]
    assert parent.returncode == 2, said
    assert "were edited" in said.splitlines()[-1] and "--resume" in said.splitlines()[-1]
    again = run("benchmarks", "--resume", "run.json", cwd=checkout, PYTHONPATH=str(checkout))
    refused(again, "have changed")
    source.write_text(before)
    assert json.loads((checkout / "run.json.partial" / "plan.json").read_bytes())["argv"][1] == str(PROCESSES)


@pytest.mark.parametrize(("changed", "dirty"), [("model/__init__.py", True), (".gitignore", False)])
def test_a_checkout_that_changes_meanwhile_is_dirty(checkout: Path, changed: str, dirty: bool) -> None:
    """Once the last worker has looked at its sources; a file that measures nothing changes nothing."""
    parent = started("-o", "run.json", cwd=checkout)
    until(lambda: list(checkout.glob(f"*.partial/0.{PROCESSES - 1}.claim")))
    with (checkout / changed).open("a") as file:
        file.write("# edited\n")
    said = parent.communicate()[1]
    assert parent.returncode == 0, said
    assert ("-dirty" in said) == dirty
    assert str(load(checkout / "run.json").facts["commit"]).endswith("-dirty") == dirty
