"""`make figures`: the plan, resuming it, keeping runs, what moved, how far seeds agree, the axis tables."""

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import __main__ as figures
from benchmarks.figures.plan import PLAN, Entry, File, of_files
from model.common.errors import UsageError
from plots import figures as drawn
from results.analysis import machines
from results.analysis.groups import analyse
from results.analysis.seeds import agreed, named, settled
from results.claims.claim import Answer
from results.kept import filing, moved, runs
from results.pages import axis_tables, documents
from results.reading import folder
from results.reading.load import load
from tests import runfile
from tests.command import ROOT, refused, run
from tests.waiting import until

PAIR = re.compile(r'"pair_id": ?"([^"]+)"')
"""What names a process."""
INSTRUMENT = {"instrument": "schedule-1"}


def made(path: Path, seed: int, cost: float = 0.25, processes: int = 6, **facts: str) -> Path:
    """A run in which v1 costs so much."""
    arms = runfile.HEADLINE | {("v1", "jump-label"): cost}
    data = runfile.document(runfile.FakeRun(arms=arms, processes=processes, blocks=4, seed=seed), seed=seed)
    return runfile.write(path, runfile.of_machine(data, 30, **{**INSTRUMENT, **facts}))


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """A folder of two runs with two seeds; one of the runs has another truth in each seed."""
    folder = tmp_path / "figures"
    folder.mkdir()
    for seed in (1, 2):
        made(folder / f"run-seed{seed}.json", seed)
        made(folder / f"sweep-between-seed{seed}.json", seed, 0.02 if seed == 1 else 0.9)
    return folder


# The plan


def test_every_entry_is_a_command_that_measures() -> None:
    """Names are unique, options are understood, and how long each takes is foretold."""
    names = [entry.name for entry in PLAN]
    assert len({*names}) == len(names) > 20
    for entry in PLAN:
        assert figures.foretold(shlex.split(entry.options)) > 1, entry
    assert {*axis_tables.BY_NAME} <= {*names}
    quoted = {of.source for of in drawn.FIGURES.values()} - {"headline", "machines", "census"}
    assert quoted <= {*names} and {*documents.ANSWERING} <= {*names}


def test_what_the_findings_name_is_what_is_measured() -> None:
    """A sweep of a page has the options of the plan."""
    of_plan = {entry.options for entry in PLAN}
    found = []
    for page in sorted((ROOT / "docs").glob("findings*.md")):
        for line in page.read_text().splitlines():
            if line.startswith("    python -m benchmarks --sweep "):
                options = line.partition("python -m benchmarks ")[2].partition(" --seed 1 -o ")[0]
                found.append(options)
                assert options in of_plan, line
    assert len(found) > 12


def test_kernel_files_make_price_lists_and_pairs() -> None:
    """A list per series, the pair of one, a real-time build beside its kernel, thunks of the newest."""
    releases = (
        "7.3.4+deb13-rt-amd64",
        "6.1.0-47-cloud-amd64",
        "7.3.4+deb13-cloud-amd64",
        "6.1.0-57-cloud-amd64",
    )
    entries = {e.name: e.options for e in of_files([File(name, f"/k/{name}") for name in releases])}
    assert [*entries] == [
        *("kernel-6.1.0-57", "kernel-7.3.4_deb13", "files-thunks-7.3.4", "files-pair-6.1", "files-rt-7.3.4")
    ]
    pair = shlex.split(entries["files-pair-6.1"])
    assert pair[:4] == ["--vmlinux", "/k/6.1.0-47-cloud-amd64", "--vmlinux", "/k/6.1.0-57-cloud-amd64"]
    rt = shlex.split(entries["files-rt-7.3.4"])
    assert rt[1] == "/k/7.3.4+deb13-cloud-amd64" and rt[3] == "/k/7.3.4+deb13-rt-amd64"
    assert "--boot" not in entries["files-thunks-7.3.4"] and list(of_files([])) == []


def test_a_finished_run_is_not_measured_again(tmp_path: Path) -> None:
    """One of other options, or that is damaged, is named; what is missing is foretold by what is known."""
    file = tmp_path / "x-seed1.json"
    command = f"python -m benchmarks --quick -o {file}"
    runfile.write(file, runfile.document(runfile.FakeRun(), freepath_command=command))
    task = figures.Task(Entry("x", "--quick"), 1, file, ("--quick",), 50.0)
    assert figures._there(task)
    with pytest.raises(UsageError, match="other options"):
        figures._there(figures.Task(task.entry, 1, file, ("--sweep", "between"), 50.0))
    file.write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        figures._there(task)
    other = figures.Task(task.entry, 2, tmp_path / "x-seed2.json", ("--quick",), 50.0)
    assert not figures._there(other)
    took = {"probe": {"took_s": 1.0, "foretold_s": 2.0}}
    assert figures._seconds([other], took) == pytest.approx(25.0)
    assert figures._seconds([other], took | {"x-seed1.json": {"took_s": 40.0, "foretold_s": 50.0}}) == 40.0


