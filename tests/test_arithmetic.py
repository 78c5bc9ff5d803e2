"""The statistics by arithmetic: small processes made by hand, figures worked out another way.

Yuen's interval and its winsorised variance are gone since figures are means over builds (decision 4); what
took their place, Student's t over processes, is compared with SciPy here.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from model.vocabulary.margin import Margin
from results.analysis.estimate import (
    LEVEL_GAPS,
    Interval,
    Levels,
    Noise,
    Overhead,
    Spread,
    expm1,
    overhead,
    student,
    two_levels,
    variances,
)
from results.analysis.verdict import MOST_PROCESSES, chance, judge
from results.reading.load import Arm, MeasuredScenario, Process

BASE, V1 = Arm("base", "none"), Arm("v1", "jump-label")
AXES = {"memcg": "on-idle"}


def process(number: int, base: Any, v1: Any, **more: Any) -> Process:
    """One that measured both arms; cells as given, ns per page."""
    ns = {BASE: np.array(base, float), V1: np.array(v1, float)}
    places = more.pop("placements", {BASE: np.zeros(0), V1: np.zeros(0)})
    stacks = more.pop("stacks", {BASE: np.zeros(0), V1: np.zeros(0)})
    more.setdefault("facts", {"cycle_ns": 0.25})
    return Process(f"p{number}", ns, {**places}, {**stacks}, **more)


def scenario(*processes: Process, quiet: float | None = None) -> MeasuredScenario:
    """Of these processes."""
    return MeasuredScenario("on-idle", AXES, [BASE, V1], list(processes), quiet_level=quiet)


def estimated(*processes: Process, quiet: float | None = None) -> Overhead:
    """V1 over base."""
    whole = scenario(*processes, quiet=quiet)
    result = overhead(whole, V1, Levels(whole))
    assert result is not None
    return result


def test_the_overhead_is_a_mean_of_log_ratios_over_processes() -> None:
    """As SciPy has it, from each process's two means."""
    rng = np.random.default_rng(3)
    cells = [(rng.normal(20, 0.1, 8), rng.normal(20.5, 0.1, 8)) for _ in range(7)]
    result = estimated(*(process(n, *pair, per_block=4) for n, pair in enumerate(cells)))
    ratios = np.array([np.log(v1.mean() / base.mean()) for base, v1 in cells])
    base_ns = np.mean([base.mean() for base, _ in cells])
    low, high = stats.t.interval(0.95, 6, ratios.mean(), stats.sem(ratios))
    assert result.base_ns == pytest.approx(base_ns)
    assert result.ns == pytest.approx(math.expm1(ratios.mean()) * base_ns)
    assert result.interval_ns(0.95) == pytest.approx((math.expm1(low) * base_ns, math.expm1(high) * base_ns))
    assert result.error_ns == pytest.approx(stats.sem(ratios) * base_ns)
    assert result.per_process == pytest.approx(np.expm1(ratios) * base_ns)
    assert (result.processes, result.blocks, result.log_ratio.freedom) == (7, 14, 6)
    assert result.cycle_ns == 0.25 and result.cycles == pytest.approx(result.ns / 0.25)
    assert result.pct == pytest.approx(100 * result.ns / result.bare_ns)


def test_percent_is_of_base_as_compiled() -> None:
    """Of the median over processes, not of the mean over builds."""
    bare = [np.full(2, 40.0), np.full(2, 50.0), np.full(2, 70.0)]
    result = estimated(
        *(process(n, [20.0] * 4, [21.0] * 4, per_block=2, bare=row) for n, row in enumerate(bare)),
        quiet=None,
    )
    assert result.bare_ns == 50.0 or result.bare_ns == 45.0
    assert result.pct == pytest.approx(100 * 1.0 / result.bare_ns)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_student(count: int) -> None:
    """Mean, standard error, degrees of freedom; a single value has no error and no freedom."""
    values = np.sqrt(np.arange(count, dtype=np.float64))
    interval = student(values)
    assert interval.mean == pytest.approx(values.mean()) and interval.freedom == count - 1
    assert interval.error == (None if count == 1 else pytest.approx(stats.sem(values)))
    half = interval.half(0.9)
    assert (
        half is None
        if count == 1
        else half == pytest.approx(stats.t.ppf(0.95, count - 1) * stats.sem(values))
    )


