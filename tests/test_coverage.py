"""Runs simulated by the hundred: coverage, false alarms, power. `pytest -s -k coverage` prints the counts."""

import numpy as np
import pytest

from model.vocabulary.margin import Margin
from results.analysis.estimate import LEVEL_GAPS, Levels, overhead, two_levels
from results.analysis.groups import analyse
from results.analysis.verdict import CONFIDENCE, judge
from results.reading.load import Arm, Run
from tests.runfile import HEADLINE, Arms, FakeHost, FakeRun, scenario_of

pytestmark = pytest.mark.soak
V1 = Arm("v1", "jump-label")
PAIR: Arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0, ("v1", "jump-label"): 0.25}
NOTHING: Arms = {(name, "none"): 0.0 for name in ("base", "base-twin", "a", "b", "c", "d", "e", "f")}
MACHINES = {
    "quiet": FakeHost(),
    "drift": FakeHost(drift=0.004),
    "bursts of load": FakeHost(spikes=0.3),
    "heavy tails": FakeHost(tails=True, noise=0.004),
    "between processes": FakeHost(between=0.004),
    "one build in ten pays 10 ns": FakeHost(rare=0.1),
}
BUILDS = {"one build in ten pays 10 ns": 24}
"""As a real run has them, for the share of rare builds differs less between processes then."""
SESSIONS = 150
TABLES_AT_MOST = 66
"""Cells of a quick run, over which Bonferroni's correction used to be."""


def covered(session: FakeRun) -> dict[str, int]:
    """How many of `SESSIONS` intervals contain the truth, for v1 and for the twin."""
    hits = {"v1": 0, "base-twin": 0}
    for seed in range(SESSIONS):
        session.seed = seed
        scenario = scenario_of(session)
        levels = Levels(scenario)
        for arm in scenario.arms[1:]:
            estimate = overhead(scenario, arm, levels)
            interval = estimate.interval_ns(0.95) if estimate else None
            truth = session.truth((arm.variant, arm.gate))
            hits[arm.variant] += interval is not None and interval[0] <= truth <= interval[1]
    return hits


@pytest.mark.parametrize("processes", [6, pytest.param(8, marks=pytest.mark.reliability)])
@pytest.mark.parametrize("name", MACHINES)
def test_coverage(name: str, processes: int) -> None:
    """The 95 % interval contains the truth in at least 93 % of sessions, less twice the sampling error."""
    session = FakeRun(PAIR, processes, machine=MACHINES[name], builds=BUILDS.get(name, 8))
    hits = covered(session)
    said = ", ".join(f"{arm} {count} of {SESSIONS}" for arm, count in hits.items())
    print(f"\ncoverage, {name}, {processes} processes: {said}")
    assert min(hits.values()) / SESSIONS >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / SESSIONS)


@pytest.mark.parametrize(
    "processes", [*(pytest.param(few, marks=pytest.mark.reliability) for few in (6, 16)), 40]
)
def test_coverage_where_one_process_in_four_is_slow(processes: int) -> None:
    """Two levels of processes: with few processes no interval can know of a level it has not met.

    What `docs/methodology.md` warns of, kept here as a figure; more processes must mend it.
    """
    hits = covered(FakeRun(PAIR, processes, machine=FakeHost(slow=0.25, rare_ns=1.2)))["v1"]
    print(f"\ncoverage, one process in four is slow, {processes} processes: v1 {hits} of {SESSIONS}")
    if processes >= 40:
        assert hits / SESSIONS >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / SESSIONS)


@pytest.mark.parametrize("name", [name for name in MACHINES if not MACHINES[name].rare])
def test_coverage_of_nothing_is_no_alarm(name: str) -> None:
    """Arms equal to base: at most one table in twenty claims anything, less twice the sampling error."""
    alarms = 0
    for seed in range(SESSIONS):
        scenario = scenario_of(FakeRun(NOTHING, 6, seed=1000 + seed, machine=MACHINES[name]))
        (group,) = analyse(Run("", {}, [scenario]), Margin(0.001, percent=False))
        verdicts = {c.judgement.verdict for c in group.cells if c.overhead.arm.variant != "base-twin"}
        alarms += bool(verdicts & {"costs", "saves"})
    print(f"\nfalse alarms, {name}: {alarms} of {SESSIONS} tables of six arms")
    assert alarms / SESSIONS <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / SESSIONS)


def test_holm_over_a_scenario_finds_more_than_bonferroni_over_a_file() -> None:
    """Six processes, a cost of some five standard errors: what the step-down gains."""
    arms = dict(HEADLINE) | {arm: 0.06 for arm in HEADLINE if arm[0] in ("v1", "load", "load-compare")}
    margin = Margin(0.005, percent=False)
    holm = bonferroni = cells = 0
    for seed in range(SESSIONS):
        machine = FakeHost(between=0.0015, noise=0.001)
        (group,) = analyse(Run("", {}, [scenario_of(FakeRun(arms, 6, seed=seed, machine=machine))]), margin)
        for cell in group.cells:
            overhead = cell.overhead
            if arms[overhead.arm.variant, overhead.arm.gate] != 0.06:
                continue
            narrow = (1 - CONFIDENCE) / TABLES_AT_MOST
            cells += 1
            holm += cell.judgement.verdict == "costs"
            bonferroni += judge(overhead, margin, group.floor_ns, narrow).verdict == "costs"
    print(f"\npower at 6 processes: Holm {holm}, Bonferroni over 66 cells {bonferroni}, of {cells}")
    assert holm > bonferroni


@pytest.mark.parametrize("count", LEVEL_GAPS)
def test_one_level_is_rarely_taken_for_two(count: int) -> None:
    """Normal processes: the table's 1 in 1,000, redrawn 4,000 times, and not never."""
    rng = np.random.default_rng(count)
    mistaken = sum(two_levels(row) is not None for row in rng.standard_normal((4000, count)))
    print(f"\ntwo levels seen in {mistaken} of 4,000 sets of {count} normal processes")
    assert 0 < mistaken <= 4 + 3 * 2


@pytest.mark.parametrize("processes", [16, 24, 40])
def test_a_slow_quarter_of_the_processes_is_found_and_never_negligible(processes: int) -> None:
    """3:1 mixtures 1.2 ns apart: seen whenever both levels are there, whatever the margin."""
    for seed in range(40):
        machine = FakeHost(slow=0.25, rare_ns=1.2)
        scenario = scenario_of(FakeRun(PAIR, processes, seed=seed, machine=machine))
        estimate = overhead(scenario, V1, Levels(scenario))
        assert estimate is not None
        slow = int((estimate.per_process > 0.85).sum())
        if slow in (0, processes):
            continue
        assert estimate.levels == pytest.approx((0.25, 1.45), abs=0.1), seed
        assert judge(estimate, Margin(100.0, percent=False), 0.0).verdict != "negligible"
