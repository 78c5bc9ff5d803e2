"""`python -m results calibration`: what the instrument can resolve, from a run of --calibrate.

A/A            arms with the code of base, and NOPs of 1 to 9 bytes against one another, which take the same
               slot but shift the code behind them: every difference is a false alarm
layout floor   how far these NOPs, averaged over builds, lie from one another
half-widths    of the A/A control and of v1 after half a minute of measuring
plain pyperf   the same two arms one after the other, in the same time
known cost     chains of k dependent additions, from k = 1 on, in cycles that the longest chain defines

Each figure has a target; a target that is missed makes the exit status 1.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from model.common.process import WORKER_START_S
from model.vocabulary.calibration import ALIKE, CHAIN, HALF_MINUTE, KNOWN_COST, NOP_BYTES, NULL, SESSION
from model.vocabulary.margin import Margin
from results.analysis.estimate import Interval, Levels, Overhead, overhead, student
from results.analysis.verdict import chance, floor_of, holm, judge
from results.reading.load import Arm, BadRunError, MeasuredScenario, Process, Run, read_json, runs_of

HALF_MINUTE_S: Final = 30.0
NO_MARGIN: Final = Margin(1e-6, percent=False)
"""Margin so small that no verdict is `negligible`, so that every false alarm is counted."""


@dataclass(frozen=True)
class Target:
    """One figure with its target, and whether it was reached."""

    name: str
    asked: str
    got: str
    reached: bool


@dataclass(frozen=True)
class LayoutFloor:
    """NOPs of 1 to 9 bytes over base, ns per page.

    Attributes
    ----------
    points
        (bytes, mean, 95 % half-width).
    span_ns
        The largest distance between two of the means.
    half_ns
        Median half-width of the difference between neighbours.
    """

    points: list[tuple[int, float, float]]
    span_ns: float
    half_ns: float


@dataclass(frozen=True)
class FalseAlarms:
    """A/A: tables with any claim, and intervals that cover zero."""

    sessions: int
    alarms: int
    intervals: int
    covering: int
    half_ns: float
    """Median half-width of one session's 95 % interval."""


@dataclass(frozen=True)
class HalfWidths:
    """95 % half-widths after half a minute, ns per page; and plain pyperf's for the same two arms."""

    seconds: float
    twin_ns: float
    v1_ns: float
    v1_overhead_ns: float
    plain_ns: float | None
    plain_overhead_ns: float | None


@dataclass(frozen=True)
class KnownCost:
    """Chains of k dependent additions over the chain of one.

    Attributes
    ----------
    cycle_ns
        From the longest chain: its cost over its length.
    slope
        Cycles per addition of the short chains, with its 95 % half-width.
    points
        (k, cost over k = 1 in ns, 95 % half-width in ns).
    own_cycle_ns
        The cycle as each process measures it; None in older files.
    """

    cycle_ns: float
    slope: float
    slope_half: float
    points: list[tuple[int, float, float]]
    own_cycle_ns: float | None


def scenario_of(run: Run, memcg: str) -> MeasuredScenario:
    """The calibration's part that was measured in this memcg state.

    Raises
    ------
    BadRunError
        When the run is no calibration.
    """
    for scenario in run.scenarios:
        if scenario.axes["memcg"] == memcg:
            return scenario
    raise BadRunError(f"{run.path} is no calibration: measure with python -m benchmarks --calibrate -o FILE")


def false_alarms(run: Run) -> FalseAlarms:
    """Cut the A/A part into sessions in the order of measuring, and judge each by itself."""
    whole = scenario_of(run, ALIKE)
    alarms = sessions = 0
    halves: list[float] = []
    covers: list[bool] = []
    for start in range(0, len(whole.processes) - SESSION + 1, SESSION):
        session = replace(whole, processes=whole.processes[start : start + SESSION])
        levels = Levels(session)
        null = known([overhead(session, arm, levels) for arm in session.arms if arm.variant in NULL])
        floor = floor_of(next((estimate for estimate in null if estimate.arm.variant == "base-twin"), None))
        others = [estimate for estimate in null if estimate.arm.variant != "base-twin"]
        errors = holm([chance(estimate, floor or 0.0) for estimate in others])
        verdicts = [
            judge(e, NO_MARGIN, floor, error).verdict for e, error in zip(others, errors, strict=True)
        ]
        alarms += any(word in ("costs", "saves") for word in verdicts)
        neighbours = known(
            [overhead(session, b, levels, base=a) for a, b in pairwise(family(session, NOP_BYTES))]
        )
        for estimate in (*null, *neighbours):
            low, high = estimate.interval_ns(0.95) or (-math.inf, math.inf)
            covers.append(low <= 0 <= high)
            halves.append((high - low) / 2)
        sessions += 1
    if not sessions or not covers:
        raise BadRunError(f"{run.path} has no whole A/A session of {SESSION} processes with arms like base")
    return FalseAlarms(sessions, alarms, len(covers), sum(covers), float(np.median(halves)))


