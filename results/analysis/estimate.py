"""From cells to an overhead with an interval, and the sources of its noise.

Rules and their figures: docs/methodology.md. In short: the mean of an arm over all builds of a process,
against the mean of base over the same builds; only blocks of one condition of the core, by a reference that
is neither an arm nor a build (`results.analysis.conditions`); Student's interval over processes, the unit of
replication. Nothing is trimmed: a level that one build in ten has is part of the answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np

from results.analysis.conditions import Levels as Levels
from results.reading.load import Arm, Array, MeasuredScenario, Process

LEVEL_GAPS: Final = {6: 16.3, 8: 9.0, 12: 5.5, 16: 4.3, 30: 3.2, 45: 2.8}
"""Processes -> largest gap between neighbours, in spreads within the two sides, that one in 1,000 sets of so
many normal numbers exceeds (20,000 sets each; tests/test_estimate.py draws them again)."""


@dataclass(frozen=True)
class Interval:
    """Estimate of a location with its error, from one number per process.

    Attributes
    ----------
    error
        Standard error; None with a single process.
    freedom
        Degrees of freedom of its t distribution.
    """

    mean: float
    error: float | None
    freedom: int

    def half(self, confidence: float) -> float | None:
        """Half the width of the two-sided interval."""
        if self.error is None:
            return None
        return quantile(self.freedom, 0.5 + confidence / 2) * self.error


@dataclass(frozen=True)
class Noise:
    """Standard deviations in ns per page: of one process's estimate, between processes, of one placement."""

    within: float
    between: float | None
    placement: float | None


@dataclass(frozen=True)
class Spread:
    """An arm against its base, build by build; a cell is one build in one process.

    Attributes
    ----------
    builds
        Phases that were enumerated.
    sd_ns
        Over cells, ns per page; includes the noise of a cell.
    paying, saving
        Share of cells that cost, or save, more than half a cycle; None where the cycle is not known.
    by_build
        float64[builds], mean overhead of each phase, ns per page.
    by_stack
        float64[8], mean overhead at each place of the stack in its line; empty where it was not varied.
    differences
        float64[cells], ns per page, in the order of the processes.
    """

    builds: int
    sd_ns: float | None
    paying: float | None
    saving: float | None
    by_build: Array = field(repr=False)
    by_stack: Array = field(repr=False)
    differences: Array = field(repr=False)


@dataclass(frozen=True)
class Overhead:
    """An arm against its base, in one scenario.

    Attributes
    ----------
    base_ns
        Mean of base over builds, ns per page, in the condition of the estimate.
    bare_ns
        The same as compiled, without a build's NOPs: the baseline of percentages and margins.
    log_ratio
        ln(arm / base), both means over builds, over processes.
    per_process
        float64[processes], ns per page.
    busy_ns
        Overhead while the machine was busy; None when it never was.
    levels
        Two levels on which the processes lie, ns per page; None when there is one.
    cycle_ns
        One cycle, None where it was not measured.
    slots
        Dispatch slots of an exact arm.
    """

    arm: Arm
    base: Arm
    base_ns: float
    bare_ns: float
    log_ratio: Interval
    noise: Noise
    spread: Spread
    per_process: Array
    busy_ns: float | None
    processes: int
    blocks: int
    layouts: int
    levels: tuple[float, float] | None = None
    cycle_ns: float | None = None
    slots: int | None = None

    @property
    def ns(self) -> float:
        """Overhead in ns per page."""
        return expm1(self.log_ratio.mean) * self.base_ns

    @property
    def pct(self) -> float:
        """Overhead in percent of the modelled base as compiled."""
        return 100 * self.ns / self.bare_ns

    @property
    def cycles(self) -> float | None:
        """Overhead in cycles."""
        return None if self.cycle_ns is None else self.ns / self.cycle_ns

    def interval_ns(self, confidence: float) -> tuple[float, float] | None:
        """Two-sided interval in ns per page; None with a single process."""
        half = self.log_ratio.half(confidence)
        if half is None:
            return None
        ends = (self.log_ratio.mean - half, self.log_ratio.mean + half)
        return expm1(ends[0]) * self.base_ns, expm1(ends[1]) * self.base_ns

    @property
    def error_ns(self) -> float | None:
        """Standard error in ns per page."""
        return None if self.log_ratio.error is None else self.log_ratio.error * self.base_ns


