"""Runs over time: levels, change points, and the figures of folders and census files."""

import json
from pathlib import Path

import pytest

from results.history import change_points, history
from tests import runfile
from tests.command import ROOT, refused, run

REFERENCE = ROOT / "results" / "reference" / "census-x86-64-v3.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten runs, one a day; v1 costs 0.25 ns in the first six and 0.6 ns from the seventh on."""
    for day in range(10):
        arms = dict(runfile.HEADLINE) | {("v1", "jump-label"): 0.25 if day < 6 else 0.6}
        data = runfile.document(runfile.Session(arms=arms, seed=day), commit=f"c{day:02}")
        for bench in data["benchmarks"]:
            for made in bench["runs"]:
                made["metadata"]["date"] = f"2026-11-{day + 1:02} 12:00:00"
        (tmp_path / f"run-{9 - day}").mkdir()
        runfile.write(tmp_path / f"run-{9 - day}" / "run.json", data)
    (tmp_path / "census.json").write_bytes(REFERENCE.read_bytes())
    return tmp_path


def test_a_change_is_found_where_it_happened(folder: Path) -> None:
    """In the order of dates, whatever the folders are called; other arms are left alone."""
    found = {series.cell.rpartition(": ")[2]: series for series in history(folder)}
    assert [point.commit for point in found["v1/jump-label"].points] == [f"c{day:02}" for day in range(10)]
    assert found["v1/jump-label"].changes == [6]
    assert found["load/none"].changes == []


def test_noise_alone_is_no_change() -> None:
    """Nor is a constant, nor a series too short to say."""
    assert change_points([0.25, 0.26, 0.24, 0.25, 0.26, 0.25, 0.24, 0.26]) == []
    assert change_points([0.25] * 10) == []
    assert change_points([0.1, 0.1, 9.0, 9.0]) == []


def test_the_command_and_its_figure(folder: Path, tmp_path: Path) -> None:
    """Text names the commit; JSON is data; the figure is drawn from the folder."""
    text = run("results", "history", str(folder)).stdout
    assert "commit c06" in text and "+0.6" in text
    assert (
        json.loads(run("results", "history", str(folder), "--format", "json").stdout)["schema"]
        == "freepath.history/1"
    )
    done = run("plots", str(folder), "-o", str(tmp_path / "figures"), "--format", "svg")
    assert done.returncode == 0 and "history.svg" in done.stdout
    refused(run("results", "history", str(tmp_path / "nowhere")), "no folder")
    (tmp_path / "empty").mkdir()
    refused(run("results", "history", str(tmp_path / "empty")), "holds no run")


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
