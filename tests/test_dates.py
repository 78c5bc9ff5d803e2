"""Dates are UTC and say so; those of older files, which name no zone, are read as UTC, and that is said."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyperf
import pytest

from benchmarks.timing.collect import dumps
from benchmarks.timing.dates import dated_like
from results.reading.dates import date_of, days_of
from results.reading.load import load
from tests import runfile
from tests.command import drawn, refused, run

ONLY = "memcg=on-idle,page_kind=plain,depth=pcp,checks=on,entry=__free_pages,v1"
AUTUMN = ("2026-10-25 02:10:00+01:00", "2026-10-25 02:40:00+02:00")
"""In Berlin the second was measured half an hour before the first: summer time ended between them."""
OLDER = ("2026-10-25 01:10:00.5", "2026-10-25 00:40:00")
"""Of files that name no zone."""


def dated(path: Path, *dates: str, seed: int = 1, **facts: str) -> Path:
    """A run whose processes have these dates in turn, and a commit called by its seed."""
    data = runfile.document(runfile.FakeRun(seed=seed), commit=f"c{seed}", **facts)
    for bench in data["benchmarks"]:
        for number, made in enumerate(bench["runs"]):
            made["metadata"]["date"] = dates[number % len(dates)]
    return runfile.write(path, data)


@pytest.fixture(params=[AUTUMN, OLDER], ids=["zones", "no zone"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two runs, the earlier one second."""
    (tmp_path / "runs").mkdir()
    for number, date in enumerate(request.param):
        dated(tmp_path / "runs" / f"{number}.json", date, seed=number)
    return tmp_path / "runs"


def of_zone(folder: Path) -> bool:
    """Whether the runs of a folder name their zone."""
    return "+" in (folder / "0.json").read_text().partition('"date": "')[2].partition('"')[0]


def test_history_is_in_the_order_of_time(folder: Path) -> None:
    """Also across the end of summer time; where no zone is named, one line says how it is read."""
    done = run("results", "history", str(folder), "--format", "json")
    points = json.loads(done.stdout)["series"][0]["points"]
    assert [point["commit"] for point in points] == ["c1", "c0"]
    assert all(point["date"].endswith("+00:00") == of_zone(folder) for point in points)
    assert points[0]["date"].startswith("2026-10-25 00:40:00")
    assert done.stderr.count("read as UTC") == (0 if of_zone(folder) else 1)


def test_exports_are_in_utc(folder: Path) -> None:
    """What is written is what was measured, in order; a zone that is not known is not passed over."""
    done = run("results", "export", str(folder), "--format", "otava")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["time"] for row in rows] == ["2026-10-25 00:40:00 +0000", "2026-10-25 01:10:00 +0000"]
    assert [row["commit"] for row in rows] == ["c1", "c0"]
    assert ("read as UTC" in done.stderr) == (not of_zone(folder))
    done = run("results", "export", str(folder / "0.json"), "--format", "lnt")
    assert json.loads(done.stdout)["run"]["start_time"] == "2026-10-25T01:10:00"
    assert ("read as UTC" in done.stderr) == (not of_zone(folder))


def test_pages_say_which_zone(folder: Path, tmp_path: Path) -> None:
    """Report and comparison name UTC where the file does, and no zone where it does not."""
    page = tmp_path / "page.html"
    assert drawn("results", "report", str(folder / "0.json"), "-o", str(page)).returncode == 0
    assert ("Measured 2026-10-25 UTC on" in page.read_text()) == of_zone(folder)
    files = (str(folder / "0.json"), str(folder / "1.json"))
    assert drawn("results", "compare", *files, "--html", "-o", str(page), "--force").returncode in (0, 1)
    word = "UTC" if of_zone(folder) else "(zone unknown)"
    assert f"2026-10-25 00:40:00 {word}" in page.read_text()


def test_the_first_process_is_the_first_in_time(tmp_path: Path) -> None:
    """By UTC; a day is a day of UTC; what is no date is none."""
    made = load(dated(tmp_path / "a.json", "2026-11-24 01:00:00+05:00", "2026-11-24 00:30:00+00:00"))
    assert date_of(made) == "2026-11-23 20:00:00.000000+00:00"
    assert days_of(made) == "2026-11-23 to 2026-11-24 UTC"
    made = load(dated(tmp_path / "b.json", "yesterday", "2026-11-24T00:30:00Z", "0001-01-01 00:00:00+05:00"))
    assert date_of(made) == "2026-11-24 00:30:00.000000+00:00"
    nothing = dated(tmp_path / "c.json", "yesterday")
    assert (date_of(load(nothing)), days_of(load(nothing))) == ("", "unknown date")
    refused(run("results", "export", str(nothing), "--format", "lnt"), "when it was measured")
    refused(run("results", "publish", str(nothing), "--to", str(tmp_path / "m")), "when it was measured")


def test_a_run_is_stored_in_utc(tmp_path: Path) -> None:
    """Wherever it is measured, nine hours ahead of UTC say."""
    file = tmp_path / "run.json"
    small = ("--only", ONLY, "-p", "1", "-n", "1")
    began = datetime.now(UTC)
    done = run("benchmarks", *small, "--inherit-environ", "TZ", "-o", str(file), TZ="JST-9")
    assert done.returncode == 0, done.stderr
    facts = pyperf.BenchmarkSuite.load(str(file)).get_benchmarks()[0].get_runs()[0].get_metadata()
    date, boot = (datetime.fromisoformat(facts[name]) for name in ("date", "boot_time"))
    assert began <= date <= datetime.now(UTC) and date.utcoffset() == timedelta(0)
    assert abs(date - boot - timedelta(seconds=facts["uptime"])) < timedelta(minutes=10)


@pytest.mark.parametrize("dates", [AUTUMN, OLDER], ids=["zones", "no zone"])
def test_pyperf_reads_a_file_that_was_joined(dates: tuple[str, ...], tmp_path: Path) -> None:
    """By --append, whether its dates have a zone or not."""
    older = pyperf.BenchmarkSuite.load(str(dated(tmp_path / "old.json", *dates)))
    newer = pyperf.BenchmarkSuite.load(str(dated(tmp_path / "new.json", "2026-11-24 12:00:00+00:00", seed=2)))
    for bench in dated_like(older, newer):
        older.add_runs(bench)
    file = tmp_path / "joined.json"
    file.write_text(dumps(older))
    assert len(load(file).scenarios[0].processes) == 16
    done = run("pyperf", "stats", str(file))
    assert done.returncode == 0 and "End date: 2026-11-24" in done.stdout
