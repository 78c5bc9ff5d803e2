"""Runs over time: levels, change points, and the figures of folders and census files."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from model.vocabulary import machine
from results.analysis import history as module
from results.analysis.history import Series, change_points, history
from results.output import as_history
from results.reading.folder import SETTINGS
from results.reading.load import Array, BadRunError
from tests import runfile
from tests.command import ROOT, refused, run

REFERENCE = ROOT / "results" / "reference" / "census-x86-64-v3.json"
STEP_NS = 0.1


def write_run(path: Path, day: int, arms: runfile.Arms = runfile.HEADLINE, **facts: str) -> None:
    """A run of one scenario, measured on a day of November, whose processes state the facts."""
    data = runfile.document(runfile.FakeRun(arms=dict(arms), seed=day), commit=f"c{day:02}")
    for bench in data["benchmarks"]:
        for made in bench["runs"]:
            made["metadata"] |= {"date": f"2026-11-{day + 1:02} 12:00:00+00:00", **facts}
    path.parent.mkdir(exist_ok=True)
    runfile.write(path, data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten runs, one a day; v1 costs 0.25 ns in the first six and 0.6 ns from the seventh on."""
    for day in range(10):
        arms = runfile.HEADLINE | {("v1", "jump-label"): 0.25 if day < 6 else 0.6}
        write_run(tmp_path / f"run-{9 - day}" / "run.json", day, arms)
    (tmp_path / "census.json").write_bytes(REFERENCE.read_bytes())
    return tmp_path


def by_arm(series: list[Series]) -> dict[str, Series]:
    """The series of a folder with one scenario and machine."""
    return {row.cell.rpartition(": ")[2]: row for row in series}


def test_a_change_is_found_where_it_happened(folder: Path) -> None:
    """In the order of dates, whatever the folders are called; other arms are left alone."""
    arms = by_arm(history(folder))
    assert [point.commit for point in arms["v1/jump-label"].points] == [f"c{day:02}" for day in range(10)]
    assert arms.pop("v1/jump-label").changes == [6]
    assert [row.changes for row in arms.values()] == [[]] * 7


def test_the_command_and_its_figure(folder: Path, tmp_path: Path) -> None:
    """Text names the commit; JSON is data; the figure is drawn from the folder."""
    text = run("results", "history", str(folder)).stdout
    assert "commit c06" in text and text.count(" -> ") == 1 and "machine:" not in text
    data = json.loads(run("results", "history", str(folder), "--format", "json").stdout)
    assert data["schema"] == "freepath.history/1"
    for row in data["series"]:
        assert row.keys() == {"machine", "cell", "code", "points", "changes"} and len(row["points"]) == 10
        assert row["points"][0].keys() == {"date", "commit", "overhead_ns", "ci95_ns"}
    changed = next(row for row in data["series"] if row["changes"])
    assert changed["cell"].endswith("v1/jump-label") and changed["changes"] == [6]
    assert changed["points"][9]["overhead_ns"] == pytest.approx(0.6, abs=0.05)
    done = run("plots", str(folder), "-o", str(tmp_path / "figures"), "--format", "svg")
    assert done.returncode == 0 and "history.svg" in done.stdout
    refused(run("results", "history", str(tmp_path / "nowhere")), "no folder")
    (tmp_path / "empty").mkdir()
    refused(run("results", "history", str(tmp_path / "empty")), "holds no run")


def test_a_series_is_of_one_machine(tmp_path: Path) -> None:
    """Another microcode is another machine, whose level is no change; another host is none."""
    old, new = {"cpu_microcode": "0x1"}, {"cpu_microcode": "0x2"}
    for day in range(8):
        arms = runfile.HEADLINE | {("v1", "jump-label"): 0.25 if day < 4 else 0.6}
        write_run(tmp_path / f"{day}.json", day, arms, **(old if day < 4 else new), hostname=f"host{day}")
    series = history(tmp_path)
    v1 = of_v1(series)
    assert [row.machine["cpu_microcode"] for row in v1] == ["0x1", "0x2"]
    assert all(row.machine.keys() >= {*machine.NAMES[:6], *SETTINGS} for row in v1)
    assert [len(row.points) for row in v1] == [4, 4] and not any(row.changes for row in series)
    lines = list(as_history.lines(series))
    headings = [line for line in lines if line.startswith("machine: ")]
    assert len(headings) == 2 and "0x1" in headings[0] and "0x2" in headings[1]
    assert lines.index(headings[1]) == len(lines) / 2, "a machine's cells stand below its heading"
    assert "host" not in "".join(lines)


@pytest.mark.parametrize("name", [*machine.NAMES, *SETTINGS])
def test_each_fact_makes_a_machine(name: str, tmp_path: Path) -> None:
    """None of them is read for show."""
    for day in range(2):
        write_run(tmp_path / f"{day}.json", day, runfile.HEADLINE, **{name: f"other{day}"})
    assert [row.machine[name] for row in of_v1(history(tmp_path))] == ["other0", "other1"]


