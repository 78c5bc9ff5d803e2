"""A judgement has four outcomes, and `undecided` says what would settle it.

`negligible`  the 90 % interval lies inside +-margin (two one-sided tests at 5 %: TOST)
`costs`       the corrected 95 % interval lies above the noise floor
`saves`       it lies below minus the noise floor
`undecided`   none of these

Corrected: Bonferroni over the cells of the table, so that a whole table of nothing raises a false alarm in
one of twenty tables at most.
"""

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from results.estimate import Overhead, quantile

CONFIDENCE: Final = 0.95
TOST_CONFIDENCE: Final = 0.90
POWER: Final = 0.8
MOST_PROCESSES: Final = 10_000
"""More than this is no advice."""

Word = Literal["negligible", "costs", "saves", "undecided"]
MARGIN: Final = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ns|%|)\s*")


@dataclass(frozen=True)
class Margin:
    """The smallest overhead that matters: ns per page, or percent of base."""

    value: float
    percent: bool

    def ns(self, base_ns: float) -> float:
        """In ns per page."""
        return self.value / 100 * base_ns if self.percent else self.value

    @classmethod
    def parse(cls, text: str) -> "Margin":
        """Read `0.05ns`, `1%`, or a bare number of ns.

        Raises
        ------
        ValueError
            For anything else, and for zero.
        """
        match = MARGIN.fullmatch(text)
        if match is None or not 0 < float(match[1]) < 1e6:
            raise ValueError(
                f"a margin is a positive number of ns or percent, such as 0.05ns or 1%, not '{text}'"
            )
        return cls(float(match[1]), match[2] == "%")


@dataclass(frozen=True)
class Judgement:
    """A verdict with what it rests on, in ns per page."""

    verdict: Word
    margin_ns: float
    floor_ns: float
    ci95: tuple[float, float] | None
    ci95_corrected: tuple[float, float] | None
    detectable_ns: float | None
    more_processes: int | None
    """Processes that this run's noise would need on top to settle it; None: settled, or no number would."""


def floor_of(twin: Overhead | None) -> float | None:
    """Noise floor: the larger end of the twin's 90 % interval; None without a twin or an interval."""
    interval = twin.interval_ns(TOST_CONFIDENCE) if twin else None
    return None if interval is None else max(abs(end) for end in interval)


def spending(looks: int) -> int:
    """By how much each of several looks narrows its error: the sum of 1 / (i (i + 1)) over all looks is 1."""
    return looks * (looks + 1) if looks else 1


def judge(
    overhead: Overhead, margin: Margin, floor_ns: float | None, cells: int, looks: int = 0
) -> Judgement:
    """Apply the rule to one cell of a table with so many cells, at one of several looks (0: the only one)."""
    cells = max(cells, 1) * spending(looks)
    margin_ns = margin.ns(overhead.base_ns)
    floor = floor_ns or 0.0
    tost = overhead.interval_ns(1 - (1 - TOST_CONFIDENCE) / spending(looks))
    corrected = overhead.interval_ns(1 - (1 - CONFIDENCE) / cells)
    word: Word = "undecided"
    if tost is not None and -margin_ns < tost[0] and tost[1] < margin_ns:
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
        _detectable(overhead, floor),
        _more_processes(overhead, margin_ns, floor, cells) if word == "undecided" else None,
    )


def _detectable(overhead: Overhead, floor: float) -> float | None:
    """The smallest overhead that this run would have found in four of five repetitions."""
    if overhead.error_ns is None:
        return None
    freedom = overhead.log_ratio.freedom
    return max((quantile(freedom, 0.975) + quantile(freedom, POWER)) * overhead.error_ns, floor)


def _more_processes(overhead: Overhead, margin_ns: float, floor: float, cells: int) -> int | None:
    """How far the nearest boundary is, in half-widths, tells how many processes would reach it."""
    error = overhead.error_ns
    if error is None:
        return None
    size = abs(overhead.ns)
    freedom = overhead.log_ratio.freedom
    needed = []
    if size < margin_ns:
        needed.append(quantile(freedom, 0.95) * error / (margin_ns - size))
    if size > floor:
        needed.append(quantile(freedom, 1 - (1 - CONFIDENCE) / 2 / cells) * error / (size - floor))
    if not needed:
        return None
    total = overhead.processes * min(needed) ** 2
    more = math.ceil(total) - overhead.processes
    return max(more, 1) if more < MOST_PROCESSES else None
