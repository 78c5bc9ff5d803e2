"""Estimators on simulated data whose truth is known: coverage, false alarms, power; the verdict's edges."""

from pathlib import Path

import numpy as np
import pytest

from results.estimate import Interval, Levels, Noise, Overhead, overhead, trimmed_mean, yuen
from results.load import Arm, load
from results.analysis import analyse
from results.verdict import Margin, floor_of, judge
from tests.runfile import Machine, Session, document, write

V1 = Arm("v1", "jump-label")
TWIN = Arm("base-twin", "none")
PAIR = {("base", "none"): 0.0, ("base-twin", "none"): 0.0, ("v1", "jump-label"): 0.25}
MACHINES = {
    "quiet": Machine(),
    "drifting": Machine(drift=0.004),
    "busy at times": Machine(spikes=0.3),
    "heavy tails": Machine(tails=True, noise=0.004),
    "placement decides": Machine(between=0.004),
}
SESSIONS = 150


def estimates(tmp_path: Path, machine: Machine, arm: Arm) -> list[Overhead]:
    """One overhead per simulated session of eight processes."""
    found = []
    for seed in range(SESSIONS):
        session = Session(arms=PAIR, seed=seed, blocks=10, machine=machine)
        (scenario,) = load(write(tmp_path / "run.json", document(session))).scenarios
        found.append(overhead(scenario, arm, Levels(scenario)))
    return found


@pytest.mark.parametrize("name", MACHINES)
def test_intervals_cover_the_truth(tmp_path: Path, name: str) -> None:
    """The 95 % interval covers in at least 93 % of sessions, less twice the sampling error."""
    for arm, truth in ((V1, 0.25), (TWIN, 0.0)):
        intervals = [one.interval_ns(0.95) for one in estimates(tmp_path, MACHINES[name], arm)]
        covered = np.mean([i is not None and i[0] <= truth <= i[1] for i in intervals])
        assert covered >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / SESSIONS)


def test_a_whole_table_of_nothing_rarely_alarms(tmp_path: Path) -> None:
    """Arms equal to base: at most one table in twenty claims a cost or a saving, sampling error aside."""
    arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0} | {(f"v{i}", "none"): 0.0 for i in range(6)}
    alarms = 0
    for seed in range(SESSIONS):
        session = Session(arms=arms, seed=1000 + seed, machine=Machine(between=0.004))
        (group,) = analyse(
            load(write(tmp_path / "run.json", document(session))), Margin(0.001, percent=False)
        )
        alarms += any(cell.judgement.verdict in ("costs", "saves") for cell in group.cells)
    assert alarms / SESSIONS <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / SESSIONS)


def test_a_cost_above_the_noise_is_found(tmp_path: Path) -> None:
    """+0.25 ns on 15, with the noise of a quiet machine: found in at least 19 of 20 sessions."""
    found = 0
    for seed in range(40):
        session = Session(arms=PAIR, seed=seed, machine=MACHINES["busy at times"])
        (group,) = analyse(load(write(tmp_path / "run.json", document(session))), Margin(0.1, percent=False))
        found += [cell.judgement.verdict for cell in group.cells] == ["negligible", "costs"]
    assert found >= 38


def test_drift_and_spikes_cancel_in_the_pair(tmp_path: Path) -> None:
    """A level that moves by half moves the estimate by less than its interval."""
    calm, rough = (
        estimates(tmp_path, machine, V1)[0] for machine in (Machine(), Machine(drift=0.01, spikes=0.3))
    )
    assert rough.interval_ns(0.99) is not None
    low, high = rough.interval_ns(0.99) or (0.0, 0.0)
    assert low <= calm.ns <= high


def test_quiet_blocks_are_chosen_without_looking_at_one_arm(tmp_path: Path) -> None:
    """The level is the mean over all arms, so a slow arm moves no block into or out of the choice."""
    data = document(Session(arms=PAIR, machine=Machine(spikes=0.4)))
    (before,) = load(write(tmp_path / "a.json", data)).scenarios
    for run in data["benchmarks"][2]["runs"]:
        run["values"] = [value * 1.5 for value in run["values"]]
    (after,) = load(write(tmp_path / "b.json", data)).scenarios
    masks = [[Levels(s).quiet(p).tolist() for p in s.processes] for s in (before, after)]
    assert masks[0] == masks[1]


def test_a_busy_machine_is_said_to_be_one(tmp_path: Path) -> None:
    """A run that was made while others took the CPUs says so in every table."""
    data = document(Session(arms=PAIR))
    for bench in data["benchmarks"]:
        for run in bench["runs"]:
            run["metadata"]["busy_pct"] = 60.0
    (group,) = analyse(load(write(tmp_path / "run.json", data)), Margin(1, percent=True))
    assert group.warnings == ["measured under heavy load: others took 60 % of the CPUs"]


