"""--append and --resume ask before measuring whether this is the same machine; no host's name decides."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyperf
import pytest

from benchmarks.timing.append import check_append
from model.common.errors import FreepathError
from model.vocabulary.machine import FACTS
from results.reading.load import load
from tests.command import refused, run
from tests.test_append import stored
from tests.test_partial import PROCESSES, SMALL, offsets, started
from tests.waiting import until

ELSEWHERE = {
    "hostname": "another-host",
    "python_executable": "/elsewhere/bin/python",
    "platform": "Linux-5.4.0-x86_64-with-glibc2.31",
    "cpu_count": 4096,
    "aslr": "No randomization",
}
"""Of a container that was started again on an updated kernel."""
REFUSING = [fact.name for fact in FACTS if fact.refuses]


def changed(path: Path, facts: Mapping[str, Any]) -> None:
    """Let all that a file holds have been measured so."""
    data = json.loads(path.read_text())
    processes = [made for bench in data["benchmarks"] for made in bench["runs"]]
    for part in (data, *data["benchmarks"], *processes):
        metadata = part.get("metadata", {})
        metadata |= {name: value for name, value in facts.items() if name in metadata}
    path.write_text(json.dumps(data))


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped, with one process at least."""
    target = tmp_path_factory.mktemp("half") / "run.json"
    parent = started("-o", str(target))
    folder = target.with_name("run.json.partial")
    until(lambda: list(folder.glob("0-*.json")))
    parent.send_signal(signal.SIGTERM)
    parent.communicate()
    return folder


def copied(folder: Path, to: Path) -> Path:
    """The same run, stopped elsewhere."""
    new = to / folder.name
    new.mkdir()
    for path in folder.iterdir():
        (new / path.name).write_bytes(path.read_bytes())
    return new


def test_another_host_kernel_and_python_go_on(half: Path, tmp_path: Path) -> None:
    """Resumed and appended to, and appended to again; each process says where it was measured."""
    folder, target = copied(half, tmp_path), tmp_path / "run.json"
    there = list(folder.glob("0-*.json"))
    for path in there:
        changed(path, ELSEWHERE)
    done = run("benchmarks", "--resume", str(target))
    assert done.returncode == 0, done.stderr
    assert len(offsets(target)) == PROCESSES
    for _ in range(2):
        done = run("benchmarks", *SMALL, "-p", "1", "--append", str(target))
        assert done.returncode == 0 and done.stderr.count("the file will say so") == 1, done.stderr
    assert len(offsets(target)) == PROCESSES + 2
    (scenario,) = load(target).scenarios
    for name, value in ELSEWHERE.items():
        assert [p.facts[name] == value for p in scenario.processes].count(True) == len(there), name
    assert [*load(target).mixed] == ["platform"]
    for bench in pyperf.BenchmarkSuite.load(str(target)):
        assert bench.get_nrun() == PROCESSES + 2
    assert run("pyperf", "stats", str(target)).returncode == 0


def test_a_kernel_that_was_updated_is_said(half: Path, tmp_path: Path) -> None:
    """Before measuring, where it goes on; the plan knows which kernel the run began on."""
    folder = copied(half, tmp_path)
    plan = json.loads((folder / "plan.json").read_text())
    plan["context"]["platform"] = ELSEWHERE["platform"]
    (folder / "plan.json").write_text(json.dumps(plan))
    done = run("benchmarks", "--resume", str(folder))
    assert done.returncode == 0 and "measured with platform Linux-5.4.0-x86_64, this is" in done.stderr


def test_another_machine_is_not_resumed(half: Path, tmp_path: Path) -> None:
    """One line before anything is measured; what is complete stays."""
    folder = copied(half, tmp_path)
    plan = json.loads((folder / "plan.json").read_text())
    plan["context"]["cpu_stepping"] = "99"
    (folder / "plan.json").write_text(json.dumps(plan))
    before = {path.name: path.read_bytes() for path in folder.glob("0-*.json")}
    refused(run("benchmarks", "--resume", str(folder)), "cpu_stepping 99, this would be", "--resume")
    assert before == {path.name: path.read_bytes() for path in folder.glob("0-*.json")}


FACTS_HERE = {"build_scheme": "both-24", **dict.fromkeys(REFUSING, "here")}


@pytest.mark.parametrize("name", REFUSING)
def test_each_fact_refuses(name: str, tmp_path: Path) -> None:
    """In one process of the file; what one of the two does not know refuses nothing."""
    path = stored(tmp_path, FACTS_HERE, FACTS_HERE | {name: "there"})
    with pytest.raises(FreepathError, match=rf"measured with {name} .*there, this would be here; .* -o"):
        check_append(path, FACTS_HERE, None)
    check_append(path, FACTS_HERE | {name: "unknown"}, None)
    check_append(stored(tmp_path, FACTS_HERE | {name: "unknown"}), FACTS_HERE, None)


def test_another_host_refuses_nothing(tmp_path: Path) -> None:
    """Nor does a kernel that was updated: a run of hours can be finished."""
    check_append(stored(tmp_path, FACTS_HERE | ELSEWHERE), FACTS_HERE | {"platform": "Linux-6.18"}, None)