def test_what_is_too_large_is_infinite() -> None:
    """And what is not is exact."""
    assert expm1(699.5) == math.expm1(699.5) and expm1(700.5) == math.inf and expm1(1e9) == math.inf


def test_variances_of_rows() -> None:
    """Sample variance, 0 for one value, rows alike or not."""
    rows = [np.array([1.0, 3.0]), np.array([2.0, 2.0, 5.0]), np.array([7.0])]
    assert variances(rows).tolist() == [2.0, 3.0, 0.0]
    assert variances(rows[:1]).tolist() == [2.0]
    assert variances([np.array([7.0]), np.array([8.0])]).tolist() == [0.0, 0.0]
    assert variances([rows[0], rows[0] * 2]).tolist() == [2.0, 8.0]


def test_two_levels_and_where_they_lie() -> None:
    """Six processes: a gap of 16.3 spreads within the sides; the sides' means."""
    low, high = np.array([1.0, 1.1, 1.2]), np.array([9.0, 9.1, 9.2])
    values = np.concatenate([high, low])
    assert two_levels(values) == pytest.approx((1.1, 9.1))
    spread = math.sqrt((low.var() * 3 + high.var() * 3) / 4)
    at = LEVEL_GAPS[6] * spread + 0.2  # from 1.2 to where the upper side begins: the gap is at - 0.2
    just_more, just_less = high - 9.0 + 1.2 + at - 0.2 + 0.01, high - 9.0 + 1.2 + at - 0.2 - 0.01
    assert two_levels(np.concatenate([low, just_more])) is not None
    assert two_levels(np.concatenate([low, just_less])) is None
    assert two_levels(values, least=7.7) is not None and two_levels(values, least=7.9) is None
    assert two_levels(values[1:]) is None, "five say nothing"
    assert two_levels(np.full(8, 2.0)) is None, "nor do equal ones"


@pytest.mark.parametrize("count", LEVEL_GAPS)
def test_one_normal_set_in_a_thousand_has_such_a_gap(count: int) -> None:
    """The largest gap over the spread within its sides, drawn anew, exceeds the table's in 0.1 %."""
    rows = np.sort(np.random.default_rng(count).standard_normal((20_000, count)), axis=1)
    gaps = np.diff(rows, axis=1)
    at = gaps.argmax(axis=1)
    sums, squares = np.cumsum(rows, axis=1), np.cumsum(rows**2, axis=1)
    row = np.arange(len(rows))
    left, total, whole = at + 1, sums[:, -1], squares[:, -1]
    inside = squares[row, at] - sums[row, at] ** 2 / left
    inside += (whole - squares[row, at]) - (total - sums[row, at]) ** 2 / (count - left)
    share = (gaps[row, at] / np.sqrt(inside / (count - 2)) > LEVEL_GAPS[count]).mean()
    assert 0.0004 < share < 0.0022


def quiet_run(*busy: int, of: int = 6, level: float = 1.5) -> MeasuredScenario:
    """Processes of four blocks that dispatch at the quiet level, but for so many at another in each."""
    rows = []
    for number in range(of):
        slots = np.full(4, 1.0)
        slots[: busy[number] if number < len(busy) else 0] = level
        rows.append(process(number, [20.0] * 4, [20.5] * 4, slot_cycles=slots, per_block=1))
    return scenario(*rows, quiet=1.0)


@pytest.mark.parametrize(
    ("busy", "of", "lacks"),
    [
        *(((4, 4, 4, 0, 0, 0), 6, False), ((4, 4, 4, 4, 0, 0), 6, True), ((4, 0), 2, False)),
        *(((4, 4), 2, True), ((4, 4, 0, 0), 4, False), ((4, 4, 4, 0), 4, True), ((4, 4, 0), 3, True)),
    ],
)
@pytest.mark.parametrize(("level", "condition"), [(1.5, "shared"), (1.2, None), (3.5, None)])
def test_how_many_quiet_processes_make_a_figure(
    busy: tuple[int, ...], of: int, lacks: bool, level: float, condition: str | None
) -> None:
    """Three, or of fewer than six half, rounded up; without them those beside a sibling, or every block."""
    run = quiet_run(*busy, of=of, level=level)
    levels = Levels(run)
    whole = sum(count == 4 for count in busy)
    assert levels.lacks_quiet is lacks
    assert levels.condition == (condition if lacks else "alone")
    assert levels.quiet_share == pytest.approx(1 - sum(busy) / (4 * of))
    used = levels.used(run.processes)
    assert len(used) == (of - whole if not lacks else whole if condition else of)
    asked = Levels(run, "shared").used(run.processes)
    assert len(asked) == (whole if condition else 0)