def of_v1(series: list[Series]) -> list[Series]:
    """One series per machine."""
    return [row for row in series if row.cell.endswith("v1/jump-label")]


def test_a_run_of_mixed_machines_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a line that names it; a folder of nothing else holds no run."""
    data = runfile.document()
    for bench in data["benchmarks"]:
        bench["runs"][0]["metadata"]["cpu_stepping"] = "3"
        bench["runs"][1]["metadata"]["cpu_stepping"] = "4"
    runfile.write(tmp_path / "mixed.json", data)
    with pytest.raises(BadRunError, match="holds no run"):
        history(tmp_path)
    write_run(tmp_path / "plain.json", 1)
    capsys.readouterr()
    assert {len(row.points) for row in history(tmp_path)} == {1}
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "mixed.json" in said[0] and "cpu_stepping 3, 4 and 1" in said[0]


def test_the_calibration_is_no_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no message: it may lie beside the runs."""
    runfile.write(tmp_path / "calibration.json", runfile.calibration(sessions=1))
    with pytest.raises(BadRunError, match="holds no run"):
        history(tmp_path)
    write_run(tmp_path / "run.json", 1)
    assert len(history(tmp_path)) == 8
    assert capsys.readouterr().err == ""


def test_a_run_without_an_interval_takes_no_part(folder: Path) -> None:
    """Points of single processes are shown; the change keeps its place among all of them."""
    arms = by_arm(history(folder))
    for name in ("run-8", "run-7"):
        data = json.loads((folder / name / "run.json").read_text())
        for bench in data["benchmarks"]:
            del bench["runs"][1:]
        runfile.write(folder / name / "run.json", data)
    fewer = by_arm(history(folder))["v1/jump-label"]
    assert [point.ci95_ns is None for point in fewer.points] == [day in (1, 2) for day in range(10)]
    assert fewer.changes == arms["v1/jump-label"].changes == [6]


def places(values: list[float], error: float = 0.01) -> list[int]:
    """Changes of a folder with a single series."""
    return change_points([np.array(values)], [np.full(len(values), error)])[0]


def test_a_step_needs_enough_runs() -> None:
    """A constant has none, an outlier is none, and seven runs can be shuffled back too easily."""
    level = [0.25, 0.26, 0.24, 0.25, 0.26, 0.25, 0.24, 0.26]
    assert places(level) == []
    assert places([0.25] * 12, 0.0) == []
    assert places([*level, 9.0]) == places([*level[:4], 9.0, *level[4:]]) == []
    assert places([0.1] * 3 + [9.0] * 3) == places([0.1] * 3 + [9.0] * 4) == []
    assert places([0.1] * 4 + [9.0] * 4) == [4]
    assert places([0.0] * 6 + [1.0] * 6, 0.0) == [6], "without any error too"
    assert change_points([], []) == []


def test_a_level_that_came_and_went_is_seen() -> None:
    """Of the mean before and after each place it leaves little."""
    rng = np.random.default_rng(3)
    assert places([*rng.normal(0, 0.01, 10), *rng.normal(0.1, 0.01, 10), *rng.normal(0, 0.01, 10)]) == [
        10,
        20,
    ]


def test_the_intervals_count() -> None:
    """The same values, once with the runs that stand out known to be poor."""
    values = np.random.default_rng(4).normal(0, 0.01, 12)
    values[9:] += 0.06
    exact, poor = np.full(12, 0.01), np.array([0.01] * 9 + [0.05] * 3)
    quiet = [np.random.default_rng(seed).normal(0, 0.01, 12) for seed in range(20)]
    errors = [exact] * 20
    assert change_points([values, *quiet], [exact, *errors])[0] == [9]
    assert change_points([values, *quiet], [poor, *errors])[0] == []


@dataclass(frozen=True)
class Noise:
    """What a simulated folder suffers from.

    Attributes
    ----------
    between
        Standard deviation between runs that no interval knows of, ns.
    broken
        Share of runs all of whose cells are off by Student noise with 2 degrees of freedom, three times as
        wide as their intervals say.
    one_wild
        Whether a series scatters by ten of its errors.
    """

    between: float = 0.0
    broken: float = 0.0
    one_wild: bool = False


NOISES = {
    "as the intervals say": Noise(),
    "0.02 ns between runs": Noise(between=0.02),
    "a tenth of the runs broken": Noise(between=0.01, broken=0.1),
    "one series wild": Noise(between=0.005, one_wild=True),
}
SCENARIOS, ARMS = 6, 11