def known(estimates: list[Overhead | None]) -> list[Overhead]:
    """Those for which there was data."""
    return [estimate for estimate in estimates if estimate is not None]


def family(scenario: MeasuredScenario, prefix: str) -> list[Arm]:
    """Arms of one family, by length."""
    arms = [arm for arm in scenario.arms if arm.variant.startswith(prefix)]
    return sorted(arms, key=lambda arm: length_of(arm, prefix))


def length_of(arm: Arm, prefix: str) -> int:
    """The number behind the prefix.

    Raises
    ------
    BadRunError
        When there is none.
    """
    text = arm.variant.removeprefix(prefix)
    if not text.isdecimal() or len(text) > 6:
        raise BadRunError(f"{arm.variant} is no arm of a calibration")
    return int(text)


def layout_floor(run: Run) -> LayoutFloor | None:
    """NOPs of 1 to 9 bytes over base, over all processes; None in a calibration from before them."""
    whole = scenario_of(run, ALIKE)
    arms = family(whole, NOP_BYTES)
    if len(arms) < 3:
        return None
    levels = Levels(whole)
    errors = known([overhead(whole, arm, levels) for arm in arms])
    between = known([overhead(whole, b, levels, base=a) for a, b in pairwise(arms)])
    if not errors or not between:
        return None
    means = [estimate.ns for estimate in errors]
    points = [(length_of(e.arm, NOP_BYTES), e.ns, _half(e.interval_ns(0.95))) for e in errors]
    halves = [_half(estimate.interval_ns(0.95)) for estimate in between]
    return LayoutFloor(points, max(means) - min(means), float(np.median(halves)))


def half_widths(run: Run, plain: Path | None) -> HalfWidths:
    """Intervals of the A/A control and of v1 from the processes of the first half minute."""
    whole = scenario_of(run, HALF_MINUTE)
    used: list[Process] = []
    seconds = 0.0
    for process in whole.processes:
        if "duration" not in process.facts:
            raise BadRunError(f"{run.path} does not say how long it took: measure with --calibrate")
        if seconds <= HALF_MINUTE_S:
            used.append(process)
            seconds += float(process.facts["duration"]) + WORKER_START_S
    short = replace(whole, processes=used)
    levels = Levels(short)
    twin, v1 = (overhead(short, Arm(*arm), levels) for arm in (("base-twin", "none"), ("v1", "jump-label")))
    if twin is None or v1 is None:
        raise BadRunError(f"{run.path} lacks base-twin or v1 with memcg on-idle: measure with --calibrate")
    plain_halves = plain_comparison(plain) if plain and plain.is_file() else (None, None)
    return HalfWidths(
        seconds, _half(twin.interval_ns(0.95)), _half(v1.interval_ns(0.95)), v1.ns, *plain_halves
    )


def _half(interval: tuple[float, float] | None) -> float:
    return math.nan if interval is None else (interval[1] - interval[0]) / 2


