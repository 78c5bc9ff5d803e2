"""The estimate on simulated runs whose truth is known, and the verdict's edges."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.vocabulary.margin import Margin
from results.analysis.estimate import Interval, Levels, Noise, Overhead, Spread, overhead, student
from results.analysis.groups import Group, analyse
from results.analysis.verdict import chance, floor_of, holm, judge
from results.reading.load import Arm, MeasuredScenario, Process, Run, load
from tests.runfile import CYCLE_NS, Arms, FakeHost, FakeRun, Steps, document, scenario_of, write

V1 = Arm("v1", "jump-label")
PAIR: Arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0, ("v1", "jump-label"): 0.25}
STILL = FakeHost(noise=0.0002, between=0.0001)
ONE_PERCENT = Margin(1.0, percent=True)


def estimate(scenario: MeasuredScenario, arm: Arm = V1) -> Overhead:
    """One arm over its base."""
    cost = overhead(scenario, arm, Levels(scenario))
    assert cost is not None
    return cost


def group_of(scenario: MeasuredScenario, margin: Margin = ONE_PERCENT) -> Group:
    """The scenario, judged."""
    (group,) = analyse(Run("", {}, [scenario]), margin)
    return group


def test_a_simulated_scenario_is_what_a_file_would_give(tmp_path: Path) -> None:
    """Else simulations in memory would prove nothing about files."""
    for session in (
        FakeRun(PAIR),
        FakeRun(PAIR, builds=0),
        FakeRun(PAIR, builds=24, blocks=3),
    ):
        (read,) = load(write(tmp_path / "run.json", document(session))).scenarios
        made = scenario_of(session)
        assert (read.name, read.arms, read.slots) == (made.name, made.arms, made.slots)
        for first, second in zip(read.processes, made.processes, strict=True):
            assert (first.builds, first.per_block) == (second.builds, second.per_block)
            assert all(np.allclose(first.ns[arm], second.ns[arm], atol=0.001) for arm in first.ns)
            assert (first.bare is None) == (second.bare is None)


def test_a_level_that_a_quarter_of_the_builds_have_is_in_the_mean() -> None:
    """Zero or one cycle: the estimate is their mean, the share that pays is said, none is trimmed."""
    arms = dict(PAIR) | {("v1", "jump-label"): 0.0}
    steps: Steps = {("v1", "jump-label"): (0.0, 0.0, CYCLE_NS, 0.0, 0.0, 0.0, CYCLE_NS, 0.0)}
    scenario = scenario_of(FakeRun(arms, machine=STILL, steps=steps))
    cost = estimate(scenario)
    assert cost.ns == pytest.approx(CYCLE_NS / 4, abs=0.003)
    assert cost.cycles == pytest.approx(0.25, abs=0.012)
    assert (cost.spread.paying, cost.spread.saving) == (0.25, 0.0)
    assert cost.spread.by_build == pytest.approx(np.array(steps["v1", "jump-label"]), abs=0.01)
    assert cost.spread.sd_ns == pytest.approx(CYCLE_NS * np.sqrt(3) / 4, abs=0.005)
    assert judge(cost, Margin(0.05, percent=False), 0.01).verdict == "costs"
    assert judge(cost, Margin(0.05, percent=False), 0.1).verdict == "undecided"


def test_builds_that_cost_and_builds_that_save_are_told_apart() -> None:
    """Their mean may be nothing while no build pays nothing."""
    arms = dict(PAIR) | {("v1", "jump-label"): 0.0}
    steps: Steps = {("v1", "jump-label"): (CYCLE_NS, -CYCLE_NS) * 4}
    cost = estimate(scenario_of(FakeRun(arms, machine=STILL, steps=steps)))
    assert cost.ns == pytest.approx(0.0, abs=0.003)
    assert (cost.spread.paying, cost.spread.saving) == (0.5, 0.5)


def test_a_run_from_before_builds_is_one_build(tmp_path: Path) -> None:
    """It is read, says so, and claims no spread over builds."""
    (scenario,) = load(write(tmp_path / "run.json", document(FakeRun(PAIR, builds=0)))).scenarios
    group = group_of(scenario)
    assert [warning for warning in group.warnings if warning.startswith("one build:")]
    for cell in group.cells:
        cost = cell.overhead
        assert (cost.spread.builds, cost.spread.sd_ns, cost.spread.paying, cost.cycles) == (
            1,
            None,
            None,
            None,
        )
    assert group.cells[1].overhead.ns == pytest.approx(0.25, abs=0.05)
    assert not [w for w in group_of(scenario_of(FakeRun(PAIR))).warnings if w.startswith("one build:")]


def test_a_cost_above_the_noise_is_found() -> None:
    """+0.25 ns on 15, with the noise of a quiet machine: found in at least 19 of 20 sessions."""
    seen = 0
    for seed in range(40):
        group = group_of(scenario_of(FakeRun(PAIR, seed=seed, machine=FakeHost(spikes=0.3))))
        seen += group.cells[1].judgement.verdict == "costs"
    assert seen >= 38


def test_drift_and_spikes_cancel_in_the_pair() -> None:
    """A level that moves by half moves the estimate by less than its interval."""
    calm, rough = (
        estimate(scenario_of(FakeRun(PAIR, machine=machine)))
        for machine in (FakeHost(), FakeHost(drift=0.01, spikes=0.3))
    )
    low, high = rough.interval_ns(0.99) or (0.0, 0.0)
    assert low <= calm.ns <= high


def changed(process: Process, factor: float, arms: tuple[Arm, ...] = ()) -> Process:
    """A process in which these arms, or all of them and the reference, take so many times as long."""
    ns = {arm: cells * (factor if not arms or arm in arms else 1) for arm, cells in process.ns.items()}
    bare = process.bare if arms or process.bare is None else process.bare * factor
    return replace(process, ns=ns, bare=bare)


@pytest.mark.parametrize("builds", [8, 0])
def test_quiet_blocks_are_chosen_without_looking_at_one_arm(builds: int) -> None:
    """By base as compiled, or (older files) by the mean over all arms: a slow arm moves no block."""
    scenario = scenario_of(FakeRun(PAIR, machine=FakeHost(spikes=0.4), builds=builds))
    slow = replace(scenario, processes=[changed(p, 1.5, (V1,)) for p in scenario.processes])
    masks = [[Levels(s).quiet(p).tolist() for p in s.processes] for s in (scenario, slow)]
    assert masks[0] == masks[1]
    assert not all(map(all, masks[0]))


def test_quiet_is_told_by_the_reference_and_not_by_the_builds() -> None:
    """Blocks in which every arm is half as slow again stay when the reference says the machine was quiet."""
    scenario = scenario_of(FakeRun(PAIR))
    for process in scenario.processes:
        for cells in process.ns.values():
            cells[: process.per_block] *= 1.5
    assert all(Levels(scenario).quiet(process).all() for process in scenario.processes)
    busy = scenario_of(FakeRun(PAIR))
    for process in busy.processes:
        assert process.bare is not None
        process.bare[0] *= 1.5
    assert all(Levels(busy).quiet(process).tolist() == [False] + [True] * 7 for process in busy.processes)


def test_the_level_as_compiled_is_that_of_the_quiet_machine() -> None:
    """Percentages and margins do not grow because others took the machine for a third of the time."""
    cost = estimate(scenario_of(FakeRun(PAIR, blocks=20, machine=FakeHost(spikes=0.3, noise=0.001))))
    assert cost.bare_ns == pytest.approx(15.0, rel=0.01)


def test_one_fast_process_does_not_make_the_others_busy() -> None:
    """A process whose clock ran otherwise, or that was lucky: the other seven count as before."""
    scenario = scenario_of(FakeRun(PAIR))
    scenario.processes[0] = changed(scenario.processes[0], 0.8)
    levels = Levels(scenario)
    assert not levels.lacks_quiet and all(levels.chosen(process).all() for process in scenario.processes[1:])
    assert estimate(scenario).processes == 8


def test_fewer_used_than_measured_processes_is_said() -> None:
    """With both numbers: an interval over seven of eight is not one over eight."""
    scenario = scenario_of(FakeRun(PAIR))
    scenario.processes[3] = changed(scenario.processes[3], 1.3)
    group = group_of(scenario)
    assert {cell.overhead.processes for cell in group.cells} == {7}
    assert [w for w in group.warnings if "figures rest on 7 of 8 processes" in w]


def test_a_busy_machine_is_said_to_be_one(tmp_path: Path) -> None:
    """A run that was made while others took the CPUs says so in every table."""
    data = document(FakeRun(PAIR))
    for bench in data["benchmarks"]:
        for run in bench["runs"]:
            run["metadata"]["busy_pct"] = 60.0
    (group,) = analyse(load(write(tmp_path / "run.json", data)), ONE_PERCENT)
    assert group.warnings == ["measured under heavy load: others took 60 % of the CPUs"]


def test_clocks_that_disagree_are_said_to(tmp_path: Path) -> None:
    """A process whose counter was misread states every time wrongly."""
    data = document(FakeRun(PAIR))
    for bench in data["benchmarks"]:
        bench["runs"][2]["metadata"]["ticks_per_ns"] = 2.6
    (group,) = analyse(load(write(tmp_path / "run.json", data)), ONE_PERCENT)
    assert group.warnings == ["the clock ran at 2.5000 to 2.6000 ticks per ns: times of its processes differ"]


def test_student_is_the_textbooks() -> None:
    """Nothing is cut from either end."""
    from scipy import stats

    values = np.array([1.0, 2.0, 4.0, 800.0])
    interval = student(values)
    assert interval.mean == values.mean()
    expected = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    half = interval.half(0.95)
    assert half is not None and interval.mean - half == pytest.approx(expected[0])


def test_one_process_has_no_interval() -> None:
    """Never a fake one."""
    group = group_of(scenario_of(FakeRun(processes=1)))
    assert all(cell.judgement.ci95 is None and cell.judgement.verdict == "undecided" for cell in group.cells)
    assert group.floor_ns is None and "one process only" in group.warnings[0]


def made(ns: float, error_ns: float | None, base_ns: float = 10.0, **others: Any) -> Overhead:
    """An overhead with a given error and 1000 degrees of freedom."""
    relative = None if error_ns is None else error_ns / base_ns
    interval = Interval(float(np.log1p(ns / base_ns)), relative, 1000)
    none = np.zeros(0)
    spread = Spread(8, None, None, None, none, none, none)
    base, noise = Arm("base", "none"), Noise(0, 0, 0)
    return Overhead(V1, base, base_ns, base_ns, interval, noise, spread, none, None, 16, 100, 256, **others)


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
        (0.0, 0.01, 0.09, "negligible"),
        (0.0, 0.01, 0.11, "undecided"),  # what the floor hides may be larger than the margin
        (0.05, None, 0.0, "undecided"),
    ],
)
def test_the_rule_at_its_edges(ns: float, error_ns: float | None, floor: float, verdict: str) -> None:
    """Margin 0.1 ns; a single cell, so no correction."""
    assert judge(made(ns, error_ns), ONE_PERCENT, floor).verdict == verdict


def test_two_levels_are_never_negligible() -> None:
    """A mean of what some processes pay and others do not is no statement about any."""
    assert judge(made(0.0, 0.01, levels=(-0.02, 0.06)), ONE_PERCENT, 0.01).verdict == "undecided"


def test_a_smaller_error_asks_for_more() -> None:
    """What one cell could claim, one that is allowed a hundredth of the error cannot."""
    cost = made(0.25, 0.1)
    assert judge(cost, ONE_PERCENT, 0.0).verdict == "costs"
    judged = judge(cost, ONE_PERCENT, 0.0, 0.0005)
    assert judged.verdict == "undecided"
    assert judged.ci95_corrected is not None and judged.ci95 is not None
    assert judged.ci95_corrected[0] < judged.ci95[0]


def test_looks_ask_for_more() -> None:
    """`negligible` too: its error is shared over the looks, as that of a claim is."""
    assert judge(made(0.08, 0.01), ONE_PERCENT, 0.01, looks=0).verdict == "negligible"
    assert judge(made(0.08, 0.01), ONE_PERCENT, 0.2, looks=2).verdict == "undecided"


@pytest.mark.parametrize(
    ("chances", "errors"),
    [
        ([0.001, 0.02, 0.5], [0.05 / 3, 0.05 / 2, 0.05]),
        ([0.5, 0.001, 0.02], [0.05, 0.05 / 3, 0.05 / 2]),
        ([0.001, 0.03, 0.04], [0.05 / 3, 0.05 / 2, 0.05 / 2]),  # the second stops it
        ([0.02, 0.03, 0.04], [0.05 / 3] * 3),
        ([0.04], [0.05]),
        ([], []),
    ],
)
def test_holms_step_down(chances: list[float], errors: list[float]) -> None:
    """By hand: the smallest against a third, the next against a half, until one does not pass."""
    assert holm(chances) == pytest.approx(errors)
    halves = [each / 2 for each in chances]
    assert holm(halves, looks=1) == pytest.approx([error / 2 for error in errors])


@pytest.mark.parametrize("ns", [0.15, -0.15, 0.3, -0.3, 0.02])
@pytest.mark.parametrize("error_ns", [0.01, 0.05, 0.1])
def test_chance_and_interval_agree(ns: float, error_ns: float) -> None:
    """An arm passes Holm's step exactly when its corrected interval lies beyond the floor."""
    cost = made(ns, error_ns)
    for error in (0.05, 0.01, 0.001):
        claims = judge(cost, Margin(1e-6, percent=False), 0.05, error).verdict in ("costs", "saves")
        assert claims == (chance(cost, 0.05) < error)


