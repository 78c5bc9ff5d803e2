"""`python -m results`: formats, exit codes, and files from strangers."""

import copy
import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyperf
import pytest

import results.__main__ as command
from model.vocabulary.margin import Margin
from results.analysis.groups import analyse, analysis_of
from results.output import as_json, as_table
from results.reading import formats
from results.reading.load import BadRunError, load
from tests import runfile
from tests.command import refused, run

PERCENT = Margin(1.0, percent=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A quick run of all five memcg states."""
    return runfile.write(tmp_path / "run.json", runfile.headline())


def shown(file: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Standard output of `show`, in this process."""
    assert command.main(["show", str(file), *options]) == 0
    return capsys.readouterr().out


def test_json_is_the_contracts(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every field of docs/format-outputs.md, as its schema says."""
    document = json.loads(shown(file, capsys, "--format", "json"))
    assert formats.fault(document, "show") is None
    cell = next(c for c in document["cells"] if c["memcg"] == "on-idle" and c["variant"] == "v1")
    assert cell["scenario"] == "on-idle/plain/warm/sequential/pcp"
    assert cell["ci95_ns"][0] < 0.25 < cell["ci95_ns"][1]
    assert cell["verdict"] == "costs"
    assert document["noise_floor_ns"] > 0
    assert document["run"]["commit"] == "0123456789ab"


def test_json_says_what_the_builds_do(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mean in cycles beside what dispatch slots over this processor's width (8) predict; build by build."""
    cells = json.loads(shown(file, capsys, "--format", "json"))["cells"]
    by_arm = {cell["variant"]: cell for cell in cells if cell["memcg"] == "off"}
    predicted = {name: by_arm[name]["predicted_cycles"] for name in runfile.SLOTS}
    assert predicted == {"nop": 0.125, "load": 0.125, "load-compare": 0.25, "load-compare-store": 0.375}
    v1 = by_arm["v1"]
    assert v1["predicted_cycles"] is None
    assert v1["cycle_ns"] == runfile.CYCLE_NS
    assert v1["overhead_cycles"] == pytest.approx(v1["overhead_ns"] / runfile.CYCLE_NS, rel=1e-4)
    assert (v1["builds"], len(v1["by_build_ns"]), len(v1["by_stack_ns"])) == (8, 8, 8)
    assert sum(v1["by_build_ns"]) / 8 == pytest.approx(v1["overhead_ns"], abs=0.01)


def test_a_file_from_before_builds_is_shown_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every format; what was not measured is null or empty, and the table says what the figures are not."""
    file = runfile.write(tmp_path / "run.json", runfile.document(runfile.FakeRun(builds=0)))
    text = shown(file, capsys)
    assert "8 processes, one build" in " ".join(text.split())
    assert "warning: one build: the cost in this compilation" in text
    document = json.loads(shown(file, capsys, "--format", "json"))
    assert formats.fault(document, "show") is None
    for cell in document["cells"]:
        assert cell["builds"] == 1
        for name in ("build_sd_ns", "builds_paying", "cycle_ns", "overhead_cycles", "predicted_cycles"):
            assert cell[name] is None
    assert shown(file, capsys, "--format", "csv").count("\n") == len(document["cells"]) + 1
    assert "one build" in shown(file, capsys, "--format", "markdown")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("numba", "0.99.0", "2 versions of Numba"),
        ("cpu_model", "68", "machines (cpu_model 2 and 68)"),
        ("build_scheme", "phase-8", "2 build schemes"),
        ("store_bypass", "off", "2 settings of store bypass"),
        ("commit", "fedcba987654", "2 commits"),
    ],
)
def test_a_mixed_file_says_so(
    name: str, value: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Processes that differ in what decides the figures are named, once for the whole file."""
    data = runfile.document(runfile.FakeRun())
    file = runfile.write(tmp_path / "run.json", data)
    assert "the file mixes" not in shown(file, capsys)
    for bench in data["benchmarks"]:
        bench["runs"][-1]["metadata"][name] = value
    assert f"warning: the file mixes {words}" in shown(runfile.write(file, data), capsys)


def test_one_process_is_valid_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No interval is null, never NaN."""
    file = runfile.write(tmp_path / "run.json", runfile.document(runfile.FakeRun(processes=1)))
    document = json.loads(shown(file, capsys, "--format", "json"), parse_constant=pytest.fail)
    assert formats.fault(document, "show") is None
    assert document["noise_floor_ns"] is None


def test_the_schema_refuses_something(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else it would prove nothing."""
    document = json.loads(shown(file, capsys, "--format", "json"))
    document["cells"][0]["verdict"] = "faster"
    assert "cells[0].verdict is 'faster'" in str(formats.fault(document, "show"))


def test_table_names_what_it_rests_on(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Noise floor, interval, spread over builds, verdict, machine, command, and the price of a real free."""
    text = shown(file, capsys)
    for words in (
        "noise floor",
        "95 % interval",
        "pay, save",
        "cycles",
        "builds",
        "Zen 5: family 26 model 2",
        "costs",
        "None 9000",
        "made by: python -m benchmarks",
    ):
        assert words in text
    assert "80 to 110 cycles" in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "…" not in text


def test_csv_and_markdown_have_every_cell(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For a spreadsheet, and for a mail."""
    cells = json.loads(shown(file, capsys, "--format", "json"))["cells"]
    rows = list(csv.DictReader(io.StringIO(shown(file, capsys, "--format", "csv"))))
    assert [row["variant"] for row in rows] == [cell["variant"] for cell in cells]
    assert float(rows[0]["ci95_ns_low"]) == cells[0]["ci95_ns"][0]
    markdown = shown(file, capsys, "--format", "markdown")
    assert sum(line.startswith("| ") for line in markdown.splitlines()) == len(cells) + 5


def test_the_margin_changes_the_verdict(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is negligible is the reader's choice."""
    assert "costs" not in shown(file, capsys, "--margin", "1ns", "--format", "csv")


def test_pyperf_reads_the_same_file(file: Path) -> None:
    """A run stays a normal pyperf file."""
    suite = pyperf.BenchmarkSuite.load(str(file))
    ours = load(file)
    names = {f"{s.name}: {arm.name}" for s in ours.scenarios for arm in s.arms}
    assert {bench.get_name() for bench in suite} == names
    first = ours.scenarios[0]
    expected = suite.get_benchmark(f"{first.name}: base/none").get_runs()[0].values
    values = first.processes[0].ns[first.arms[0]].reshape(len(expected), -1).mean(axis=1)
    assert values.tolist() == pytest.approx([value * 1e9 for value in expected], abs=0.001)


def test_gzip_is_read(file: Path, tmp_path: Path) -> None:
    """As pyperf does."""
    packed = tmp_path / "run.json.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert len(load(packed).scenarios) == 5


def test_commands_as_a_user_runs_them(file: Path, tmp_path: Path) -> None:
    """Writes where told, does not overwrite, ends quietly when the reader goes, helps."""
    target = tmp_path / "table.md"
    assert run("results", "show", str(file), "--format", "markdown", "-o", str(target)).returncode == 0
    before = target.read_text()
    refused(run("results", "show", str(file), "-o", str(target)), "exists", "--force")
    assert target.read_text() == before
    assert run("results", "show", str(file), "-o", str(target), "--force").returncode == 0
    assert "For example:" in run("results", "--help").stdout
    assert run("results").returncode == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("[]", "no JSON object"),
        ("{}", "no pyperf file"),
        ("NaN", "NaN"),
        ("[" * 100_000, "nested too deeply"),
        ('{"benchmarks": [{"runs": [{"values": [1e-8]}]}]}', "lacks the metadata"),
        ('{"benchmarks": []}', "no measured values"),
    ],
)
def test_no_run_is_one_clear_line(text: str, words: str, tmp_path: Path) -> None:
    """Exit status 2 and what to do."""
    file = tmp_path / "run.json"
    file.write_text(text)
    refused(run("results", "show", str(file)), words)


def test_other_bad_input(file: Path, tmp_path: Path) -> None:
    """A missing file, a folder, a margin that is none, a folder that is not there."""
    refused(run("results", "show", "nowhere.json"), "nowhere.json", "No such file")
    refused(run("results", "show", str(tmp_path)), "cannot read")
    for margin in ("-1", "nan", "0%", "one"):
        refused(run("results", "show", str(file), f"--margin={margin}"), "--margin", "0.05ns")
    refused(run("results", "show", str(file), "-o", str(tmp_path / "no" / "x")), "cannot write")


def spoil(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Set `benchmarks.0.runs.0.values` and the like."""
    place: Any = data
    *steps, last = path.split(".")
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    return data


CELLS = " ".join(["15.0"] * 64)
META = "benchmarks.0.runs.0.metadata"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{META}.build_ns", "15.0 15.0"),
        (f"{META}.build_ns", ""),
        (f"{META}.build_ns", "nan nan"),
        (f"{META}.build_ns", CELLS.replace("15.0", "cell", 1)),
        (f"{META}.build_ns", CELLS.replace("15.0", "1e12", 1)),
        (f"{META}.build_ns", CELLS.replace("15.0", "15.2")),
        (f"{META}.build_ns", CELLS[:-7]),
        (f"{META}.build_ns", f"{CELLS} 15.0"),
        (f"{META}.build_ns", "15.0 " * (1 << 18)),
        (f"{META}.build_ns", 15.0),
        (f"{META}.build_ns", None),
        ("benchmarks.1.runs.0.metadata.build_ns", "15.0 15.0"),
        (f"{META}.builds", 0),
        (f"{META}.builds", -1),
        (f"{META}.builds", 3),
        (f"{META}.builds", "x"),
        (f"{META}.builds", True),
        (f"{META}.builds", 8.0),
        (f"{META}.builds", 1e9),
        (f"{META}.builds", 10**9),
        (f"{META}.slot_ns", "0.05 " * 7),
        (f"{META}.bare_ns", "15.0"),
        (f"{META}.bare_ns", "15.0 " * 9),
        (f"{META}.bare_ns", ["15.0"]),
        (f"{META}.stack_ns", 8),
        (f"{META}.slots", -1),
        (f"{META}.slots", "1"),
        (f"{META}.slots", 1001),
        (f"{META}.cycle_ns", -0.25),
        (f"{META}.cycle_ns", "0.25"),
        (f"{META}.ticks_per_ns", 10**400),
        ("benchmarks.0.runs.0.values.0", 1e300),
        ("benchmarks.0.runs.0.values.0", 10**400),
        ("benchmarks.0.runs.0.values.0", "1"),
        ("benchmarks.0.runs.0.values.0", True),
        ("benchmarks.0.runs.0.values", [1e-8]),
        ("benchmarks.0.runs.0.values", {"a": 1}),
        ("benchmarks.0.runs", 3),
        ("benchmarks.0.metadata.variant", "<script>alert(1)</script>"),
        ("benchmarks.0.metadata.variant", "../../etc/passwd"),
        ("benchmarks.0.metadata.variant", "not-the-base"),
        ("benchmarks.0.metadata.scenario", "a\nb"),
        ("benchmarks.0.metadata.memcg", "on-active"),
        ("benchmarks.0.runs.0.metadata.pair_id", 5),
        ("benchmarks.0.runs.0.metadata.layout_ns", "1 2 x"),
        ("benchmarks.0.runs.1.metadata.pair_id", "000100000000"),
        ("metadata.schema", "freepath.run/2"),
        ("metadata", []),
    ],
)
def test_spoiled_runs_are_refused(path: str, value: Any, tmp_path: Path) -> None:
    """Whatever a stranger wrote: BadRunError, never anything else, never a table."""
    data = runfile.document(runfile.FakeRun(processes=3))
    if value == "000100000000":
        value = data["benchmarks"][0]["runs"][0]["metadata"]["pair_id"]
    with pytest.raises(BadRunError):
        load(runfile.write(tmp_path / "run.json", spoil(data, path, value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{META}.build_ns", CELLS.replace("15.0", "-15.0", 1)),
        (f"{META}.slot_ns", "-0.05 " * 8),
        (f"{META}.bare_ns", "0 " * 8),
        (f"{META}.stack_ns", "-1"),
        ("benchmarks.0.runs.0.values.0", -1.0),
        ("benchmarks.0.runs.0.metadata.layout_ns", "-1 2"),
        (f"{META}.build_ns", CELLS.replace("15.0", "1e-9", 1)),
        ("benchmarks.0.runs.0.values.0", 0),
        ("benchmarks.0.runs.0.values.0", 1e-320),
        ("benchmarks.4.runs.0.values.7", 0.0),
    ],
)
def test_a_process_without_a_time_is_set_aside(path: str, value: Any, tmp_path: Path) -> None:
    """Zero, less, or too little for any clock: counted, and the figures are those of the other processes."""
    data = runfile.document(runfile.FakeRun(processes=3))
    whole = load(runfile.write(tmp_path / "whole.json", data))
    without = copy.deepcopy(data)
    for bench in without["benchmarks"]:
        del bench["runs"][0]
    expected = as_json.document(analysis_of(load(runfile.write(tmp_path / "without.json", without)), PERCENT))
    run_ = load(runfile.write(tmp_path / "run.json", spoil(data, path, value)))
    assert as_json.document(analysis_of(run_, PERCENT))["cells"] == expected["cells"]
    (doubt,) = run_.doubts
    pair_id = whole.scenarios[0].processes[0].pair_id
    assert doubt.startswith(f"1 of 3 processes set aside: {whole.scenarios[0].name}, process {pair_id}: ")
    assert f"warning: {doubt}" in as_table.as_table(analysis_of(run_, PERCENT)) and not whole.doubts


def test_a_run_without_any_time_is_refused(tmp_path: Path) -> None:
    """Nothing is left to show; the line says what is wrong with the first process."""
    data = runfile.document(runfile.FakeRun(processes=2))
    for number in range(2):
        spoil(data, f"benchmarks.0.runs.{number}.values.0", 0)
    with pytest.raises(BadRunError, match=r"no process can be used: .* values has a time of 0 ns"):
        load(runfile.write(tmp_path / "run.json", data))


@pytest.mark.parametrize("text", ["15.0", "15.0 nan", "nan " * 8, ""])
def test_places_of_the_stack_that_differ_are_left_out(text: str, tmp_path: Path) -> None:
    """Not every arm was measured at every place: nothing is said of places, and the rest stands."""
    data = runfile.document(runfile.FakeRun(processes=3))
    data["benchmarks"][1]["runs"][0]["metadata"]["stack_ns"] = text
    (group,) = analyse(load(runfile.write(tmp_path / "run.json", data)), PERCENT)
    assert [len(cell.overhead.spread.by_stack) for cell in group.cells[:2]] == [0, 8]
