"""`python -m results compare`: regressions found, A/A left alone, census exact, unlike files refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.vocabulary.margin import Margin
from results.analysis.change import Change
from results.analysis.compare import compare_runs
from results.output.as_changes import lines
from results.reading.load import BadRunError, load
from tests import runfile
from tests.command import ROOT, refused, run
from tests.runfile import analysed

REFERENCE = ROOT / "results" / "reference" / "census-x86-64-v3.json"
THRESHOLD = Margin(2.0, percent=True)
FEW, MANY = 30, 100
"""Pairs of files, in a short test and in one of make reliability."""


def made(tmp_path: Path, seed: int, v1: float = 0.25, **facts: Any) -> Path:
    """A run of one scenario, with the noise between processes of a real one."""
    arms = dict(runfile.HEADLINE) | {("v1", "jump-label"): v1}
    machine = runfile.FakeHost(between=0.002, drift=0.001, spikes=0.1)
    session = runfile.FakeRun(arms=arms, seed=seed, machine=machine)
    return runfile.write(tmp_path / f"{seed}-{v1}.json", runfile.document(session, **facts))


def verdicts(old: Path, new: Path) -> dict[str, str]:
    """By arm."""
    changes = compare_runs(*analysed(load(old), load(new)), THRESHOLD, across=False)
    return {change.cell.rpartition(": ")[2]: change.verdict for change in changes}


def test_a_slower_machine_is_no_regression(tmp_path: Path) -> None:
    """Every time a tenth up, with an arm that costs five ns too: base is unsure, all others are the same."""
    old = made(tmp_path, 1, v1=5.0)
    new = runfile.write(tmp_path / "slow.json", runfile.scaled(json.loads(old.read_text()), 1.1))
    changes = verdicts(old, new)
    assert changes.pop("base") == "unsure"
    assert set(changes.values()) == {"same"} and "v1/jump-label" in changes


def test_two_instruments_are_named(tmp_path: Path) -> None:
    """In one line: an old file lacks the fact. Files of one instrument are compared in silence."""
    old, new = made(tmp_path, 1), made(tmp_path, 2, instrument="schedule-1")
    done = run("results", "compare", str(old), str(new))
    assert done.returncode == 0
    assert "two instruments, slices-1 and schedule-1" in done.stderr and done.stderr.count("\n") == 1
    assert run("results", "compare", str(new), str(new)).stderr == ""


def test_cycles_of_a_core_that_nobody_knows_have_no_slots(tmp_path: Path) -> None:
    """They are shown; how many instructions fit into one is not known, and is left open."""
    who: dict[str, Any] = {
        "cpu_vendor": "GenuineIntel",
        "cpu_family": "6",
        "cpu_model": "3",
        "cpu_core_type": "only",
    }
    runs = [json.loads(made(tmp_path, seed).read_text()) for seed in (1, 2)]
    files = [runfile.write(tmp_path / f"{n}.json", runfile.of_machine(r, **who)) for n, r in enumerate(runs)]
    changes = compare_runs(*analysed(*map(load, files)), THRESHOLD, across=False)
    sides = [side for change in changes if change.sides for side in change.sides]
    assert sides and {side.slots for side in sides} == {None}
    assert all(side.cycles is not None for side in sides)


def test_the_summary_says_how_many_agree(tmp_path: Path) -> None:
    """Of differences that are chance, 95 % lie within their joint 95 % interval: A/A runs show whether."""
    old = made(tmp_path, 1)
    changes = compare_runs(*analysed(load(old), load(made(tmp_path, 2))), THRESHOLD, across=False)
    agreeing = [change.agrees for change in changes if change.agrees is not None]
    assert len(agreeing) == len(runfile.HEADLINE) - 1
    summary = list(lines(changes, markdown=False))[-1]
    assert f"{sum(agreeing)} of {len(agreeing)} differences lie within their joint 95 % interval" in summary
    worse = compare_runs(*analysed(load(old), load(made(tmp_path, 2, v1=0.9))), THRESHOLD, across=False)
    assert next(change for change in worse if "v1/jump-label" in change.cell).agrees is False


@pytest.mark.parametrize("name", ["build_scheme", "store_bypass", "cpu_model", "cpu_microcode"])
def test_unlike_builds_and_processors_are_refused(name: str, tmp_path: Path) -> None:
    """The same name of a processor, or of a variant, is not the same thing."""
    data = json.loads(made(tmp_path, 1).read_text())
    for bench in data["benchmarks"]:
        for each in bench["runs"]:
            each["metadata"][name] = "other"
    new = load(runfile.write(tmp_path / "other.json", data))
    with pytest.raises(BadRunError, match=name):
        compare_runs(*analysed(load(made(tmp_path, 1)), new), THRESHOLD, across=False)


@pytest.mark.soak
@pytest.mark.parametrize("pairs", [FEW, pytest.param(MANY, marks=pytest.mark.reliability)])
def test_rates(tmp_path: Path, pairs: int) -> None:
    """A/A: at most 5 of 100 tables carry any `regressed`; +0.3 ns on v1 is found in at least 95."""
    false = true = 0
    for seed in range(pairs):
        old = made(tmp_path, seed)
        false += "regressed" in verdicts(old, made(tmp_path, seed + 5000)).values()
        true += verdicts(old, made(tmp_path, seed + 9000, v1=0.55))["v1/jump-label"] == "regressed"
    print(f"{false} of {pairs} A/A tables with a false regression; +0.3 ns found in {true} of {pairs}")
    assert false <= 0.05 * pairs and true >= 0.95 * pairs


def test_an_improvement_is_one(tmp_path: Path) -> None:
    """The same rule below zero."""
    assert verdicts(made(tmp_path, 1, v1=0.8), made(tmp_path, 2, v1=0.25))["v1/jump-label"] == "improved"


def test_exit_status_and_formats(tmp_path: Path) -> None:
    """0 without, 1 with a regression; JSON as in the contract; Markdown shows what changed only."""
    old, equal, worse = made(tmp_path, 1), made(tmp_path, 2), made(tmp_path, 3, v1=0.9)
    assert run("results", "compare", str(old), str(equal)).returncode == 0
    done = run("results", "compare", str(old), str(worse), "--format", "json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["schema"] == "freepath.compare/1" and document["exit"] == 1
    (change,) = [c for c in document["changes"] if c["verdict"] == "regressed"]
    assert change["cell"].endswith("v1/jump-label") and change["ci95_ns"][0] > 0
    markdown = run("results", "compare", str(old), str(worse), "--format", "markdown").stdout
    assert "regressed" in markdown and "same |" not in markdown
    assert run("results", "compare", str(old), str(worse), "--threshold", "5ns").returncode == 0


@pytest.mark.parametrize("processes", [1, 8])
@pytest.mark.parametrize("spikes", [0.0, 0.9])
def test_a_file_against_itself_has_nothing_unsure(tmp_path: Path, processes: int, spikes: float) -> None:
    """However noisy, busy or short: the same measurements do not differ."""
    machine = runfile.FakeHost(between=0.05, noise=0.1, spikes=spikes)
    session = runfile.FakeRun(processes=processes, machine=machine)
    file = runfile.write(tmp_path / "run.json", runfile.document(session))
    done = run("results", "compare", str(file), str(file), "--strict", "--format", "json")
    assert done.returncode == 0, done.stdout
    assert {change["verdict"] for change in json.loads(done.stdout)["changes"]} == {"same"}


def less(path: Path, tmp_path: Path, **axes: str) -> Path:
    """The same run without the arms that have these values."""
    data = json.loads(path.read_text())
    data["benchmarks"] = [
        bench
        for bench in data["benchmarks"]
        if not all(bench["metadata"][name] == value for name, value in axes.items())
    ]
    return runfile.write(tmp_path / f"less-{'-'.join(axes.values())}.json", data)


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Two scenarios."""
    sessions = [runfile.FakeRun(seed=seed, axes={"memcg": s}) for seed, s in ((1, "on-idle"), (2, "off"))]
    return runfile.write(tmp_path / "several.json", runfile.document(*sessions))