def test_a_killed_series_goes_on_where_it_was(tmp_path: Path) -> None:
    """Complete processes stay, complete runs are not touched, the rest is measured; --list says so."""
    words = ["benchmarks.figures", "-o", str(tmp_path), "--only", "sweep-kernel", "--less", "-p 3 -n 1"]
    command = [sys.executable, "-m", *words]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    partial = tmp_path / "sweep-kernel-seed1.json.partial"
    until(lambda: list(partial.glob("0-*.json")))
    (tmp_path / "not-ours").write_text("")
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) == 128 + signal.SIGTERM
    before = {path.name: path.read_bytes() for path in partial.glob("?-*.json")}
    assert before and all(PAIR.search(data.decode()) for data in before.values())
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "2 of 2: sweep-kernel, seed 2" in done.stderr and "are complete" in done.stderr
    text = (tmp_path / "sweep-kernel-seed1.json").read_text()
    assert all(f'"{pair}"' in text for data in before.values() for pair in PAIR.findall(data.decode()))
    files = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    again = run(*words)
    assert again.returncode == 0 and "2 complete" in again.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.json")} == files
    assert run(*words, "--list").stdout.count(" complete ") == 2


# Keeping


def test_runs_are_kept_under_name_core_date_and_seed(measured: Path, tmp_path: Path) -> None:
    """The headline is published with its second seed; what it replaces goes; again changes nothing."""
    places = tmp_path / "kept"
    old = places / "reference" / "sweep-between-zen5-2026-11-01-seed1.json.gz"
    old.parent.mkdir(parents=True)
    old.write_bytes((ROOT / "results/reference/sweep-between-zen4-2026-11-27.json.gz").read_bytes())
    done = run("results.filing", str(measured), "--to", str(places))
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (places / "reference").iterdir())
    assert names == [
        "run-zen5-2026-11-30-seed2.json.gz",
        "sweep-between-zen5-2026-11-30-seed1.json.gz",
        "sweep-between-zen5-2026-11-30-seed2.json.gz",
    ]
    (entry,) = machines.entries(places / "machines")
    assert not entry.older and "*" not in entry.title
    document = json.loads((places / "machines" / entry.key / machines.ENTRY).read_text())
    assert document["second"]["seed"] == 2 and document["instrument"] == "schedule-1"
    files = {path: path.read_bytes() for path in places.rglob("*.*")}
    assert run("results.filing", str(measured), "--to", str(places)).returncode == 0
    assert {path: path.read_bytes() for path in places.rglob("*.*")} == files
    assert not [data for path, data in files.items() if b"simulated" in data]
    assert [(each.name, each.seed) for each in runs.kept(places / "reference", "sweep-between")] == [
        ("sweep-between", 1),
        ("sweep-between", 2),
    ]