@pytest.mark.parametrize(("level", "quiet"), [(1.0, True), (1.0799, True), (1.0801, False), (1.2, False)])
def test_quiet_is_within_eight_percent(level: float, quiet: bool) -> None:
    """Of the file's quiet level."""
    whole = quiet_run()
    subject = process(9, [20.0], [20.5], slot_cycles=np.array([level]))
    whole.processes.append(subject)
    assert bool(Levels(whole).quiet(subject)[0]) is quiet


@pytest.mark.parametrize(
    ("blocks", "quiet", "enough"), [(4, 1, False), (4, 2, True), (2, 1, True), (1, 1, True)]
)
def test_two_quiet_blocks_make_a_process(blocks: int, quiet: int, enough: bool) -> None:
    """Or half of a few."""
    assert Levels._enough(np.arange(blocks) < quiet) is enough


def test_older_files_have_a_level_too() -> None:
    """Base as compiled, or the mean over all arms; the quiet level is the quartile of the processes' own."""
    rows = [process(n, [20.0 + n] * 4, [22.0 + n] * 4, per_block=2) for n in range(4)]
    levels = Levels(scenario(*rows))
    assert [levels.of[id(row)].tolist() for row in rows] == [[21.0 + n] * 2 for n in range(4)]
    assert levels.quiet_level == pytest.approx(np.percentile([21.0, 22.0, 23.0, 24.0], 25))
    bare = process(5, [20.0] * 4, [22.0] * 4, per_block=2, bare=np.array([18.0, 19.0]))
    assert Levels(scenario(bare)).of[id(bare)].tolist() == [18.0, 19.0]
    slots = process(
        6, [20.0] * 4, [22.0] * 4, per_block=2, bare=np.array([18.0, 19.0]), slot_cycles=np.ones(2)
    )
    assert Levels(scenario(slots)).of[id(slots)].tolist() == [18.0, 19.0], "no level of the file"


def test_the_spread_over_builds() -> None:
    """Two phases of two cells: mean by phase, sd over all cells, shares beyond half a cycle of 0.25 ns."""
    steps = np.array([0.0, 0.125, 0.2, -0.3])
    rows = [process(n, [20.0] * 4, 20.0 + steps, per_block=4, builds=2) for n in range(3)]
    spread = estimated(*rows).spread
    assert spread.builds == 2
    assert spread.by_build == pytest.approx([0.0625, -0.05])
    assert spread.sd_ns == pytest.approx(np.tile(steps, 3).std(ddof=1))
    assert (spread.paying, spread.saving) == (0.25, 0.25), "0.125 is half a cycle, not beyond it"
    one = estimated(*(process(n, [20.0] * 2, [20.5] * 2, per_block=2, builds=1) for n in range(3))).spread
    assert one.sd_ns is None and one.paying == 1.0


def test_without_a_cycle_nobody_is_said_to_pay() -> None:
    """And one process without it is enough: its builds would be counted by the clock of other processes."""
    rows = [process(n, [20.0] * 4, [20.5] * 4, per_block=4) for n in range(3)]
    rows[1].facts = {}
    result = estimated(*rows)
    assert result.cycle_ns is None and result.cycles is None
    assert (result.spread.paying, result.spread.saving) == (None, None)


def test_the_stacks_places() -> None:
    """Mean over processes; nothing where one lacks a place."""
    stacks = [{BASE: np.array([20.0, 20.0]), V1: np.array([20.0, 21.0 + n])} for n in range(2)]
    rows = [process(n, [20.0] * 2, [20.5] * 2, stacks=row) for n, row in enumerate(stacks)]
    assert estimated(*rows).spread.by_stack.tolist() == [0.0, 1.5]
    rows[1].stacks[V1] = np.array([20.0])
    assert estimated(*rows).spread.by_stack.tolist() == []
    rows[1].stacks = {BASE: np.array([20.0]), V1: np.array([21.0])}
    assert estimated(*rows).spread.by_stack.tolist() == []