def test_yuen_is_students_t_without_trimming() -> None:
    """Nothing is cut from fewer than ten processes, so the textbook interval must come out."""
    from scipy import stats

    values = np.array([1.0, 2.0, 4.0, 8.0])
    interval = yuen(values)
    assert interval.mean == values.mean()
    expected = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    half = interval.half(0.95)
    assert half is not None and interval.mean - half == pytest.approx(expected[0])


def test_one_process_has_no_interval(tmp_path: Path) -> None:
    """Never a fake one."""
    (group,) = analyse(
        load(write(tmp_path / "run.json", document(Session(processes=1)))), Margin(1, percent=True)
    )
    assert all(cell.judgement.ci95 is None and cell.judgement.verdict == "undecided" for cell in group.cells)
    assert group.floor_ns is None and "one process only" in group.warnings[0]


def test_trimmed_mean_drops_both_ends() -> None:
    """20 % at each end."""
    assert trimmed_mean(np.array([1.0, 2.0, 3.0, 4.0, 1000.0]), 0.2) == 3.0


def made(ns: float, error_ns: float | None, base_ns: float = 10.0) -> Overhead:
    """An overhead with a given error and 1000 degrees of freedom."""
    relative = None if error_ns is None else error_ns / base_ns
    interval = Interval(float(np.log1p(ns / base_ns)), relative, 1000)
    return Overhead(V1, Arm("base", "none"), base_ns, interval, Noise(0, 0, 0), None, 16, 100, 256)


ONE_PERCENT = Margin(1.0, percent=True)


@pytest.mark.parametrize(
    ("ns", "error_ns", "floor", "verdict"),
    [
        (0.0, 0.01, 0.01, "negligible"),
        (0.08, 0.01, 0.01, "negligible"),  # 90 % interval up to 0.097: just inside 0.1
        (0.085, 0.01, 0.01, "costs"),  # just outside, and beyond the floor
        (0.2, 0.01, 0.01, "costs"),
        (-0.2, 0.01, 0.01, "saves"),
        (0.2, 0.01, 0.19, "undecided"),  # the twin was off by as much
        (0.2, 0.2, 0.01, "undecided"),
        (0.05, None, 0.0, "undecided"),
    ],
)
def test_the_rule_at_its_edges(ns: float, error_ns: float | None, floor: float, verdict: str) -> None:
    """Margin 0.1 ns; a single cell, so no correction."""
    assert judge(made(ns, error_ns), ONE_PERCENT, floor, 1).verdict == verdict


def test_more_cells_ask_for_more() -> None:
    """Bonferroni: what one cell could claim, one of a hundred cannot."""
    one = made(0.25, 0.1)
    assert judge(one, ONE_PERCENT, 0.0, 1).verdict == "costs"
    judged = judge(one, ONE_PERCENT, 0.0, 100)
    assert judged.verdict == "undecided"
    assert judged.ci95_corrected is not None and judged.ci95 is not None
    assert judged.ci95_corrected[0] < judged.ci95[0]


def test_undecided_says_what_would_settle_it() -> None:
    """Halving the error takes about four times the processes; on the boundary no number helps."""
    judged = judge(made(0.15, 0.1), ONE_PERCENT, 0.0, 1)
    assert judged.more_processes is not None and 8 <= judged.more_processes <= 64
    assert judged.detectable_ns == pytest.approx(0.28, abs=0.01)
    assert judge(made(0.1, 0.1), ONE_PERCENT, 0.1, 1).more_processes is None


def test_the_floor_is_the_twins_larger_end() -> None:
    """Its 90 % interval, whichever side."""
    assert floor_of(made(-0.02, 0.01)) == pytest.approx(0.0365, abs=0.001)
    assert floor_of(None) is None


@pytest.mark.parametrize(
    ("text", "ns"), [("0.05ns", 0.05), ("1%", 0.1), (" 2 % ", 0.2), ("0.3", 0.3), (".5ns", 0.5)]
)
def test_margins_are_read(text: str, ns: float) -> None:
    """ns, percent of base, or a bare number of ns."""
    assert Margin.parse(text).ns(10.0) == pytest.approx(ns)


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "1e3", "0%", "1 s", "1%%", "99999999"])
def test_other_margins_are_refused(text: str) -> None:
    """With a message that shows what a margin looks like."""
    with pytest.raises(ValueError, match=r"0\.05ns or 1%"):
        Margin.parse(text)