def simulated(noise: Noise, runs: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Values and errors of a folder without changes, float64[66, runs] each, ns.

    Errors are 0.005 to 0.02 ns and estimated from six processes; the arms of a scenario share a base, which
    is half of their variance.
    """
    shape = (SCENARIOS, ARMS, runs)
    error = np.exp(rng.uniform(np.log(0.005), np.log(0.02), shape))
    base = rng.standard_normal((SCENARIOS, 1, runs))
    normal = np.sqrt(0.5) * (base + rng.standard_normal(shape))
    broken = rng.random(runs) < noise.broken
    own = np.where(broken, 3 * rng.standard_t(2, shape), normal)
    values = error * own + noise.between * rng.standard_normal(shape)
    if noise.one_wild:
        values[0, 1] += 0.1 * rng.standard_normal(runs)
    stated = error * np.sqrt(rng.chisquare(5, shape) / 5)
    return values.reshape(-1, runs), stated.reshape(-1, runs)


def false_folders(noise: Noise, runs: int, folders: int) -> int:
    """Folders of noise in which any series has a change."""
    rng = np.random.default_rng(runs)
    count = 0
    for _ in range(folders):
        values, errors = simulated(noise, runs, rng)
        count += any(change_points(list(values), list(errors)))
    return count


def steps_seen(noise: Noise, runs: int, folders: int) -> tuple[int, int]:
    """Steps of 0.1 ns in one series seen within a run of their place; folders with any other change."""
    rng = np.random.default_rng(runs)
    seen = other = 0
    for _ in range(folders):
        values, errors = simulated(noise, runs, rng)
        place = int(rng.integers(3, runs - 2))
        values[0, place:] += STEP_NS
        changed, *rest = change_points(list(values), list(errors))
        near = [index for index in changed if abs(index - place) <= 1]
        seen += bool(near)
        other += any(rest) or len(changed) > len(near[:1])
    return seen, other


def most_by_chance(folders: int) -> int:
    """What 5 % of the folders comes to in 99 of 100 such experiments at most."""
    return int(binom.ppf(0.99, folders, module.FALSE_RATE))


FOLDERS = {12: (100, 40), 30: (120, 20)}
"""Runs per series: folders of noise, folders with a step."""


@pytest.mark.soak
@pytest.mark.parametrize("runs", [12, pytest.param(30, marks=pytest.mark.reliability)])
@pytest.mark.parametrize("name", NOISES)
def test_rates(name: str, runs: int) -> None:
    """False and found, in folders of 66 series; -s prints the counts, which docs/history.md repeats."""
    of_noise, of_steps = FOLDERS[runs]
    false = false_folders(NOISES[name], runs, of_noise)
    seen, other = steps_seen(NOISES[name], runs, of_steps)
    print(
        f"\n{runs} runs, {name}: {false} of {of_noise} folders of noise have a change; "
        f"{seen} of {of_steps} steps found, {other} of {of_steps} folders with another change"
    )
    assert false <= most_by_chance(of_noise) and other <= most_by_chance(of_steps)
    assert seen >= 0.9 * of_steps


def levels_seen(noise: Noise, runs: int, folders: int) -> int:
    """Levels 0.1 ns higher that lasted a third of the runs of one series, in which any change is seen."""
    rng = np.random.default_rng(runs)
    seen = 0
    for _ in range(folders):
        values, errors = simulated(noise, runs, rng)
        values[0, runs // 3 : 2 * runs // 3] += STEP_NS
        seen += bool(change_points(list(values), list(errors))[0])
    return seen


Counted = Callable[[Noise, int, int], int]
PARTS: dict[str, tuple[object, str, Counted]] = {
    "CLIP": (math.inf, "a tenth of the runs broken", lambda *folders: steps_seen(*folders)[0]),
    "CHANCE": (math.inf, "one series wild", lambda *folders: steps_seen(*folders)[0]),
    "_stated": (np.square, "as the intervals say", levels_seen),
    "_widths": (lambda runs: [runs], "as the intervals say", levels_seen),
}
"""Parts of the rule: what takes each away, the noise that it is for, and what is counted."""


@pytest.mark.soak
@pytest.mark.parametrize("name", PARTS)
def test_each_part_of_the_rule_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it less is found; -s prints how many, which results/analysis/history.py repeats."""
    without, noise, count = PARTS[name]
    whole = count(NOISES[noise], 12, 60)
    monkeypatch.setattr(module, name, without)
    seen = count(NOISES[noise], 12, 60)
    print(f"\n12 runs, {noise}: {whole} of 60 found, {seen} without {name}")
    assert seen <= whole - 5


def test_a_false_rate_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the rates above would prove nothing."""
    folders = FOLDERS[12][0] // 4
    most = most_by_chance(folders)
    monkeypatch.setattr(module, "FALSE_RATE", 0.3)
    assert false_folders(NOISES["as the intervals say"], 12, folders) > most


def test_the_census_has_a_figure(tmp_path: Path) -> None:
    """Stacked bars, from the file alone."""
    done = run("plots", str(REFERENCE), "-o", str(tmp_path), "--format", "svg")
    assert done.returncode == 0 and "census.svg" in done.stdout
    assert "load-compare-store" in (tmp_path / "census.svg").read_text()
    spoiled = json.loads(REFERENCE.read_text())
    del spoiled["arms"][0]["loads"]
    refused(
        run("plots", str(runfile.write(tmp_path / "x.json", spoiled)), "-o", str(tmp_path / "y")), "census"
    )