def test_what_else_is_in_the_file_decides_nothing() -> None:
    """Another scenario, however full of costs, changes no verdict and no interval of the first."""
    alone = scenario_of(FakeRun(seed=3))
    other = scenario_of(FakeRun(seed=4, axes={"memcg": "disabled"}))
    run = Run("", {}, [alone, other])
    before, after = group_of(alone), analyse(run, ONE_PERCENT)[0]
    assert [cell.judgement for cell in before.cells] == [cell.judgement for cell in after.cells]


def test_undecided_says_what_would_settle_it() -> None:
    """Halving the error takes about four times the processes; on the boundary no number helps."""
    judged = judge(made(0.15, 0.1), ONE_PERCENT, 0.0)
    assert judged.more_processes is not None and 8 <= judged.more_processes <= 64
    assert judge(made(0.1, 0.1), ONE_PERCENT, 0.1).more_processes is None


@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_what_a_run_would_have_seen_is_beyond_the_floor(floor: float) -> None:
    """Floor + (t of the corrected error + t of 80 %) standard errors, and four of five runs do see it."""
    judged = judge(made(0.15, 0.1), ONE_PERCENT, floor)
    assert judged.detectable_ns == pytest.approx(floor + (1.962 + 0.842) * 0.1, abs=0.001)
    rng = np.random.default_rng(1)
    seen = [
        judge(made(ns, 0.1), Margin(1e-6, percent=False), floor).verdict == "costs"
        for ns in (judged.detectable_ns or 0.0) + 0.1 * rng.standard_normal(1000)
    ]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.04)


