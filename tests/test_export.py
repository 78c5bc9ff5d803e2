"""Exports, each read by the tool that it is for where that tool installs."""

import csv
import io
import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import runfile
from tests.command import ROOT, refused, run

TOOLS = ROOT / ".venv" / "tools" / "bin"
V1 = "on-idle/plain/warm/sequential/pcp: v1/jump-label"
SCENARIO = "on_idle_plain_warm_sequential_pcp"
COLUMN = f"{SCENARIO}__v1_jump_label"
ARMS = runfile.HEADLINE | {("keyfirst", "jump-label"): -2.0}
"""With an arm below base, so that its overhead is below zero."""
CHANGE = 10
"""The first day on which an arm is slower, or faster."""
OTAVA = """\
tests:
  freepath:
    type: csv
    file: {file}
    time_column: time
    attributes: [commit]
    metrics:
      v1: {{column: {scenario}__v1_jump_label, direction: -1, scale: 1}}
      keyfirst: {{column: {scenario}__keyfirst_jump_label, direction: -1, scale: 1}}
    csv_options: {{delimiter: ",", quotechar: '"'}}
"""
ANALYSE = """
import os, sys
from otava.main import script_main
for config in sys.argv[1:]:
    os.environ["OTAVA_CONFIG"] = config
    for options in ([], ["--output", "regressions_only"]):
        script_main(args=["analyze", "freepath", "--since", "2026-01-01", *options])
        print(end="\\0")
"""
"""What `otava` does with these words; it takes two seconds to start."""
ORDERS = """
import sys
from lnt.server.instance import Instance
database = Instance.frompath(sys.argv[1]).get_database("default")
session, suite = database.make_session(), database.testsuite["nts"]
for run in sorted(session.query(suite.Run), key=lambda run: run.order):
    print(run.parameters["commit"])
"""
needs_tools = pytest.mark.skipif(
    not (TOOLS / "otava").exists() or not (TOOLS / "lnt").exists(),
    reason="no Otava or LNT: tests/set_up_tools.sh, which `make test` runs, installs them where it can",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A run of all memcg states."""
    return runfile.write(tmp_path / "run.json", runfile.of_machine(runfile.headline()))


def sixteen_days(place: Path, times: float) -> Path:
    """A folder of runs; from the tenth day on `v1` and `keyfirst` take so many times as long."""
    base = runfile.FakeHost().base_ns
    changed = {
        arm: ns + (base + ns) * (times - 1) for arm, ns in ARMS.items() if arm[0] in ("v1", "keyfirst")
    }
    for day in range(1, 17):
        arms = ARMS if day < CHANGE else ARMS | changed
        session = runfile.FakeRun(arms=arms, processes=4, blocks=4, seed=day)
        data = runfile.document(session, commit=f"c{day:02}")
        # Named backwards: the order of files is not that of time.
        runfile.write(place / f"{99 - day}.json", runfile.of_machine(data, day))
    return place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen days, on the tenth of which two arms become one percent slower."""
    return sixteen_days(tmp_path_factory.mktemp("runs"), 1.01)


def exported(path: Path, kind: str) -> str:
    """What the command prints."""
    done = run("results", "export", str(path), "--format", kind)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_github_action_benchmark(file: Path) -> None:
    """Its custom format: names that are unique, a unit, a number, and a range; smaller is better."""
    rows = json.loads(exported(file, "github-action-benchmark"))
    assert len({row["name"] for row in rows}) == len(rows) > 20
    for row in rows:
        assert row.keys() == {"name", "unit", "value", "range", "extra"} and row["unit"] == "ns/page"
        assert isinstance(row["value"], float) and row["range"].startswith("± ")
    (v1,) = (row for row in rows if row["name"] == V1)
    assert 0.2 < v1["value"] < 0.3


def rows_of(text: str) -> list[dict[str, str]]:
    """A table as Otava reads it."""
    return list(csv.DictReader(io.StringIO(text)))


def test_otavas_table_has_levels(folder: Path) -> None:
    """A row per run, oldest first, with the commit; of base and every arm what a page takes, in ns."""
    rows = rows_of(exported(folder, "otava"))
    assert [row["commit"] for row in rows] == [f"c{day:02}" for day in range(1, 17)]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert all(name.replace("_", "").isalnum() for name in rows[0])
    base, v1, saver = f"{SCENARIO}__base", COLUMN, f"{SCENARIO}__keyfirst_jump_label"
    for name, level in ((base, 15.0), (v1, 15.25), (saver, 13.0)):
        assert float(rows[0][name]) == pytest.approx(level, abs=0.05)
    assert all(float(value) > 0 for row in rows for name, value in row.items() if name.startswith("on_"))


def test_otavas_table_has_no_holes(folder: Path, tmp_path: Path) -> None:
    """Otava analyses nothing where a cell is missing: series that not every run has are named instead."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    fewer = {arm: cost for arm, cost in runfile.HEADLINE.items() if arm[0] != "nop"}
    data = runfile.document(runfile.FakeRun(arms=fewer, seed=20), runfile.FakeRun(axes={"memcg": "disabled"}))
    runfile.write(tmp_path / "another.json", runfile.of_machine(data, 20))
    done = run("results", "export", str(tmp_path), "--format", "otava")
    rows = rows_of(done.stdout)
    assert done.returncode == 0 and len(rows) == 17 and all(all(row.values()) for row in rows)
    left_out = {line.split()[2].rstrip(":") for line in done.stderr.splitlines()}
    assert {f"{SCENARIO}__nop_none", "disabled_plain_warm_sequential_pcp__base"} <= left_out
    assert COLUMN in rows[0] and not left_out & rows[0].keys()
    assert all("another.json" in line for line in done.stderr.splitlines() if SCENARIO in line)


def test_otava_needs_a_series_in_common(tmp_path: Path) -> None:
    """Runs of one machine that measured nothing alike make no table."""
    (tmp_path / "runs").mkdir()
    for day, state in enumerate(("off", "disabled"), 1):
        data = runfile.document(runfile.FakeRun(axes={"memcg": state}))
        runfile.write(tmp_path / "runs" / f"{state}.json", runfile.of_machine(data, day))
    refused(run("results", "export", str(tmp_path / "runs"), "--format", "otava"), "no series in common")


SAID = {
    1.01: ["Regressions in freepath:", "v1 ", "(  +1.0%)", "keyfirst ", "(  +1.0%)"],
    0.99: ["No regressions found in freepath."],
}
"""How many times as long -> what Apache Otava says of it, in this order."""


@pytest.fixture(scope="module")
def by_otava(tmp_path_factory: pytest.TempPathFactory) -> dict[float, list[str]]:
    """Of each of them what it says of two columns: everything, and the regressions only."""
    configs = []
    for times in SAID:
        place = tmp_path_factory.mktemp("otava")
        (place / "runs").mkdir()
        (place / "otava.csv").write_text(exported(sixteen_days(place / "runs", times), "otava"))
        (place / "otava.yaml").write_text(OTAVA.format(file=place / "otava.csv", scenario=SCENARIO))
        configs.append(place / "otava.yaml")
    done = subprocess.run([TOOLS / "python", "-c", ANALYSE, *configs], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    texts = done.stdout.split("\0")
    return {times: texts[2 * number :][:2] for number, times in enumerate(SAID)}


@needs_tools
@pytest.mark.parametrize("times", SAID)
def test_otava_finds_one_percent(times: float, by_otava: dict[float, list[str]]) -> None:
    """At which commit, and which way: also of an arm whose overhead over base is below zero."""
    change = f"{100 * times - 100:+.1f}%"
    everything, text = by_otava[times]
    lines = everything.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.split() == [change, change])
    assert "c09" in lines[at - 2] and "c10" in lines[at + 2]
    for word in SAID[times]:
        assert word in text
        text = text.partition(word)[2]


@needs_tools
def test_lnt_takes_the_report(file: Path, tmp_path: Path) -> None:
    """LLVM's LNT validates it."""
    report = tmp_path / "lnt.json"
    report.write_text(exported(file, "lnt"))
    done = subprocess.run([TOOLS / "lnt", "checkformat", report], capture_output=True, text=True)
    assert done.returncode == 0 and "Validation succeeded" in done.stdout + done.stderr, done.stderr


@needs_tools
def test_lnt_orders_runs_by_time(folder: Path, tmp_path: Path) -> None:
    """It orders by the digits of the revision, so this one counts seconds; the commit goes with the run."""
    instance = tmp_path / "instance"
    subprocess.run([TOOLS / "lnt", "create", instance], check=True, capture_output=True)
    reports = [tmp_path / f"{day}.json" for day in (12, 3, 7)]  # not in their order
    for report in reports:
        report.write_text(exported(folder / f"{99 - int(report.stem)}.json", "lnt"))
    subprocess.run([TOOLS / "lnt", "import", instance, *reports], check=True, capture_output=True)
    done = subprocess.run(
        [TOOLS / "python", "-c", ORDERS, instance], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["c03", "c07", "c12"]


def test_junit_counts_what_it_has(file: Path) -> None:
    """A suite of claims and one per scenario; what costs fails, what is undecided is skipped."""
    suites = ElementTree.fromstring(exported(file, "junit"))
    assert suites.tag == "testsuites" and next(s.get("name") for s in suites) == "claims"
    for suite in suites:
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases) > 0
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
    (v1,) = suites.findall(".//testsuite[@name='on-idle/plain/warm/sequential/pcp']/*[@name='v1/jump-label']")
    assert "costs" in str(v1.find("failure").get("message"))  # type: ignore[union-attr]


@needs_tools
def test_junit_is_read_by_a_reader(file: Path, tmp_path: Path) -> None:
    """Junitparser finds as many cases as there are."""
    target = tmp_path / "junit.xml"
    target.write_text(exported(file, "junit"))
    code = "import sys, junitparser; print(sum(map(len, junitparser.JUnitXml.fromfile(sys.argv[1]))))"
    done = subprocess.run([TOOLS / "python", "-c", code, target], capture_output=True, text=True)
    assert int(done.stdout) == len(list(ElementTree.parse(target).iter("testcase"))), done.stderr


def test_what_cannot_be_exported(file: Path, folder: Path, tmp_path: Path) -> None:
    """One line each."""
    refused(run("results", "export", str(folder), "--format", "lnt"), "name a file", "otava takes a folder")
    refused(run("results", "export", str(tmp_path / "none"), "--format", "otava"), "cannot read")
    another = runfile.of_machine(runfile.document(runfile.FakeRun()), governor="powersave")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.json").write_bytes(file.read_bytes())
    runfile.write(tmp_path / "two" / "b.json", another)
    refused(run("results", "export", str(tmp_path / "two"), "--format", "otava"), "2 machines")
    data = runfile.document(runfile.FakeRun())
    for made in (made for bench in data["benchmarks"] for made in bench["runs"]):
        del made["metadata"]["date"]
    undated = runfile.write(tmp_path / "undated.json", data)
    refused(run("results", "export", str(undated), "--format", "otava"), "when it was measured")
