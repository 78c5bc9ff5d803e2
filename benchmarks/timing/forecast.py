"""What a run says of itself: before it begins how long it takes, after 20 s how sharp it will get."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from benchmarks.cases import Case
from benchmarks.units import counted, duration
from model.common.errors import FreepathError
from model.common.streams import note

VALUE_S: Final = 0.004
"""Seconds of one value of one arm: only to say how long a run will take. On Zen 4 0.0036."""
START_S: Final = 0.1
"""Seconds of a forked worker beside its values. On Zen 4, with 12 arms, 0.1."""
AFTER_S: Final = 20.0
"""Seconds of measuring after which a run says how sharp it will get."""
LEAST: Final = 3
"""Complete processes of a scenario from which that is foreseen."""
SHORT_S: Final = 5.0
"""Seconds to the end below which it is not worth a line."""

Judge = Callable[[Mapping[str, int]], Sequence[float]]
"""From the processes that each scenario will have, by name: half-widths of all arms' intervals then, ns."""


def seconds_of(case: Case, values: int) -> float:
    """Foreseen duration of one process of a case."""
    return START_S + len(case.arms) * (case.values or values) * VALUE_S


def foretell(cases: Sequence[Case], missing: Sequence[int], values: int, target: object) -> None:
    """Say what will be measured, for how long, and where it goes.

    Parameters
    ----------
    missing
        Processes of each case that are not there yet.
    target
        The file; None when nothing is to be stored.
    """
    took = sum(count * seconds_of(case, values) for count, case in zip(missing, cases, strict=True))
    where = f"to {target}" if target else "nothing is stored without -o FILE"
    note(
        f"measuring {counted(sum(missing), 'process')} in {counted(len(cases), 'scenario')}, "
        f"{duration(took)} with compiled code, {where}"
    )


class Forecast:
    """One line, once: the half-width that intervals will have at the end, and when that is.

    Parameters
    ----------
    cases
        What is measured.
    wanted
        Processes of each case in the end.
    there
        Processes of each case that are complete before it begins.
    values
        Of a process, where its case has no number of its own.
    """

    def __init__(
        self, cases: Sequence[Case], wanted: Sequence[int], there: Sequence[int], values: int, judge: Judge
    ) -> None:
        self.judge, self.began, self.said = judge, time.monotonic(), False
        rows = [row for row in zip(cases, wanted, there, strict=True) if not row[0].pyperf_alone]
        self.numbers = [number for number, case in enumerate(cases) if not case.pyperf_alone]
        self.cases = [case for case, _, _ in rows]
        self.wanted = [count for _, count, _ in rows]
        self.before = [count for _, _, count in rows]
        self.cost = [seconds_of(case, values) for case in self.cases]

    def due(self, counts: Sequence[int], now: float) -> bool:
        """Whether it is time: after 20 s, or when every scenario has three processes.

        Parameters
        ----------
        counts
            Complete processes of each case.
        now
            On the monotonic clock, seconds.
        """
        own = [counts[number] for number in self.numbers]
        if self.said or not own or all(have >= want for have, want in zip(own, self.wanted, strict=True)):
            return False
        late = now - self.began >= AFTER_S and max(own) >= LEAST
        return late or min(own) >= LEAST

    def say(self, counts: Sequence[int], now: float) -> None:
        """Print the line, unless nothing can be foreseen; it comes once."""
        self.said = True
        own = [counts[number] for number in self.numbers]
        halves: Sequence[float] = []
        with suppress(FreepathError, OSError):  # a file that is damaged meanwhile is told of in the end
            names = [case.scenario.name for case in self.cases]
            halves = self.judge(dict(zip(names, self.wanted, strict=True)))
        left = self._left(own, now)
        if not halves or left is None or left < SHORT_S:
            return
        end = datetime.now() + timedelta(seconds=left)
        note(
            f"after {now - self.began:.0f} s: at the end, about {end:%H:%M:%S} ({left:.0f} s more), 95 % "
            f"intervals will be about +-{statistics.median(halves):.3f} ns (median of {len(halves)} arms; "
            f"largest {max(halves):.3f})"
        )

    def _left(self, own: Sequence[int], now: float) -> float | None:
        """Seconds to the end, at the speed up to now; None before anything was measured."""
        done = sum(cost * (have - was) for cost, have, was in zip(self.cost, own, self.before, strict=True))
        left = sum(
            cost * max(want - have, 0) for cost, have, want in zip(self.cost, own, self.wanted, strict=True)
        )
        return left * (now - self.began) / done if done > 0 else None
