"""What a run says after its first 20 s: when it is said, and whether it comes true."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.cases import Case
from benchmarks.timing import forecast
from benchmarks.timing.forecast import Forecast, foretell, seconds_of
from model.common.errors import FreepathError
from model.vocabulary.scenario import Arm, Scenario
from results.analysis.groups import halves_after
from results.analysis.verdict import half_after
from results.reading.load import load
from tests import runfile
from tests.test_arithmetic import judged

ARMS = (Arm("base", "none"), Arm("base-twin", "none"))
CASES = [Case(Scenario(memcg), ARMS) for memcg in ("off", "on-idle")]


def subject(
    halves: Sequence[float] = (0.01, 0.03, 0.02),
    there: tuple[int, int] = (0, 0),
    wanted: tuple[int, int] = (16, 16),
) -> Forecast:
    """Of two scenarios, begun at 100 s."""

    def judge(counts: Mapping[str, int]) -> Sequence[float]:
        assert list(counts.values()) == list(wanted)
        return halves

    made = Forecast(CASES, wanted, there, 5, judge)
    made.began = 100.0
    return made


@pytest.mark.parametrize(
    ("counts", "now", "due"),
    [
        ((2, 0), 150.0, False),  # nobody can tell from two processes
        ((3, 0), 119.0, False),
        ((3, 0), 120.0, True),
        ((3, 3), 101.0, True),  # three of each scenario
        ((16, 2), 119.0, False),
        ((16, 16), 200.0, False),  # it is over
    ],
)
def test_when_it_is_said(counts: tuple[int, int], now: float, due: bool) -> None:
    """After 20 s with three processes of a scenario, or with three of each; not at the end."""
    assert subject().due(counts, now) is due


def test_it_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """With the time of the end, the median and the largest half-width."""
    made = subject()
    made.say((8, 0), 140.0)
    said = capsys.readouterr().err
    assert re.fullmatch(
        r"after 40 s: at the end, about \d\d:\d\d:\d\d \(120 s more\), 95 % intervals will be about "
        r"\+-0\.020 ns \(median of 3 arms; largest 0\.030\)\n",
        said,
    )
    assert not made.due((9, 3), 150.0)


def test_what_was_there_before_took_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    """A run that is resumed: 4 of 8 processes in 40 s, 16 more to come."""
    subject(there=(8, 0)).say((12, 4), 180.0)
    assert "(160 s more)" in capsys.readouterr().err


@pytest.mark.parametrize(("halves", "counts"), [((), (4, 4)), ((0.1,), (0, 0)), ((0.1,), (16, 15))])
def test_where_nothing_can_be_foreseen_nothing_is_said(
    halves: tuple[float, ...], counts: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """No arm has an interval; nothing was measured yet; or it is over in a moment."""
    subject(halves).say(counts, 130.0)
    assert capsys.readouterr().err == ""


def test_a_damaged_folder_is_told_of_by_others(capsys: pytest.CaptureFixture[str]) -> None:
    """The thread that watches does not end because of it."""

    def judge(counts: Mapping[str, int]) -> Sequence[float]:
        raise FreepathError("gone")

    made = Forecast(CASES, (16, 16), (0, 0), 5, judge)
    made.say((4, 4), made.began + 30)
    assert capsys.readouterr().err == "" and made.said


def test_before_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    """Processes, scenarios, time and file."""
    foretell(CASES, [3, 0], 5, Path("run.json"))
    assert re.match(r"measuring 3 processes in 2 scenarios, .* to run\.json\n", capsys.readouterr().err)
    assert seconds_of(CASES[0], 5) == pytest.approx(forecast.START_S + 10 * forecast.VALUE_S)


def test_the_half_width_with_more_processes() -> None:
    """Student's with the later freedom, over the root of their number: as SciPy has it."""
    now = judged(1.0, 0.5, freedom=3, processes=4)
    error = 0.5 * now.base_ns / 100
    assert half_after(now, 4) == pytest.approx(stats.t.ppf(0.975, 15) * error * np.sqrt(4 / 16))
    assert half_after(now, 1) == pytest.approx(stats.t.ppf(0.975, 3) * error)
    fewest = stats.t.ppf(0.975, 1) * error * np.sqrt(4 / 2)
    assert half_after(now, 0.1) == pytest.approx(fewest), "two are the fewest that have one"


def test_it_comes_true(tmp_path: Path) -> None:
    """From four processes of sixteen, over many runs: the median ratio to what came is one."""
    ratios = []
    for seed in range(20):
        files = [
            runfile.write(
                tmp_path / f"{count}.json", runfile.document(runfile.FakeRun(processes=count, seed=seed))
            )
            for count in (4, 16)
        ]
        name = "on-idle/plain/warm/sequential/pcp"
        few, many = (np.median(halves_after(load(file), {name: 16})) for file in files)
        ratios.append(few / many)
    assert np.median(ratios) == pytest.approx(1.0, abs=0.2)
