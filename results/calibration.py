"""`python -m results calibration`: what the instrument can and cannot tell, from a run of --calibrate.

A/A            arms whose code is base's: every difference is a false one
half-widths    of the twin and of v1 after half a minute of measuring
plain pyperf   the same two arms one after the other, for as long
known cost     chains of k dependent additions, in cycles that the longest chain defines
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from results.estimate import Interval, Levels, overhead, trimmed_mean, yuen
from results.load import Arm, BadRunError, Process, Run, Scenario, read_json, runs_of
from results.show import number
from results.verdict import Margin, floor_of, judge

SESSION: Final = 6
"""Processes of one A/A session, as --calibrate measures them."""
HALF_MINUTE_S: Final = 30.0
STARTUP_S: Final = 0.3
"""A worker's start, which its duration does not count."""
NO_MARGIN: Final = Margin(1e-6, percent=False)
"""So small that no verdict is `negligible`: a false alarm cannot hide behind the margin."""
NULL: Final = frozenset({"base-twin", "v1-ifdef", "keyfirst", "memcg-data"})
CHAIN: Final = "chain-"


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
    """Chains of k dependent additions over the empty chain.

    Attributes
    ----------
    cycle_ns
        From the longest chain: its cost over its length.
    slope
        Cycles per addition of the short chains, with its 95 % half-width.
    points
        (k, cost in ns, 95 % half-width in ns).
    """

    cycle_ns: float
    slope: float
    slope_half: float
    points: list[tuple[int, float, float]]


def scenario_of(run: Run, memcg: str) -> Scenario:
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
    whole = scenario_of(run, "off")
    alarms = intervals = covering = sessions = 0
    halves = []
    for start in range(0, len(whole.processes) - SESSION + 1, SESSION):
        session = replace(whole, processes=whole.processes[start : start + SESSION])
        levels = Levels(session)
        found = [overhead(session, arm, levels) for arm in session.arms if arm.variant in NULL]
        floor = floor_of(next((one for one in found if one.arm.variant == "base-twin"), None))
        others = [one for one in found if one.arm.variant != "base-twin"]
        verdicts = [judge(one, NO_MARGIN, floor, len(others)).verdict for one in others]
        alarms += any(word in ("costs", "saves") for word in verdicts)
        for one in found:
            low, high = one.interval_ns(0.95) or (-math.inf, math.inf)
            intervals, covering = intervals + 1, covering + (low <= 0 <= high)
            halves.append((high - low) / 2)
        sessions += 1
    if not sessions:
        raise BadRunError(f"{run.path} has no whole A/A session of {SESSION} processes")
    return FalseAlarms(sessions, alarms, intervals, covering, float(np.median(halves)))


def half_widths(run: Run, plain: Path | None) -> HalfWidths:
    """Intervals of the twin and of v1 from the processes of the first half minute."""
    whole = scenario_of(run, "on-idle")
    used: list[Process] = []
    seconds = 0.0
    for process in whole.processes:
        if seconds > HALF_MINUTE_S:
            break
        used.append(process)
        seconds += float(process.facts.get("duration", 0.0)) + STARTUP_S
    short = replace(whole, processes=used)
    levels = Levels(short)
    twin, v1 = (overhead(short, Arm(*arm), levels) for arm in (("base-twin", "none"), ("v1", "jump-label")))
    theirs = plain_comparison(plain) if plain and plain.exists() else (None, None)
    return HalfWidths(seconds, _half(twin.interval_ns(0.95)), _half(v1.interval_ns(0.95)), v1.ns, *theirs)


def _half(interval: tuple[float, float] | None) -> float:
    return math.nan if interval is None else (interval[1] - interval[0]) / 2


def plain_comparison(path: Path) -> tuple[float, float]:
    """Half-width and difference of two benchmarks measured one after the other, ns per page.

    Welch's interval over process means: kinder to pyperf than its own test, which takes all values of a
    process for independent.
    """
    from scipy import stats

    means: dict[str, list[float]] = {}
    for values, facts in runs_of(read_json(path)):
        means.setdefault(str(facts.get("name")), []).append(float(np.mean(values)) * 1e9)
    base, v1 = (np.array(values) for values in means.values())
    result = stats.ttest_ind(v1, base, equal_var=False).confidence_interval(0.95)
    return float(result.high - result.low) / 2, float(v1.mean() - base.mean())