def test_a_strangers_looks_end_in_no_advice() -> None:
    """An error so small that its quantile is infinite."""
    assert judge(made(0.15, 0.1), ONE_PERCENT, 0.0, 1e-18).more_processes is None


def test_the_floor_is_the_twins_larger_end() -> None:
    """Its 90 % interval, whichever side."""
    assert floor_of(made(-0.02, 0.01)) == pytest.approx(0.0365, abs=0.001)
    assert floor_of(None) is None


def test_nops_of_other_lengths_raise_the_floor() -> None:
    """They take the same slot: how far they lie apart is what layout alone can feign."""
    arms: Arms = dict(PAIR) | {(f"nop-bytes-{k}", "none"): 0.05 for k in range(1, 10)}
    quiet = group_of(scenario_of(FakeRun(arms, machine=STILL)))
    assert quiet.layout_floor_ns is not None and quiet.layout_floor_ns < 0.005
    arms[("nop-bytes-5", "none")] = 0.35
    group = group_of(scenario_of(FakeRun(arms, machine=STILL)))
    assert group.layout_floor_ns == pytest.approx(0.3 * 8 / 9, abs=0.01)
    assert group.floor_ns == group.layout_floor_ns
    v1 = next(cell for cell in group.cells if cell.overhead.arm == V1)
    assert v1.judgement.verdict == "undecided"
    assert group_of(scenario_of(FakeRun(PAIR))).layout_floor_ns is None


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


