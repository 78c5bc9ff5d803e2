"""Exports, each read by the tool that it is for where that tool installs."""

import csv
import io
import json
import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import runfile
from tests.command import ROOT, refused, run

TOOLS = ROOT / ".venv" / "tools" / "bin"
V1 = "on-idle/plain/warm/sequential/pcp: v1/jump-label"
COLUMN = "on_idle_plain_warm_sequential_pcp__v1_jump_label"
OTAVA = """\
tests:
  freepath:
    type: csv
    file: {file}
    time_column: time
    attributes: [commit]
    metrics:
      v1: {{column: {column}, direction: -1, scale: 1}}
    csv_options: {{delimiter: ",", quotechar: '"'}}
"""
needs_tools = pytest.mark.skipif(
    not (TOOLS / "otava").exists() or not (TOOLS / "lnt").exists(),
    reason="no Otava or LNT: tests/set_up_tools.sh, which `make test` runs, installs them where it can",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A run of all memcg states."""
    return runfile.write(tmp_path / "run.json", runfile.of_machine(runfile.headline()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen days, on the tenth of which v1 becomes dearer."""
    place = tmp_path_factory.mktemp("runs")
    for day in range(1, 17):
        arms = runfile.HEADLINE | {("v1", "jump-label"): 0.25 if day < 10 else 0.6}
        data = runfile.document(runfile.FakeRun(arms=arms, seed=day), commit=f"c{day:02}")
        runfile.write(place / f"{day}.json", runfile.of_machine(data, day))
    return place


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


def test_otavas_columns_are_words(folder: Path) -> None:
    """A row per run, oldest first, with the commit."""
    rows = list(csv.DictReader(io.StringIO(exported(folder, "otava"))))
    assert [row["commit"] for row in rows] == [f"c{day:02}" for day in range(1, 17)]
    assert all(name.replace("_", "").isalnum() for name in rows[0]) and 0.2 < float(rows[0][COLUMN]) < 0.3


@needs_tools
def test_otava_finds_the_change(folder: Path, tmp_path: Path) -> None:
    """Apache Otava reads the CSV and says at which commit."""
    table, configuration = tmp_path / "otava.csv", tmp_path / "otava.yaml"
    table.write_text(exported(folder, "otava"))
    configuration.write_text(OTAVA.format(file=table, column=COLUMN))
    command = [str(TOOLS / "otava"), "analyze", "freepath", "--since", "2026-01-01"]
    environment = {**os.environ, "OTAVA_CONFIG": str(configuration)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    before, _, after = done.stdout.partition("%")
    assert "c09" in before and "c10" not in before and "c10" in after


@needs_tools
def test_lnt_takes_the_report(file: Path, tmp_path: Path) -> None:
    """LLVM's LNT validates it."""
    report = tmp_path / "lnt.json"
    report.write_text(exported(file, "lnt"))
    done = subprocess.run([TOOLS / "lnt", "checkformat", report], capture_output=True, text=True)
    assert done.returncode == 0 and "Validation succeeded" in done.stdout + done.stderr, done.stderr


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
