"""`--raw`: what was kept gives the stored figures again."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.timing import levels
from tests import estimators
from tests.command import refused, run

ONLY = "base,base-twin,nop,memcg=off,page_kind=plain,depth=pcp,checks=on,entry=__free*"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes beside its slices."""
    folder = tmp_path_factory.mktemp("raw")
    where = ("-o", str(folder / "run.json"), "--raw", str(folder / "raw.zip"))
    done = run("benchmarks", "-p", "2", "-n", "2", "-l", "96", "--only", ONLY, "--seed", "3", *where)
    assert done.returncode == 0, done.stderr
    return folder


def facts(folder: Path) -> dict[tuple[int, str], dict[str, str]]:
    """(Process, variant) -> metadata of the run."""
    document = json.loads((folder / "run.json").read_bytes())
    rows = {}
    for bench in document["benchmarks"]:
        for one in bench["runs"]:
            own = {**document["metadata"], **bench.get("metadata", {}), **one.get("metadata", {})}
            if "part_ns" in own:
                rows[own["process"], own["variant"]] = own
    return rows


def numbers(text: str) -> list[float]:
    """Of a text of times."""
    return [float(word) for word in text.split()]


def test_slices_give_the_stored_times_again(measured: Path) -> None:
    """Every build, every part of the cells, of every arm and process."""
    stored = facts(measured)
    kept = list(estimators.processes(measured / "raw.zip"))
    assert len(kept) == 2 and len(stored) == 6
    for process, one in enumerate(kept):
        assert one.slices.shape == one.turns.shape and one.slices.shape[:3] == (2, 24, 4)
        values = zip(one.slices, one.turns, strict=True)
        times = np.stack([levels.neighbours(*value) for value in values])
        for number, variant in enumerate(one.arms):
            own = stored[process, variant]
            builds = times[..., number].mean(axis=2).ravel()
            assert builds == pytest.approx(numbers(own["build_ns"]), abs=0.002)
            parts = numbers(own["part_ns"])
            assert len(parts) == levels.PARTS
            assert np.mean(parts) == pytest.approx(builds.mean(), abs=0.002)
            busier, calmer = (np.array(numbers(own[f"part{of}_slot_ns"])) for of in ("", "_calm"))
            assert len(calmer) == levels.PARTS and (busier >= 0.85 * calmer).all()
            assert own["instrument"] == "schedule-1"


def test_estimators_are_judged(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each, with each kind of noise."""
    estimators.report([measured / "raw.zip"])
    said = capsys.readouterr().out
    assert said.count("covers") == len(estimators.ESTIMATORS) * len(estimators.NOISE)
    assert said.count("level moves") == len(estimators.MOVES) and "inf: 100% of the cells" in said


def test_noise_that_is_put_in_is_what_it_says(measured: Path) -> None:
    """A tenth of the builds pays, on average 1 ns; base and its twin never."""
    (one, _) = estimators.processes(measured / "raw.zip")
    paid = estimators.rare(one, np.random.default_rng(1)).slices - one.slices
    builds = paid.mean(axis=(2, 3)).reshape(-1, len(one.arms))
    assert not builds[:, :2].any() and builds[:, 2].mean() == pytest.approx(1.0)
    assert (builds[:, 2] > 1).mean() == pytest.approx(0.1, abs=0.02)


def test_where_slices_cannot_be_kept_nothing_is_measured(tmp_path: Path) -> None:
    """Told before it begins."""
    target = tmp_path / "nowhere" / "raw.zip"
    refused(run("benchmarks", "--quick", "-o", str(tmp_path / "run.json"), "--raw", str(target)), "raw.zip")
    assert not list(tmp_path.iterdir())


def test_parts_are_sorted_by_both_sides() -> None:
    """Equal numbers of cells; between a quiet and a busy reference they lie between quiet and busy ones."""
    ends = np.ones((8, 17))
    ends[4:, 8:] = 2.0
    slots = np.stack([ends[:, :-1], ends[:, 1:]], axis=-1)
    parts = levels.parts_of(slots)
    assert {len(part) for part in parts} == {8}
    assert sorted(np.concatenate(parts)) == list(range(128))
    order = np.concatenate(parts).tolist()
    assert order[-32:] == [build * 16 + place for build in range(4, 8) for place in range(8, 16)]
    assert order[-36:-32] == [build * 16 + 7 for build in range(4, 8)]
    assert (levels.busier_sides(slots)[order[-36:-32]] == 2.0).all()
    assert (levels.calmer_sides(slots)[order[-36:-32]] == 1.0).all()
