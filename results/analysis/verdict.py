"""The verdict: one of four words; `undecided` comes with the measuring time that would settle it.

`negligible`  the 90 % interval lies inside +-margin (two one-sided tests at 5 %: TOST), the noise floor is
              smaller than the margin, and the processes lie on one level
`costs`       the corrected 95 % interval lies above the noise floor
`saves`       it lies below minus the noise floor
`undecided`   none of these

Corrected: by Holm's step-down (1979) over the arms of a scenario. At most one table in twenty without any
effect raises a false alarm, and the other scenarios of the file do not matter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from model.vocabulary.margin import Margin
from results.analysis.estimate import Overhead, quantile

CONFIDENCE: Final = 0.95
TOST_CONFIDENCE: Final = 0.90
POWER: Final = 0.8
MOST_PROCESSES: Final = 10_000
"""Largest number of further processes that is worth stating."""

Word = Literal["negligible", "costs", "saves", "undecided"]


@dataclass(frozen=True)
class Judgement:
    """A verdict with its bounds and interval, in ns per page."""

    verdict: Word
    margin_ns: float
    floor_ns: float
    ci95: tuple[float, float] | None
    ci95_corrected: tuple[float, float] | None
    detectable_ns: float | None
    more_processes: int | None
    """Further processes that would settle it at this run's noise; None: settled, or no number would."""


def floor_of(twin: Overhead | None) -> float | None:
    """Noise floor: the larger end of the A/A control's 90 % interval; None without one."""
    interval = twin.interval_ns(TOST_CONFIDENCE) if twin else None
    return None if interval is None else max(abs(end) for end in interval)


def chance(overhead: Overhead, floor_ns: float) -> float:
    """Two-sided p value of an overhead beyond the floor; 1 within it, or without an interval."""
    from scipy.special import stdtr

    error = overhead.log_ratio.error
    if error is None:
        return 1.0
    mean, floor = overhead.log_ratio.mean, floor_ns / overhead.base_ns
    beyond = mean - math.log1p(floor) if mean > 0 else math.log1p(-min(floor, 0.99)) - mean
    if beyond <= 0:
        return 1.0
    return 2 * float(stdtr(overhead.log_ratio.freedom, -beyond / error)) if error > 0 else 0.0


def holm(chances: Sequence[float], looks: int = 0) -> list[float]:
    """The error rate at which each arm of a scenario is judged: 5 %, divided by Holm's step-down.

    Parameters
    ----------
    chances
        p value of each arm.
    looks
        How often the data was looked at before (`alpha_divisor`); 0: never.
    """
    total = (1 - CONFIDENCE) / alpha_divisor(looks)
    smallest_first = sorted(range(len(chances)), key=lambda number: chances[number])
    errors = [total] * len(chances)
    left = len(chances)
    stopped = False
    for number in smallest_first:
        errors[number] = total / left
        stopped = stopped or chances[number] > errors[number]
        left -= not stopped
    return errors


def alpha_divisor(looks: int) -> int:
    """Divisor of the error rate at one of several looks: the sum of 1 / (i (i + 1)) over all looks is 1."""
    return looks * (looks + 1) if looks else 1


def judge(
    overhead: Overhead,
    margin: Margin,
    floor_ns: float | None,
    error: float = 1 - CONFIDENCE,
    looks: int = 0,
) -> Judgement:
    """Apply the rule to one cell.

    Parameters
    ----------
    floor_ns
        Noise floor; None: not measured.
    error
        Error rate of a wrong `costs` or `saves`: the cell's share by `holm`.
    looks
        Number of this look; 0: the only one.
    """
    margin_ns = margin.ns(overhead.bare_ns)
    floor = floor_ns or 0.0
    tost = overhead.interval_ns(1 - (1 - TOST_CONFIDENCE) / alpha_divisor(looks))
    corrected = overhead.interval_ns(1 - error)
    word: Word = "undecided"
    inside = tost is not None and -margin_ns < tost[0] and tost[1] < margin_ns
    if inside and floor < margin_ns and overhead.levels is None:
        word = "negligible"
    elif corrected is not None and corrected[0] > floor:
        word = "costs"
    elif corrected is not None and corrected[1] < -floor:
        word = "saves"
    return Judgement(
        word,
        margin_ns,
        floor,
        overhead.interval_ns(CONFIDENCE),
        corrected,
        _detectable(overhead, floor, error),
        _more_processes(overhead, margin_ns, floor, error) if word == "undecided" else None,
    )


def half_after(overhead: Overhead, times: float) -> float | None:
    """Half-width of the 95 % interval, ns per page, with so many times the processes; None without one."""
    if overhead.error_ns is None:
        return None
    count = overhead.processes
    more = max(round(count * times), 2)
    return quantile(more - 1, 0.5 + CONFIDENCE / 2) * overhead.error_ns * math.sqrt(count / more)


def _detectable(overhead: Overhead, floor: float, error: float) -> float | None:
    """Overhead that this run would have found in four of five repetitions: beyond the floor, corrected."""
    if overhead.error_ns is None:
        return None
    freedom = overhead.log_ratio.freedom
    return floor + (quantile(freedom, 1 - error / 2) + quantile(freedom, POWER)) * overhead.error_ns


def _more_processes(overhead: Overhead, margin_ns: float, floor: float, error: float) -> int | None:
    """From the distance to the nearest boundary in half-widths: the processes that would reach it."""
    spread = overhead.error_ns
    if spread is None:
        return None
    size = abs(overhead.ns)
    freedom = overhead.log_ratio.freedom
    needed = []
    if size < margin_ns and floor < margin_ns:
        needed.append(quantile(freedom, 0.95) * spread / (margin_ns - size))
    if size > floor:
        needed.append(quantile(freedom, 1 - error / 2) * spread / (size - floor))
    if not needed:
        return None
    total = overhead.processes * min(needed) ** 2
    if not total < MOST_PROCESSES:
        return None
    return max(math.ceil(total) - overhead.processes, 1)