def test_what_is_only_in_one_file_is_listed(several: Path, tmp_path: Path) -> None:
    """An arm that is gone, and one that is new: where, what it was, and that nothing can be said of it."""
    whole, without = load(several), load(less(several, tmp_path, variant="v1", gate="jump-label"))
    for old, new, file in ((whole, without, "old"), (without, whole, "new")):
        changes = compare_runs(*analysed(old, new), THRESHOLD, across=False)
        rows = [change for change in changes if change.verdict == "missing"]
        assert [row.cell.partition("/")[0] for row in rows] == ["on-idle", "off"]
        for row in rows:
            assert row.cell.endswith(": v1/jump-label") and f"only in the {file} file" in row.detail
            values = (row.old, row.new) if file == "old" else (row.new, row.old)
            assert values[0] == pytest.approx(0.25, abs=0.05) and values[1] is None
        for markdown in (False, True):
            text = "\n".join(lines(changes, markdown=markdown))
            assert text.count(f"only in the {file} file") == 2 and "2 missing" in text


def test_a_scenario_that_is_only_in_one_file_is_listed(several: Path, tmp_path: Path) -> None:
    """Its base, which stands for the scenario, and each of its arms."""
    without = less(several, tmp_path, memcg="off")
    done = run("results", "compare", str(several), str(without), "--format", "json")
    assert done.returncode == 0
    rows = [row for row in json.loads(done.stdout)["changes"] if row["verdict"] == "missing"]
    assert {row["cell"].partition("/")[0] for row in rows} == {"off"}
    assert len(rows) == len(runfile.HEADLINE) and rows[0]["cell"].endswith("pcp: base")
    assert "the whole scenario" in rows[0]["detail"] and rows[0]["old"] == pytest.approx(15, rel=0.1)
    assert all(row["new"] is None and row["difference_ns"] is None for row in rows)