def test_noise_within_between_and_of_one_placement() -> None:
    """Within: the blocks' own error, pooled; between: the scatter beyond it; placement: pooled sd."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(5):
        v1 = 20.0 * np.exp(rng.normal(0.01 * number, 0.001, 6))
        sides = {BASE: rng.normal(20, 0.2, 4), V1: rng.normal(20, 0.4, 4)}
        rows.append(process(number, [20.0] * 6, v1, per_block=2, placements=sides))
    noise = estimated(*rows).noise
    ratios = [np.log(row.ns[V1].reshape(3, 2).mean(axis=1) / 20.0) for row in rows]
    inside = np.mean([row.var(ddof=1) / 3 for row in ratios])
    between = np.var([math.log(row.ns[V1].mean() / 20.0) for row in rows], ddof=1) - inside
    assert noise.within == pytest.approx(math.sqrt(inside) * 20.0)
    assert noise.between == pytest.approx(math.sqrt(between) * 20.0)
    logs = [np.log(row.placements[arm]) for row in rows for arm in (BASE, V1)]
    pooled = sum(float(side.var(ddof=1)) for side in logs) / 5
    assert noise.placement == pytest.approx(math.sqrt(pooled) * 20.0)
    assert estimated(rows[0]).noise.between is None
    assert estimated(process(1, [20.0] * 2, [20.5] * 2)).noise.placement is None


def test_while_the_machine_was_busy() -> None:
    """The raw difference in the busy blocks, a mean over processes; of one process it is an accident."""
    whole = quiet_run(1, 1, 2)
    for number, subject in enumerate(whole.processes):
        subject.ns[V1][:2] = 21.0 + number
    result = overhead(whole, V1, Levels(whole))
    assert result is not None and result.busy_ns == pytest.approx(np.mean([1.0, 2.0, 3.0]))
    only = quiet_run(1)
    assert (single := overhead(only, V1, Levels(only))) is not None and single.busy_ns is None


def judged(ns: float, error: float, freedom: int = 9, processes: int = 10) -> Overhead:
    """An overhead with a given error, of 100 ns, so that log ratios are nearly percent."""
    empty = np.zeros(0)
    return Overhead(
        V1, BASE, 100.0, 100.0, Interval(math.log1p(ns / 100), error / 100, freedom), Noise(0.0, 0.0, None),
        Spread(1, None, None, None, empty, empty, empty), empty, None, processes, 1, 1,
    )  # fmt: skip


def test_p_is_that_of_the_t_distribution_beyond_the_floor() -> None:
    """Two-sided, of the distance from the floor's own end."""
    for ns, floor in [(0.5, 0.1), (-0.5, 0.1), (0.5, 0.0)]:
        end = math.log1p(math.copysign(floor / 100, ns))
        expected = 2 * stats.t.sf(abs(math.log1p(ns / 100) - end) / (0.2 / 100), 9)
        assert chance(judged(ns, 0.2), floor) == pytest.approx(expected)
    assert chance(judged(0.05, 0.2), 0.1) == 1.0 and chance(judged(0.0, 0.2), 0.0) == 1.0
    assert chance(judged(0.5, 0.0), 0.1) == 0.0
    alone = replace(judged(0.5, 0.2), log_ratio=Interval(math.log1p(0.005), None, 0))
    assert chance(alone, 0.1) == 1.0, "one process claims nothing"


def test_how_many_processes_would_settle_it() -> None:
    """The half-width shrinks with the root of their number, until it fits the distance to a boundary."""
    wide = judged(0.5, 0.4)
    answer = judge(wide, Margin(1.0, percent=False), 0.1)
    to_margin = stats.t.ppf(0.95, 9) * 0.4 / (1.0 - 0.5)
    to_floor = stats.t.ppf(0.975, 9) * 0.4 / (0.5 - 0.1)
    spread = wide.error_ns or 0.0
    assert spread == pytest.approx(0.4)
    assert answer.more_processes == math.ceil(10 * min(to_margin, to_floor) ** 2 * (1 - 1e-12)) - 10
    coarse = judge(judged(0.5, 0.4), Margin(1.0, percent=False), 2.0)
    assert coarse.verdict == "undecided" and coarse.more_processes is None, "the floor hides both boundaries"
    assert judge(judged(0.001, 20.0), Margin(0.002, percent=False), 0.0).more_processes is None
    near = judge(judged(0.9999, 0.0548), Margin(1.0, percent=False), 0.9)
    assert near.verdict == "undecided" and near.more_processes is not None and near.more_processes >= 1
    assert MOST_PROCESSES == 10_000