def test_a_calibration_is_kept_with_its_figures(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's table is made from them, since the plain pyperf runs beside it are not kept."""
    data = runfile.of_machine(runfile.calibration(machine=runfile.STEADY), 30, **INSTRUMENT)
    runfile.write(measured / "calibration-seed1.json", data)
    places = tmp_path / "kept"
    done = run("results.filing", str(measured), "--to", str(places))
    assert done.returncode == 0, done.stderr
    for path in (places / "reference").glob("calibration-*"):
        path.rename(path.with_name(path.name.replace("2026-11-30", "2026-11-01")))
    assert run("results.filing", str(measured), "--to", str(places)).returncode == 0
    kept = {path.name for path in (places / "reference").glob("calibration-*")}
    assert kept == {f"calibration-zen5-2026-11-30-seed1{end}" for end in (".json.gz", runs.FIGURES)}
    (figures,) = (places / "reference").glob(f"*{runs.FIGURES}")
    assert figures.name == f"calibration-zen5-2026-11-30-seed1{runs.FIGURES}"
    monkeypatch.setattr(documents, "REFERENCE", places / "reference")
    lines = list(documents.calibrated([]))
    targets = json.loads(figures.read_text())["figures"]["targets"]
    assert "Zen 5" in lines[0] and len(lines) > len(targets) > 3 and "reached" in lines[-1]
    monkeypatch.setattr(documents, "REFERENCE", tmp_path)
    assert list(documents.calibrated([])) == ["No run is kept: `make figures` measures it."]


def test_a_rehearsal_and_a_dirty_checkout_are_not_kept(measured: Path, tmp_path: Path) -> None:
    """Nothing is written."""
    made(measured / "few-seed1.json", 3, processes=3)
    refused(run("results.filing", str(measured), "--to", str(tmp_path / "kept")), "a rehearsal is not kept")
    made(measured / "few-seed1.json", 3, commit="0123456789ab-dirty")
    refused(run("results.filing", str(measured), "--to", str(tmp_path / "kept")), "clean checkout")
    refused(run("results.filing", str(tmp_path), "--to", str(tmp_path / "kept")), "no complete run")
    assert not (tmp_path / "kept").exists()


def test_what_moved_says_why(tmp_path: Path) -> None:
    """By the CPU, by the instrument, by neither; what did not move is counted."""
    new = load(made(tmp_path / "new.json", 1, 0.9))
    differing: tuple[tuple[dict[str, Any], str], ...] = (
        ({"cpu_family": "25", "cpu_model": "17"}, "CPU"),
        ({"instrument": "slices-1"}, "instrument"),
        ({"cpu_family": "25", "cpu_model": "1", "instrument": "slices-1"}, "CPU, instrument"),
        ({}, "other"),
    )
    for facts, reason in differing:
        found = moved.comparison("run", load(made(tmp_path / "old.json", 2, 0.25, **facts)), new)
        assert {each.reason for each in found.moved} == {reason}
        row = next(each for each in found.moved if each.cell.endswith("v1/jump-label"))
        assert row.new - row.old == pytest.approx(0.65, abs=0.1)
        assert row.new == named(analyse(new, machines.MARGIN))[row.cell][0].ns, (
            "its own, not at the older run's level"
        )
        assert found.cells >= 8 and len(found.moved) < found.cells
        assert f"({reason})" in "\n".join(moved.lines([found], everything=True))


# Two seeds


def test_seeds_that_do_not_agree_are_listed(measured: Path) -> None:
    """The cell, both figures, both verdicts; exit status 1 since fewer than 95 % agree."""
    done = run("results.agreement", str(measured))
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    (beyond,) = (line for line in lines if line.startswith("  beyond: ") and "v1/jump-label" in line)
    assert ("+0.0" in beyond and "+0.9" in beyond) or "+0.8" in beyond
    assert any(line.startswith("  undecided: ") and line.endswith("negligible and costs") for line in lines)
    assert "differences" in lines[-2] and "undecided" in lines[-1]
    for seed in (1, 2):
        (measured / f"sweep-between-seed{seed}.json").unlink()
    assert run("results.agreement", str(measured)).returncode == 0
    (measured / "run-seed2.json").unlink()
    refused(run("results.agreement", str(measured)), "no run with two seeds")


def test_what_two_seeds_do_not_agree_on_is_undecided() -> None:
    """In a cell, in each of its conditions, in a claim."""
    assert agreed(["costs", "costs"]) == "costs" and agreed(["costs", "negligible"]) == "undecided"
    cell: dict[str, Any] = {"scenario": "s", "variant": "v1", "gate": "none", "verdict": "costs"}
    cell |= {"alone": {"verdict": "costs"}, "shared": {"verdict": "saves"}}
    other = {"s: v1/none": "negligible", "s: v1/none, beside a busy sibling": "saves"}
    made_of_both = settled(cell, other)
    assert made_of_both["verdict"] == made_of_both["alone"]["verdict"] == "undecided"
    assert made_of_both["shared"]["verdict"] == "saves" and settled(cell, {}) == cell
    answers = [Answer("C1", "it costs", verdict, "so") for verdict in ("holds", "fails")]
    assert documents.settled(answers).verdict == "undecided"
    assert documents.settled(answers[:1]) == answers[0]


# The tables


def test_an_axis_table_has_both_seeds_and_the_verdict_of_both(measured: Path, tmp_path: Path) -> None:
    """A core of an older instrument, with one seed, is marked and stands in a table of its own."""
    reference = tmp_path / "kept" / "reference"
    assert run("results.filing", str(measured), "--to", str(reference.parent)).returncode == 0
    old = "sweep-between-zen4-2026-11-27.json.gz"
    (reference / old).write_bytes((ROOT / "results/reference" / old).read_bytes())
    text = "\n".join(axis_tables.table("sweep-between", reference))
    first, _, second = text.partition("AMD EPYC (Zen 4")
    older = "an older instrument"
    assert older in " ".join(second.split()) and older not in " ".join(first.split())
    (row,) = (line for line in first.splitlines() if line.startswith("| usual"))
    cell = row.split(" | ")[2]
    assert cell.count("<br>") == 2 and cell.endswith("undecided") and "+0.0" in cell
    top = list(axis_tables.largest([axis_tables.BY_NAME["sweep-between"]], reference))
    assert [line.rsplit(" | ", 1)[1] for line in top[2:4]] == ["Zen 5 |", "Zen 4\\* |"]
    assert axis_tables.table("sweep-memory", reference).__next__().startswith("No run is kept")


def test_a_figure_is_drawn_from_what_is_kept(tmp_path: Path) -> None:
    """One by name; another name is refused."""
    done = run("plots.figures", "kernels", "-o", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "kernels.svg").read_text().lstrip().startswith("<?xml")
    refused(run("plots.figures", "nonsense", "-o", str(tmp_path)), "no figure is called nonsense")
    there = {path.stem for path in (ROOT / "docs/figures").glob("*.svg")}
    assert there == {*drawn.FIGURES, "terminal"}


def test_what_is_filed_is_named_as_it_is_found() -> None:
    """Every kept run says name, core and date, or is one of the three that are no run."""
    others = {path.name for path in folder.REFERENCE.glob("*.json.gz") if runs.named(path) is None}
    assert others == {"fidelity-census.json.gz"}
    assert filing.MEASURED.fullmatch("calibration-seed1.plain.json") is None