def test_the_worst_comes_first(tmp_path: Path) -> None:
    """Regressions, what is missing, improvements and what is unsure, then the rest."""
    old = runfile.document(runfile.FakeRun(arms=dict(runfile.HEADLINE) | {("load", "none"): 0.9}))
    new = runfile.document(runfile.FakeRun(seed=2, arms=dict(runfile.HEADLINE) | {("v1", "jump-label"): 0.9}))
    new = runfile.scaled(new, 1.1)  # so the level of base is unsure
    del new["benchmarks"][-1]
    files = [str(runfile.write(tmp_path / f"{n}.json", data)) for n, data in enumerate((old, new))]
    everything = run("results", "compare", *files, "--all").stdout.splitlines()[:-2]
    words = [line.split()[0] for line in everything]
    assert words[:4] == ["regressed", "missing", "improved", "unsure"] and set(words[4:]) == {"same"}
    *rows, about, count = run("results", "compare", *files).stdout.splitlines()
    assert rows == everything[:3]  # the others are only counted
    assert "at the old run's level" in about and f"1 unsure, {len(words) - 4} same" in count


def test_strict_says_that_it_could_not_tell(several: Path, tmp_path: Path) -> None:
    """3 for what is missing or unsure, only when asked for; a finding outweighs it; JSON says the same."""
    without = less(several, tmp_path, variant="nop")
    assert run("results", "compare", str(several), str(without)).returncode == 0
    done = run("results", "compare", str(several), str(without), "--strict", "--format", "json")
    assert done.returncode == 3 and json.loads(done.stdout)["exit"] == 3
    slow = runfile.write(tmp_path / "slow.json", runfile.scaled(json.loads(several.read_text()), 1.1))
    assert run("results", "compare", str(several), str(slow)).returncode == 0
    assert run("results", "compare", str(several), str(slow), "--strict").returncode == 3
    worse = json.loads(made(tmp_path, 3, v1=0.9).read_text())
    worse["benchmarks"] = [b for b in worse["benchmarks"] if b["metadata"]["variant"] != "nop"]
    files = str(made(tmp_path, 1)), str(runfile.write(tmp_path / "worse.json", worse))
    assert run("results", "compare", *files, "--strict").returncode == 1


def test_processes_that_were_set_aside_are_counted(tmp_path: Path) -> None:
    """Beside the result: which file, how many."""
    data = json.loads(made(tmp_path, 1).read_text())
    data["benchmarks"][2]["runs"][0]["values"][0] = -1.0
    spoiled = runfile.write(tmp_path / "spoiled.json", data)
    done = run("results", "compare", str(made(tmp_path, 1)), str(spoiled))
    assert done.returncode == 0 and f"{spoiled}: 1 of 8 processes set aside" in done.stderr


