"""Compare's pair of cells by arithmetic: Welch's error and freedom, the floor, the p value, busy machines."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from scipy import stats

from model.vocabulary.margin import Margin
from results.analysis.compare import Pair, _change
from results.analysis.estimate import Overhead
from tests.test_arithmetic import judged


def pair(old: Overhead, new: Overhead, floors: tuple[float | None, ...] = (0.1, 0.2), busy: int = 0) -> Pair:
    """Of two runs whose noise floors are these; `busy` is a mask of the runs that were."""
    scenario = SimpleNamespace(codes_of=lambda arm: [], base_of=lambda arm: arm)
    groups: list[Any] = [
        SimpleNamespace(floor_ns=f, busy=bool(busy >> n & 1), scenario=scenario) for n, f in enumerate(floors)
    ]
    cells: list[Any] = [SimpleNamespace(overhead=o, condition=None, conditions={}) for o in (old, new)]
    return Pair("cell", groups[0], cells[0], groups[1], cells[1])


def test_error_and_freedom_are_welchs() -> None:
    """As SciPy's Welch test has them, for unlike errors and unlike numbers of processes."""
    subject = pair(judged(0.5, 0.2, freedom=4), judged(1.5, 0.3, freedom=11))
    assert subject.error == pytest.approx(math.hypot(0.2, 0.3) / 100)
    parts = 0.2**2, 0.3**2
    expected = sum(parts) ** 2 / (parts[0] ** 2 / 4 + parts[1] ** 2 / 11)
    assert subject.freedom == pytest.approx(expected)
    welch = stats.ttest_ind_from_stats(0, 0.2 * math.sqrt(5), 5, 1, 0.3 * math.sqrt(12), 12, equal_var=False)
    assert 2 * stats.t.sf(1 / math.hypot(0.2, 0.3), subject.freedom) == pytest.approx(welch.pvalue)


def test_p_is_of_what_lies_beyond_the_larger_floor() -> None:
    """Two-sided; 1 within it, 0 without any error, 1 without an interval."""
    subject = pair(judged(0.5, 0.2), judged(1.5, 0.3))
    beyond = abs(math.log1p(0.015) - math.log1p(0.005)) - 0.2 / 100
    assert subject.floor_ns == 0.2 and subject.error is not None
    assert subject.chance == pytest.approx(2 * stats.t.sf(beyond / subject.error, subject.freedom))
    assert 0.0 < subject.chance < 1.0
    assert pair(judged(1.5, 0.3), judged(0.5, 0.2)).chance == pytest.approx(subject.chance)
    assert pair(judged(0.5, 0.2), judged(0.6, 0.3)).chance == 1.0
    assert pair(judged(0.5, 0.0), judged(1.5, 0.0)).chance == 0.0
    assert pair(judged(0.5, 0.2), judged(1.5, 0.3), floors=(None, None)).floor_ns == 0.0


@pytest.mark.parametrize(("busy", "verdict"), [(0, "regressed"), (1, "unsure"), (2, "unsure"), (3, "unsure")])
def test_one_busy_run_is_enough_to_claim_nothing(busy: int, verdict: str) -> None:
    """Whichever of the two it was."""
    old, new = judged(0.5, 0.02), judged(5.5, 0.03)
    old.per_process.resize(1, refcheck=False)  # else both would be the same measurements
    change = _change(pair(old, new, busy=busy), 0.05, Margin(0.1, percent=False))
    assert change.verdict == verdict


def test_the_interval_is_as_wide_as_the_corrected_error_asks() -> None:
    """A smaller error, a wider interval; and what lies within the floor is no regression."""
    old, new = judged(0.5, 0.2), judged(1.5, 0.3)
    old.per_process.resize(1, refcheck=False)
    subject = pair(old, new)
    for error in (0.05, 0.005):
        change = _change(subject, error, Margin(0.01, percent=False))
        half = stats.t.ppf(1 - error / 2, subject.freedom) * subject.error
        expected = [math.expm1(subject.difference + end) * 100.5 for end in (-half, half)]
        assert change.interval == pytest.approx(tuple(expected))
    wide_floor = pair(old, new, floors=(0.1, 5.0))
    assert _change(wide_floor, 0.05, Margin(0.01, percent=False)).verdict == "unsure"
