"""In the worker: every arm of a scenario, in several code placements, timed in interleaved slices."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean
from time import perf_counter_ns

import numpy as np

from benchmarks.cases import Arm, Case, Scenario
from model.errors import KernelReportError
from model.machine import Machine
from model.start import RESIDENTS, Run, StartState
from model.store import Store
from model.text import LINE, POSITIONS, STEP, Placement


def interquartile_mean(slices: list[float]) -> float:
    """Mean of the middle half: interruptions drop out, and clock steps do not show as with a median."""
    ordered = sorted(slices)
    quarter = len(ordered) // 4
    middle = ordered[quarter : len(ordered) - quarter]
    return sum(middle) / len(middle)


@dataclass
class PlacedArm:
    """One arm: its code in several places, and what its loops are told."""

    arm: Arm
    run: Run
    loops: list[Callable[..., int]]
    restore: Callable[..., int]


class Sampler:
    """The time function that pyperf calls: one loop is one slice of every arm.

    Parameters
    ----------
    case
        What to measure; the first arm is the one whose time pyperf sees.
    store
        Where compiled images are; they must be there.
    seed
        Draws code placements, data offset, page order and the order of slices.

    Attributes
    ----------
    blocks
        [call][arm] -> ns per page, mean over the placements of each one's interquartile mean.
    by_placement
        [call][arm][placement] -> ns per page.
    """

    def __init__(self, case: Case, store: Store, seed: list[int]) -> None:
        scenario = case.scenario
        self.rng = np.random.default_rng(seed)
        self.blocks: list[list[float]] = []
        self.by_placement: list[list[list[float]]] = []
        extra = RESIDENTS if scenario.depth == "full" else 0
        self.machine = Machine(scenario.pages + extra, scenario.memcg, rng=self.rng)
        self.start = StartState(
            self.machine,
            pages=scenario.pages,
            kind=scenario.page_kind,
            order=scenario.order,
            depth=scenario.depth,
            entry=scenario.entry,
            rng=self.rng,
        )
        self.machine.activate()
        self.positions = 1 if case.plain else POSITIONS
        self.reduce: Callable[[list[float]], float] = mean if case.plain else interquartile_mean
        self.arms = [self._place(arm, scenario, store) for arm in case.arms]
        self.walk = Walk(scenario)
        self.pages_per_slice = scenario.pages_per_slice
        self.freed = 0
        self._bags: list[list[int]] = []
        self.ticks_per_ns = self._clock_rate()
        self.empty_pass_ns = self._empty_pass()

    def __call__(self, loops: int) -> float:
        """Time `loops` slices of every arm; returns the first arm's seconds."""
        times: list[list[list[float]]] = [[[] for _ in arm.loops] for arm in self.arms]
        done = 0
        while done < loops:
            order = list(self.rng.permutation(len(self.arms)))
            places = self._next_places()
            # Mirrored, so that a linear drift of the machine's speed cancels.
            for index in order + order[::-1]:
                times[index][places[index]].append(self._slice(self.arms[index], places[index]))
            done += 2
        block = [[self.reduce(place) if place else float("nan") for place in arm] for arm in times]
        self.by_placement.append(block)
        self.blocks.append([float(np.nanmean(arm)) for arm in block])
        return self.blocks[-1][0] * 1e-9 * self.pages_per_slice * loops

    def check(self) -> None:
        """Fail unless every page was freed, and none was bad.

        Raises
        ------
        KernelReportError
        """
        self.machine.check()
        counted = int(self.machine.memory.cpu["pgfree"])
        if counted != self.freed:
            raise KernelReportError(f"the model freed {counted} pages of {self.freed}")

    def _place(self, arm: Arm, scenario: Scenario, store: Store) -> PlacedArm:
        """Copy the arm's code to every position in a cache line, at random higher addresses."""
        spread = self.rng.integers(4096 // LINE, size=self.positions)
        offsets = [int(LINE * high + STEP * low) for low, high in enumerate(spread)]
        placements = self.machine.place(store.load(scenario.image(arm)), offsets)
        loop = scenario.loop(arm)
        self._last: Placement = placements[0]
        run = self.start.run_record(arm.variant)
        run.record["n"], run.record["passes"] = scenario.pages_per_pass, scenario.passes
        run.record["restore"] = scenario.memory == "warm"
        return PlacedArm(
            arm,
            run,
            [placement.function(loop, 1) for placement in placements],
            placements[0].function("restore", 1),
        )

    def _next_places(self) -> list[int]:
        """One placement for each arm, such that each arm visits all of them equally often."""
        if not self._bags or not self._bags[0]:
            self._bags = [[int(place) for place in self.rng.permutation(self.positions)] for _ in self.arms]
        return [bag.pop() for bag in self._bags]

    def _slice(self, placed: PlacedArm, place: int) -> float:
        """Ns per page of one slice; what restores the pages is not in it."""
        record = placed.run.record
        if self.walk.restores_each_pass:
            record["kinds"] = self.start.kinds_address(self.rng)
            placed.restore(placed.run.address)
        elif self.walk.exhausted:
            placed.restore(placed.run.address)
            self.walk.restart()
        self.walk.advance(record, self.start)
        ticks = placed.loops[place](placed.run.address)
        self.freed += self.pages_per_slice if self.walk.counts else 0
        return ticks / self.ticks_per_ns / self.pages_per_slice

    def _clock_rate(self) -> float:
        """Time stamp counter ticks per ns, over at least 20 ms."""
        ticks = self._last.function("ticks", 0)
        begin_ns, begin = perf_counter_ns(), ticks()
        while perf_counter_ns() - begin_ns < 20_000_000:
            pass
        end_ns, end = perf_counter_ns(), ticks()
        return (end - begin) / (end_ns - begin_ns)

    def _empty_pass(self) -> float:
        """Ns that reading the clock twice adds to a pass, spread over its pages."""
        nothing = self._last.function("time_nothing", 1)
        run = self.start.run_record("base")
        run.record["n"], run.record["restore"] = 0, 0
        times = [float(nothing(run.address)) for _ in range(99)]
        return interquartile_mean(times) / self.ticks_per_ns / self.walk.chunk


class Walk:
    """Which pages a slice frees: all of the warm set, pass after pass, or the next part of a larger array.

    Cold pages are restored in bulk when the array is used up, so that restoring does not warm what
    is freed next.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.pages = scenario.pages
        self.restores_each_pass = scenario.memory == "warm"
        self.chunk = scenario.pages_per_pass
        self.counts = scenario.depth != "prepare"
        self.at = 0

    @property
    def exhausted(self) -> bool:
        """Whether the rest of the array is too short for a slice."""
        return self.at + self.chunk > self.pages

    def restart(self) -> None:
        """Begin again, after the pages were restored."""
        self.at = 0

    def advance(self, record: np.ndarray, start: StartState) -> None:
        """Point the record at the next pages to free."""
        if self.restores_each_pass:
            return
        record["order_of_pages"] = start.order_address(self.at)
        self.at += self.chunk