def with_slots(data: dict[str, Any], scenario: str, cycles_per_slot: list[float]) -> None:
    """Say how many cycles a dispatched NOP took in each block of one scenario's processes."""
    text = " ".join(f"{cycles * CYCLE_NS:.5f}" for cycles in cycles_per_slot)
    for bench in data["benchmarks"]:
        if bench["metadata"]["memcg"] == scenario:
            for run in bench["runs"]:
                run["metadata"]["slot_ns"] = text


def test_a_hidden_sibling_is_seen_by_what_is_dispatched(tmp_path: Path) -> None:
    """A scenario that was busy throughout is told by another that was not; single blocks are set aside."""
    sessions = [FakeRun(arms=PAIR, seed=n, axes={"memcg": m}) for n, m in enumerate(("on-idle", "on-active"))]
    data = document(*sessions)
    with_slots(data, "on-idle", [0.15] * 6 + [0.22] * 2)
    with_slots(data, "on-active", [0.22] * 8)
    quiet, busy = load(write(tmp_path / "run.json", data)).scenarios
    assert quiet.quiet_level == busy.quiet_level == pytest.approx(0.15, rel=0.01)
    assert [Levels(quiet).chosen(p).tolist() for p in quiet.processes] == [[True] * 6 + [False] * 2] * 8
    assert not Levels(quiet).lacks_quiet and Levels(busy).lacks_quiet
    (first, second) = analyse(load(tmp_path / "run.json"), ONE_PERCENT)
    assert (first.condition, second.condition) == ("alone", "shared")
    assert [*first.cells[1].conditions] == ["alone", "shared"] and [*second.cells[1].conditions] == ["shared"]
    assert "beside a busy sibling" not in " ".join(first.warnings)
    assert "the figures are those beside a busy sibling" in " ".join(second.warnings)


@pytest.mark.parametrize(("level", "others"), [(0.22, "shared"), (0.17, None)])
def test_three_quiet_processes_carry_a_figure_and_two_do_not(
    level: float, others: str | None, tmp_path: Path
) -> None:
    """With fewer, those beside a sibling are the headline; with neither all are used, and it is said."""
    for quiet in (3, 2):
        data = document(FakeRun(arms=PAIR))
        with_slots(data, "on-idle", [level] * 8)
        for bench in data["benchmarks"]:
            for run in bench["runs"][:quiet]:
                run["metadata"]["slot_ns"] = " ".join([f"{0.15 * CYCLE_NS:.5f}"] * 8)
        (group,) = analyse(load(write(tmp_path / f"{quiet}.json", data)), ONE_PERCENT)
        used = 3 if quiet == 3 else 6 if others else 8
        assert {cell.overhead.processes for cell in group.cells} == {used}
        assert (group.condition, group.busy) == ("alone" if quiet == 3 else others, used == 8)
        assert (used == 8) == any("heavy load" in text for text in group.warnings)
        assert (used < 8) == any(f"{used} of 8 processes" in text for text in group.warnings)