def known_cost(run: Run) -> KnownCost:
    """Cost of each chain over the empty one, per process, so that the slope has an interval."""
    scenario = scenario_of(run, "disabled")
    chains = {
        int(arm.variant.removeprefix(CHAIN)): arm for arm in scenario.arms if arm.variant.startswith(CHAIN)
    }
    if 0 not in chains or len(chains) < 4:
        raise BadRunError(
            f"{run.path} lacks the chains: measure with python -m benchmarks --calibrate -o FILE"
        )
    levels = Levels(scenario)
    used = [p for p in scenario.processes if levels.chosen(p).any()]
    costs = {k: np.array([_difference(p, arm, chains[0], levels) for p in used]) for k, arm in chains.items()}
    longest = max(chains)
    short = sorted(k for k in chains if k != longest)
    cycles = costs[longest] / longest
    slopes = np.array([np.polyfit(short, [costs[k][i] for k in short], 1)[0] for i in range(len(used))])
    slope = yuen(slopes / cycles)
    points = [(k, yuen(costs[k])) for k in (*short, longest)]
    return KnownCost(
        yuen(cycles).mean,
        slope.mean,
        _finite(slope),
        [(k, interval.mean, _finite(interval)) for k, interval in points],
    )


def _difference(process: Process, arm: Arm, base: Arm, levels: Levels) -> float:
    """Ns between two arms of one process, over its quiet blocks."""
    return trimmed_mean((process.ns[arm] - process.ns[base])[levels.chosen(process)], 0.2)


def _finite(interval: Interval) -> float:
    half = interval.half(0.95)
    return math.nan if half is None else half


def document(run: Run, plain: Path | None) -> dict[str, Any]:
    """The figures as plain data, `freepath.calibration/1`."""
    alarms, halves, cost = false_alarms(run), half_widths(run, plain), known_cost(run)
    return {
        "schema": "freepath.calibration/1",
        "aa": {
            "sessions": alarms.sessions,
            "false_alarm_share": number(alarms.alarms / alarms.sessions),
            "intervals": alarms.intervals,
            "coverage": number(alarms.covering / alarms.intervals),
            "session_half_width_ns": number(alarms.half_ns),
        },
        "half_minute": {name: number(value) for name, value in vars(halves).items()},
        "known_cost": {
            "cycle_ns": number(cost.cycle_ns),
            "cycles_per_addition": number(cost.slope),
            "half_width": number(cost.slope_half),
            "points": [
                {"k": k, "ns": number(ns), "half_width_ns": number(half)} for k, ns, half in cost.points
            ],
        },
    }


def lines(run: Run, plain: Path | None) -> Iterator[str]:
    """The figures as text."""
    alarms, halves, cost = false_alarms(run), half_widths(run, plain), known_cost(run)
    share, cover = alarms.alarms / alarms.sessions, alarms.covering / alarms.intervals
    yield f"A/A: {alarms.sessions} sessions of {SESSION} processes, all arms the same code"
    yield f"  {share:.1%} of the sessions' tables raised a false alarm"
    yield f"  {cover:.1%} of {alarms.intervals} intervals cover zero; half-width {alarms.half_ns:.4f} ns"
    yield f"after {halves.seconds:.0f} s of measuring, 95 % half-widths in ns per page:"
    yield f"  base-twin {halves.twin_ns:.4f}"
    yield f"  v1 {halves.v1_ns:.4f}; its overhead {halves.v1_overhead_ns:+.4f}"
    if halves.plain_ns is not None and halves.plain_overhead_ns is not None:
        times = f"{halves.plain_ns / halves.v1_ns:.0f} times as wide"
        theirs = f"{halves.plain_ns:.3f}, {times}; its overhead {halves.plain_overhead_ns:+.3f}"
        yield f"  v1 by plain pyperf, arm after arm, in as long {theirs}"
    yield f"known cost: {cost.slope:.3f} +- {cost.slope_half:.3f} cycles per dependent addition"
    yield f"  one cycle is {cost.cycle_ns:.4f} ns, by the chain of {cost.points[-1][0]}"
    for k, ns, half in cost.points:
        yield f"  k = {k:>3}: {ns:7.3f} +- {half:.3f} ns, {ns / cost.cycle_ns:7.2f} cycles"
