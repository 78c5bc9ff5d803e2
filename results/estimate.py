"""From blocks to an overhead with an interval, and to where its noise comes from.

Rules and their figures: docs/methodology.md. In short: the log ratio of arm and base within a block;
blocks in which the machine was quiet, chosen by the mean level of all arms so that no arm is favoured; a
trimmed mean per process; Yuen's trimmed-mean interval over processes, the unit of replication.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from results.load import Arm, Array, Process, Scenario

Mask = npt.NDArray[np.bool_]

QUIET: Final = 1.08
"""A block is quiet when its level is within 8 % of the quiet level."""
BUSY: Final = 1.25
"""A block is busy when its level is 25 % above it."""
QUIET_PERCENTILE: Final = 10
MIN_BLOCKS: Final = 3
"""Quiet blocks that a process needs to be used."""
MIN_SHARE: Final = 0.3
"""Share of processes that must be usable, else all blocks are used and the run counts as busy."""
TRIM_BLOCKS, TRIM_PROCESSES = 0.2, 0.1


@dataclass(frozen=True)
class Interval:
    """Estimate of a location with its error, from one number per process.

    Attributes
    ----------
    error
        Standard error; None with a single process, for then there is no interval.
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
class Overhead:
    """An arm against its base, in one scenario.

    Attributes
    ----------
    base_ns
        Quiet level of the base, ns per page.
    log_ratio
        ln(arm / base) over processes.
    busy_ns
        Overhead on a busy machine, None when it never was.
    """

    arm: Arm
    base: Arm
    base_ns: float
    log_ratio: Interval
    noise: Noise
    busy_ns: float | None
    processes: int
    blocks: int
    layouts: int

    @property
    def ns(self) -> float:
        """Overhead in ns per page."""
        return _expm1(self.log_ratio.mean) * self.base_ns

    @property
    def pct(self) -> float:
        """Overhead in percent of the modelled base."""
        return 100 * _expm1(self.log_ratio.mean)

    def interval_ns(self, confidence: float) -> tuple[float, float] | None:
        """Two-sided interval in ns per page; None with a single process."""
        half = self.log_ratio.half(confidence)
        if half is None:
            return None
        ends = (self.log_ratio.mean - half, self.log_ratio.mean + half)
        return _expm1(ends[0]) * self.base_ns, _expm1(ends[1]) * self.base_ns

    @property
    def error_ns(self) -> float | None:
        """Standard error in ns per page."""
        return None if self.log_ratio.error is None else self.log_ratio.error * self.base_ns


def _expm1(x: float) -> float:
    """exp(x) - 1; infinite where a stranger's numbers leave the range."""
    return math.expm1(x) if x < 700 else math.inf


def quantile(freedom: int, probability: float) -> float:
    """Quantile of the t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def trimmed_mean(values: Array, share: float) -> float:
    """Mean without the given share at each end."""
    ordered = np.sort(values)
    cut = int(share * len(ordered))
    return float(ordered[cut : len(ordered) - cut].mean())


def yuen(values: Array, share: float = TRIM_PROCESSES) -> Interval:
    """Trimmed mean with Yuen's standard error (winsorised variance)."""
    count = len(values)
    ordered = np.sort(values)
    cut = int(share * count)
    kept = count - 2 * cut
    mean = float(ordered[cut : count - cut].mean())
    if count < 2:
        return Interval(mean, None, 0)
    winsorised = np.clip(ordered, ordered[cut], ordered[count - cut - 1])
    error = float(winsorised.std(ddof=1)) * math.sqrt((count - 1) / (kept * (kept - 1)))
    return Interval(mean, error, kept - 1)


def variances(rows: Sequence[Array]) -> Array:
    """Sample variance of each row, 0 for a single value; one NumPy call where rows are of one length."""
    if len({len(row) for row in rows}) == 1 and len(rows[0]) > 1:
        return np.asarray(np.stack(rows).var(axis=1, ddof=1))
    return np.array([row.var(ddof=1) if len(row) > 1 else 0.0 for row in rows])