def plain_comparison(path: Path) -> tuple[float, float]:
    """Half-width and difference of two benchmarks measured one after the other, ns per page.

    Welch's interval over process means. pyperf's own test treats all values of a process as independent and
    would do worse.

    Raises
    ------
    BadRunError
        When the file is not those two.
    """
    from scipy import stats

    means: dict[str, list[float]] = {}
    for values, facts in runs_of(read_json(path)):
        if not (values > 0).all():
            raise BadRunError(f"{path} has a time of {values.min():g} ns: measure with --calibrate")
        means.setdefault(str(facts.get("name")), []).append(float(values.mean()))
    if len(means) != 2 or min(map(len, means.values())) < 2:
        raise BadRunError(f"{path} is not base and v1, in two processes or more: measure with --calibrate")
    base, v1 = (np.array(values) for values in means.values())
    result = stats.ttest_ind(v1, base, equal_var=False).confidence_interval(0.95)
    return float(result.high - result.low) / 2, float(v1.mean() - base.mean())


def known_cost(run: Run) -> KnownCost:
    """Cost of each chain over the chain of one, per process, so that the slope has an interval.

    Two adjacent lfence take less time than two with an addition between them, so k = 0 is not on the line.

    Raises
    ------
    BadRunError
        When the run has no such chains, or a longer chain took less time than a shorter one.
    """
    scenario = scenario_of(run, KNOWN_COST)
    chains = {length_of(arm, CHAIN): arm for arm in family(scenario, CHAIN)}
    if 1 not in chains or len(chains) < 4:
        raise BadRunError(
            f"{run.path} lacks the chains: measure with python -m benchmarks --calibrate -o FILE"
        )
    whole = [process for process in scenario.processes if set(chains.values()) <= set(process.ns)]
    used = Levels(scenario).used(whole)
    costs = {
        k: np.array([float((p.ns[arm] - p.ns[chains[1]])[mask].mean()) for p, mask in used])
        for k, arm in chains.items()
    }
    longest = max(chains)
    short = sorted(k for k in chains if 0 < k < longest)
    cycles = costs[longest] / (longest - 1)
    if not len(cycles) or not (cycles > 0).all():
        raise BadRunError(f"{run.path}: a chain of {longest} additions took no longer than one of 1")
    slopes = np.array([np.polyfit(short, [costs[k][i] for k in short], 1)[0] for i in range(len(used))])
    slope = student(slopes / cycles)
    points = [(k, student(costs[k])) for k in (*sorted(chains)[:-1], longest)]
    own = [float(p.facts["cycle_ns"]) for p, _ in used if p.facts.get("cycle_ns")]
    return KnownCost(
        student(cycles).mean,
        slope.mean,
        _finite(slope),
        [(k, interval.mean, _finite(interval)) for k, interval in points],
        float(np.median(own)) if own else None,
    )


def _finite(interval: Interval) -> float:
    half = interval.half(0.95)
    return math.nan if half is None else half


def figures(run: Run, plain: Path | None) -> tuple[FalseAlarms, HalfWidths, KnownCost, LayoutFloor | None]:
    """Every figure of a calibration."""
    return false_alarms(run), half_widths(run, plain), known_cost(run), layout_floor(run)


def targets(run: Run, plain: Path | None) -> list[Target]:
    """Every figure with its target (docs/calibration.md)."""
    alarms, halves, cost, layout = figures(run, plain)
    share, cover = alarms.alarms / alarms.sessions, alarms.covering / alarms.intervals
    rows = [
        Target(
            "A/A tables with a false alarm", "at most 5 %", f"{share:.1%} of {alarms.sessions}", share <= 0.05
        ),
        Target(
            "95 % intervals that cover zero",
            "at least 93 %",
            f"{cover:.1%} of {alarms.intervals}",
            cover >= 0.93,
        ),
        _at_most("half-width of base-twin after 30 s, ns", 0.003, halves.twin_ns),
        _at_most("half-width of v1 after 30 s, ns", 0.015, halves.v1_ns),
        Target(
            "cycles per dependent addition",
            "1 within 3 %",
            f"{cost.slope:.3f} +- {cost.slope_half:.3f}",
            abs(cost.slope - 1) <= 0.03,
        ),
    ]
    if layout:
        rows.append(_at_most("NOPs of 1 to 9 bytes lie within, ns", 0.01, layout.span_ns))
    return rows


def _at_most(name: str, most: float, got: float) -> Target:
    return Target(name, f"at most {most:g}", f"{got:.4f}", got <= most)


def exit_status(run: Run, plain: Path | None) -> int:
    """1 when a target was missed."""
    return int(not all(target.reached for target in targets(run, plain)))