def expm1(x: float) -> float:
    """exp(x) - 1; infinite where untrusted numbers exceed the range."""
    return math.expm1(x) if x < 700 else math.inf


def quantile(freedom: float, probability: float) -> float:
    """Quantile of the t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def student(values: Array) -> Interval:
    """Mean with its standard error: Student's t over processes."""
    count = len(values)
    mean = float(values.mean())
    if count < 2:
        return Interval(mean, None, 0)
    return Interval(mean, float(values.std(ddof=1)) / math.sqrt(count), count - 1)


def two_levels(values: Array, least: float = 0.0) -> tuple[float, float] | None:
    """Means of both sides of a gap that the spread within the sides does not explain; else None.

    Parameters
    ----------
    values
        float64[processes]; with fewer than six no gap is significant.
    least
        A smaller gap does not matter.
    """
    if len(values) < min(LEVEL_GAPS):
        return None
    most = float(np.interp(len(values), list(LEVEL_GAPS), list(LEVEL_GAPS.values())))
    ordered = np.sort(values)
    at = int(np.diff(ordered).argmax()) + 1
    sides = ordered[:at], ordered[at:]
    inside = sum(float(((side - side.mean()) ** 2).sum()) for side in sides)
    spread = math.sqrt(inside / (len(values) - 2))
    if ordered[at] - ordered[at - 1] <= max(most * spread, least) or spread == 0:
        return None
    return float(sides[0].mean()), float(sides[1].mean())


def variances(rows: Sequence[Array]) -> Array:
    """Sample variance of each row, 0 for a single value; one NumPy call where rows are of one length."""
    if len({len(row) for row in rows}) == 1 and len(rows[0]) > 1:
        return np.asarray(np.stack(rows).var(axis=1, ddof=1))
    return np.array([row.var(ddof=1) if len(row) > 1 else 0.0 for row in rows])


class Baseline:
    """Base as the estimates of all arms over it share it: which cells are used, and its times in them.

    Attributes
    ----------
    used, builds
        Processes with masks of their cells, as `Levels` has them.
    means
        Mean of base in each process that is used, ns per page.
    blocks
        float64[blocks] of each, the same block by block.
    phases, counts
        int64[cells], phase of each cell of `builds`; and how many cells each phase has.
    busy
        Processes with masks of the cells in which the machine was busy, of those that have any.
    """

    def __init__(self, levels: Levels, processes: Sequence[Process], base: Arm) -> None:
        self.base, self.processes = base, processes
        self.used = levels.used(processes)
        if not self.used:
            return
        cells = [(p, p.ns[base][mask]) for p, mask in self.used]
        self.means = [float(own.mean()) for _, own in cells]
        self.blocks = [own.reshape(-1, p.per_block).mean(axis=1) for p, own in cells]
        self.base_ns = float(np.mean(self.means))
        bare = [float(p.bare[mask[:: p.per_block]].mean()) for p, mask in self.used if p.bare is not None]
        self.bare_ns = float(np.median(bare)) if len(bare) == len(self.used) else self.base_ns
        cycles = [float(p.facts["cycle_ns"]) for p, _ in self.used if p.facts.get("cycle_ns")]
        self.cycle_ns = float(np.median(cycles)) if len(cycles) == len(self.used) else None
        self.builds = levels.builds(processes)
        self.phases = np.concatenate([p.phases[mask] for p, mask in self.builds])
        self.counts = np.bincount(self.phases, minlength=min(p.builds for p, _ in self.builds))
        every = [(p.parts or p, levels.loaded(p)) for p in processes]
        self.busy = [(p, np.repeat(mask, p.per_block)) for p, mask in every if mask.any()]


Made = dict[tuple[Arm, tuple[int, ...]], Baseline]
BASELINES: Final[WeakKeyDictionary[Levels, Made]] = WeakKeyDictionary()
"""Of each scenario's levels, by the base and the processes, which a baseline keeps alive."""


def _baseline(levels: Levels, processes: Sequence[Process], base: Arm) -> Baseline:
    """Made once for all arms that the same processes measured."""
    made, key = BASELINES.setdefault(levels, {}), (base, tuple(map(id, processes)))
    if key not in made:
        made[key] = Baseline(levels, processes, base)
    return made[key]