class Levels:
    """How busy the machine was in each block of a scenario.

    Attributes
    ----------
    quiet_level
        10th percentile of the blocks' levels, ns per page; a block's level is the mean over all arms.
    busy
        Too few processes had quiet blocks, so all blocks are used.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.of = {id(p): np.mean(list(p.ns.values()), axis=0) for p in scenario.processes}
        every = np.concatenate(list(self.of.values()))
        self.quiet_level = float(np.percentile(every, QUIET_PERCENTILE))
        usable = [p for p in scenario.processes if self.quiet(p).sum() >= MIN_BLOCKS]
        self.busy = len(usable) < MIN_SHARE * len(scenario.processes)
        self.quiet_share = float((every < QUIET * self.quiet_level).mean())

    def quiet(self, process: Process) -> Mask:
        """bool[blocks]."""
        mask: Mask = self.of[id(process)] < QUIET * self.quiet_level
        return mask

    def chosen(self, process: Process) -> Mask:
        """bool[blocks]: those the estimate uses; none of a process with too few."""
        mask = self.quiet(process)
        if self.busy:
            return np.ones_like(mask)
        return mask if mask.sum() >= MIN_BLOCKS else np.zeros_like(mask)

    def loaded(self, process: Process) -> Mask:
        """bool[blocks]: those in which others took the machine."""
        mask: Mask = self.of[id(process)] >= BUSY * self.quiet_level
        return mask


def overhead(scenario: Scenario, arm: Arm, levels: Levels, base: Arm | None = None) -> Overhead:
    """Estimate one arm's overhead over its base, or over another arm of the same processes."""
    base = base or scenario.base_of(arm)
    shared = [p for p in scenario.processes if arm in p.ns and base in p.ns]
    used = [p for p in shared if levels.chosen(p).any()] or shared
    chosen = {id(p): levels.chosen(p) if levels.chosen(p).any() else levels.chosen(p) | True for p in used}
    ratios = [np.log(p.ns[arm] / p.ns[base])[chosen[id(p)]] for p in used]
    per_process = np.array([trimmed_mean(x, TRIM_BLOCKS) for x in ratios])
    base_ns = float(np.median(np.concatenate([p.ns[base][chosen[id(p)]] for p in used])))
    placements = [p.placements[arm] for p in used]
    return Overhead(
        arm,
        base,
        base_ns,
        yuen(per_process),
        _noise(ratios, per_process, _placement_sd(used, arm, base), base_ns),
        _busy(shared, arm, base, levels),
        processes=len(used),
        blocks=sum(len(x) for x in ratios),
        layouts=sum(len(x) for x in placements),
    )


def _noise(ratios: list[Array], per_process: Array, placement: float | None, base_ns: float) -> Noise:
    within = float(np.mean(variances(ratios) / [len(x) for x in ratios]))
    between = None
    if len(per_process) > 1:
        between = math.sqrt(max(0.0, float(per_process.var(ddof=1)) - within)) * base_ns
    return Noise(math.sqrt(within) * base_ns, between, None if placement is None else placement * base_ns)


def _placement_sd(processes: list[Process], arm: Arm, base: Arm) -> float | None:
    """SD of the log ratio had each side been measured at one placement only, pooled over processes."""
    pairs = [(p.placements[arm], p.placements[base]) for p in processes]
    usable = [pair for pair in pairs if min(map(len, pair)) > 1]
    if not usable:
        return None
    sides = [variances([np.log(x) for x in side]) for side in zip(*usable, strict=True)]
    return math.sqrt(float(np.mean(sides[0] + sides[1])))


def _busy(processes: list[Process], arm: Arm, base: Arm, levels: Levels) -> float | None:
    """The raw difference while others took the machine; a cost is larger then."""
    found = []
    for process in processes:
        mask = levels.loaded(process)
        if mask.sum() >= MIN_BLOCKS:
            found.append(trimmed_mean((process.ns[arm] - process.ns[base])[mask], TRIM_BLOCKS))
    return float(np.mean(found)) if len(found) > 1 else None