def test_unlike_machines_are_refused(tmp_path: Path) -> None:
    """Unless asked for."""
    old, new = made(tmp_path, 1), made(tmp_path, 2, cpu_model_name="Another 1")
    refused(run("results", "compare", str(old), str(new)), "not comparable", "--across-machines")
    assert run("results", "compare", str(old), str(new), "--across-machines").returncode == 0


def test_one_process_is_unsure(tmp_path: Path) -> None:
    """No interval, no claim."""
    sessions = [runfile.FakeRun(processes=1, seed=seed) for seed in (1, 2)]
    files = [
        runfile.write(tmp_path / f"{session.seed}.json", runfile.document(session)) for session in sessions
    ]
    changes = compare_runs(*analysed(load(files[0]), load(files[1])), THRESHOLD, across=False)
    assert {change.verdict for change in changes if not change.cell.endswith(": base")} == {"unsure"}


def test_census_is_exact(tmp_path: Path) -> None:
    """The same file is no change; one instruction more is one, named."""
    assert run("results", "compare", str(REFERENCE), str(REFERENCE)).returncode == 0
    document = json.loads(REFERENCE.read_text())
    document["arms"][7]["instructions"] += 1
    done = run("results", "compare", str(REFERENCE), str(runfile.write(tmp_path / "new.json", document)))
    assert done.returncode == 1
    assert "instructions" in done.stdout and "1 changed" in done.stdout
    done = run("results", "compare", str(REFERENCE), str(tmp_path / "new.json"), "--format", "json")
    (change,) = json.loads(done.stdout)["changes"]
    assert (change["new"] - change["old"], change["difference_ns"]) == (1, 1)
    del document["arms"][3]
    done = run("results", "compare", str(REFERENCE), str(runfile.write(tmp_path / "less.json", document)))
    assert "only in the old file" in done.stdout


def test_an_arm_that_only_one_census_has_is_a_change(tmp_path: Path) -> None:
    """Counted exactly, so it is a finding, whichever file has it."""
    document = json.loads(REFERENCE.read_text())
    gone = document["arms"].pop(3)
    less = runfile.write(tmp_path / "less.json", document)
    for files, values in (((REFERENCE, less), ("old", "new")), ((less, REFERENCE), ("new", "old"))):
        done = run("results", "compare", *map(str, files), "--format", "json")
        (row,) = json.loads(done.stdout)["changes"]
        assert done.returncode == 1 and row["verdict"] == "changed"
        assert row[values[0]] == gone["instructions"] and row[values[1]] is None
        assert row["detail"] == f"only in the {values[0]} file"


def test_markdown_shows_a_strangers_words_as_typed() -> None:
    """docs/ci.md has it rendered in a job's summary: no column, code, link or tag of theirs."""
    changes = [Change("a|b", 1, 2, 1, None, "changed", "`x` <script> [y](z) *w*")]
    row = list(lines(changes, markdown=True))[-1]
    assert row.count(" | ") == 4 and r"a\|b" in row
    assert r"\`x\` \<script\> \[y\](z) \*w\*" in row


@pytest.mark.parametrize("value", [None, "many", [1], True, float("1e999")])
def test_a_strangers_census_is_refused(tmp_path: Path, value: Any) -> None:
    """Whatever stands where a count should be."""
    document = json.loads(REFERENCE.read_text())
    document["arms"][0]["instructions"] = value
    new = runfile.write(tmp_path / "new.json", document)
    refused(run("results", "compare", str(REFERENCE), str(new)))


def test_unlike_files_are_refused(tmp_path: Path) -> None:
    """A census with a run, another CPU target, no file at all."""
    refused(run("results", "compare", str(REFERENCE), str(made(tmp_path, 1))), "like with like")
    document = json.loads(REFERENCE.read_text()) | {"cpu": "znver4"}
    refused(
        run("results", "compare", str(REFERENCE), str(runfile.write(tmp_path / "z.json", document))), "znver4"
    )
    refused(run("results", "compare", "nowhere.json", str(REFERENCE)), "nowhere.json")
    refused(
        run("results", "compare", str(made(tmp_path, 1)), str(made(tmp_path, 2)), "--threshold=-1"),
        "--threshold",
    )


def test_seeds_differ() -> None:
    """The simulated pairs are not the same run twice."""
    blocks = [runfile.blocks_of(runfile.FakeRun(seed=s), np.random.default_rng(s)) for s in (1, 2)]
    assert not np.allclose(blocks[0], blocks[1])