def overhead(
    scenario: MeasuredScenario, arm: Arm, levels: Levels, base: Arm | None = None
) -> Overhead | None:
    """Estimate one arm's overhead over its base, or over another arm of the same processes.

    None when no process measured both, or none in the condition that was asked for.
    """
    base = base or scenario.base_of(arm)
    both = [p for p in scenario.processes if arm in p.ns and base in p.ns]
    baseline = _baseline(levels, both, base)
    used = baseline.used
    if not used:
        return None
    means = [float(p.ns[arm][mask].mean()) for p, mask in used]
    ratios = np.array([math.log(own / of_base) for own, of_base in zip(means, baseline.means, strict=True)])
    per_process = np.expm1(ratios) * baseline.base_ns
    cycle_ns = baseline.cycle_ns
    return Overhead(
        arm,
        base,
        baseline.base_ns,
        baseline.bare_ns,
        student(ratios),
        _noise(baseline, arm, ratios),
        _spread(baseline, arm),
        per_process,
        _busy(baseline, arm),
        processes=len(used),
        blocks=sum(int(mask.sum()) // p.per_block for p, mask in used),
        layouts=sum(len(p.placements[arm]) for p, _ in used),
        levels=two_levels(per_process, (cycle_ns or 0.0) / 2),
        cycle_ns=cycle_ns,
        slots=scenario.slots.get(arm),
    )


def _spread(baseline: Baseline, arm: Arm) -> Spread:
    """Spread of the overhead over builds."""
    used, base, counts = baseline.builds, baseline.base, baseline.counts
    builds = min(p.builds for p, _ in used)
    differences = np.concatenate([(p.ns[arm] - p.ns[base])[mask] for p, mask in used])
    by_build = np.bincount(baseline.phases, differences, minlength=builds) / np.maximum(counts, 1)
    known = baseline.cycle_ns is not None and len(differences) > 0
    half = (baseline.cycle_ns or 0.0) / 2
    return Spread(
        builds,
        float(differences.std(ddof=1)) if len(differences) > 1 and builds > 1 else None,
        float((differences > half).mean()) if known else None,
        float((differences < -half).mean()) if known else None,
        by_build[counts > 0],
        _by_stack([p for p, _ in used], arm, base),
        differences,
    )


def _by_stack(processes: list[Process], arm: Arm, base: Arm) -> Array:
    """Mean overhead at each place of the stack; empty unless every process measured all of them."""
    differences = [
        p.stacks[arm] - p.stacks[base] for p in processes if len(p.stacks[arm]) == len(p.stacks[base])
    ]
    whole = len(differences) == len(processes) and len({len(row) for row in differences}) == 1
    return np.asarray(np.mean(differences, axis=0)) if whole else np.zeros(0)


def _noise(baseline: Baseline, arm: Arm, ratios: Array) -> Noise:
    """Within: scatter of the blocks of a process; between: scatter of the processes beyond that."""
    base_ns, own = baseline.base_ns, ((p, p.ns[arm][mask]) for p, mask in baseline.used)
    means = [cells.reshape(-1, process.per_block).mean(axis=1) for process, cells in own]
    blocks = [np.log(row / of_base) for row, of_base in zip(means, baseline.blocks, strict=True)]
    within = [float(each) / len(row) for each, row in zip(variances(blocks), blocks, strict=True)]
    inside = float(np.mean(within))
    between = None
    if len(ratios) > 1:
        between = math.sqrt(max(0.0, float(ratios.var(ddof=1)) - inside)) * base_ns
    placement = _placement_sd([p for p, _ in baseline.used], arm, baseline.base)
    return Noise(math.sqrt(inside) * base_ns, between, None if placement is None else placement * base_ns)


def _placement_sd(processes: list[Process], arm: Arm, base: Arm) -> float | None:
    """SD of the log ratio if each side had been measured at one placement only, pooled over processes."""
    pairs = [(p.placements[arm], p.placements[base]) for p in processes]
    usable = [pair for pair in pairs if min(map(len, pair)) > 1]
    if not usable:
        return None
    sides = [variances([np.log(x) for x in side]) for side in zip(*usable, strict=True)]
    return math.sqrt(float(np.mean(sides[0] + sides[1])))


def _busy(baseline: Baseline, arm: Arm) -> float | None:
    """The raw difference while the machine was busy; a cost is larger then."""
    marks = [float((p.ns[arm] - p.ns[baseline.base])[mask].mean()) for p, mask in baseline.busy]
    return float(np.mean(marks)) if len(marks) > 1 else None
