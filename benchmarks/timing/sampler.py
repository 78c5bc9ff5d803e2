"""In the worker: every arm of a scenario, in many builds and placements, timed in interleaved slices."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean
from time import perf_counter_ns
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Case
from benchmarks.gate import Candidate, run_first
from benchmarks.timing.crew import Crew
from benchmarks.timing.scheme import Scheme
from model.code.builds import Builds
from model.common.errors import FreepathError, KernelReportError
from model.kernels.loop_record import CHAIN
from model.kernels.start import LoopRecord, StartState
from model.kernels.store import Store
from model.vocabulary.scenario import Arm, Scenario

CLOCK_NS: Final = 20_000_000
CLOCK_READINGS: Final = 15
"""Readings of both clocks at each end of the calibration; the tightest pair counts."""
CLOCK_DRIFT: Final = 1e-3
"""Largest relative change of the counter's rate within a process; beyond it the process is not stored."""
CLOCK_SLICES: Final = 4
"""Slices per cell that only read the clock, where each free is timed alone; the fastest counts."""
CHAIN_PASSES: Final = 40
"""Passes of the additions per cell: about 10,000 cycles."""
SLOT_PASSES: Final = 160
"""Passes of the NOPs per cell: 5,000 to 10,000 cycles, at eight to four NOPs a cycle."""

Floats = npt.NDArray[np.float64]


def faster_half(slices: list[float]) -> float:
    """Mean of the faster half: interruptions and cold code only add, and up to half the slices may be hit."""
    ordered = sorted(slices)
    kept = ordered[: (len(ordered) + 1) // 2]
    return sum(kept) / len(kept)


def interquartile_mean(values: list[float]) -> float:
    """Mean of the middle half."""
    ordered = sorted(values)
    quarter = len(ordered) // 4
    middle = ordered[quarter : len(ordered) - quarter]
    return sum(middle) / len(middle)


@dataclass
class PlacedArm:
    """One arm: its loop's code and address in each cell, its record, and how its pages are restored."""

    arm: Arm
    start: StartState
    digest: str
    """Machine code digest of the image as loaded."""
    run: LoopRecord
    builds: Builds
    addresses: list[int]
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
        Draws builds, code placements, data offset, page order and the order of slices.
    scheme
        Which builds.

    Attributes
    ----------
    cells
        What differs between cells.
    blocks
        [call] -> float64[arms, cells of a value], ns per page; the cells in the order of `cells.group(call)`.
    cycles, slots, bare
        [call] -> ns per cycle, ns per dispatched NOP, and ns per page of base as it was compiled, without a
        build's NOPs.
    """

    def __init__(self, case: Case, store: Store, seed: list[int], scheme: Scheme) -> None:
        scenario = case.scenario
        self.rng = np.random.default_rng(seed)
        self.blocks: list[Floats] = []
        self.cycles: list[float] = []
        self.slots: list[float] = []
        self.bare: list[float] = []
        self.path = case.path
        self.start = self.path.start(scenario, self.rng)
        self.machine = self.start.machine
        self._crew = Crew(self.machine)
        self.reduce: Callable[[list[float]], float] = mean if case.pyperf_alone else faster_half
        self.cells = (Scheme(1) if case.pyperf_alone else scheme).draw(self.rng)
        self._alone = case.pyperf_alone
        self._flips = scenario.between == "flip"
        self.stacks = [int(offset) for offset in self.cells.stack]
        self.arms = [self._place(arm, scenario, store) for arm in case.arms]
        self._several = any(arm.start is not self.start for arm in self.arms)
        self._place_base(case, store)
        run_first(self._gated())
        self.walk = Walk(case, self.start, self.arms)
        self.pages_per_slice = case.pages_per_slice
        self.freed = 0
        self.ticks_per_ns = self._clock_rate()
        self.empty_pass_ns = self._empty_pass()

    def __call__(self, loops: int) -> float:
        """Time `loops` slices of every arm; returns the first arm's seconds."""
        group = np.zeros(1, np.int64) if self._alone else self.cells.group(len(self.blocks))
        block = np.zeros((len(self.arms), len(group)))
        slices = max(loops // len(group), 1)
        chains, slots, bare = [], [], []
        for place in self.rng.permutation(len(group)):
            clock = self._clock()
            block[:, place] = self._cell(int(group[place]), slices) - clock
            chains.append(self._chain(CHAIN_PASSES) / self.ticks_per_ns / (CHAIN_PASSES * CHAIN))
            slots.append(self._slots(SLOT_PASSES) / self.ticks_per_ns / (SLOT_PASSES * CHAIN))
            # With between=flip a copy whose sites are not rewritten is no reference.
            as_compiled = self._slice(self.arms[0], self._bare, self.stacks[group[place]]) - clock
            bare.append(float(block[0, place]) if self._flips else as_compiled)
        self.blocks.append(block)
        self.cycles.append(interquartile_mean(chains))
        self.slots.append(interquartile_mean(slots))
        self.bare.append(interquartile_mean(bare))
        return float(block[0].mean()) * 1e-9 * self.pages_per_slice * loops

    def _clock(self) -> float:
        """Ns per page that reading the clock takes; worth subtracting where each free is timed alone."""
        return min(self._empty() for _ in range(CLOCK_SLICES)) if self.start.between else 0.0

    def _cell(self, cell: int, slices: int) -> Floats:
        """Ns per page of every arm in one cell, each reduced by itself."""
        times: list[list[float]] = [[] for _ in self.arms]
        stack = self.stacks[cell]
        while len(times[-1]) < slices:
            forward = list(self.rng.permutation(len(self.arms)))
            # Mirrored, so that a linear drift of the machine's speed cancels.
            for index in forward + forward[::-1]:
                arm = self.arms[index]
                if self._flips:
                    arm.builds.rewrite(cell)
                times[index].append(self._slice(arm, arm.addresses[cell], stack))
        return np.array([self.reduce(slices) for slices in times])

    def check(self) -> None:
        """Fail unless every page was freed, none was bad, and both clocks agree.

        Raises
        ------
        KernelReportError
        """
        starts = [self.start, *(start for arm in self.arms if (start := arm.start) is not self.start)]
        for start in starts:
            start.machine.check()
        counted = [count for start in starts if (count := start.freed()) is not None]
        if len(counted) == len(starts) and sum(counted) != self.freed:
            raise KernelReportError(f"{sum(counted)} pages were freed of {self.freed}")
        for arm in self.arms:
            self._check_work(arm)
        rate = self._clock_rate()
        if abs(rate / self.ticks_per_ns - 1) > CLOCK_DRIFT:
            raise KernelReportError(
                f"the time stamp counter ran at {self.ticks_per_ns:.4f} and at {rate:.4f} ticks per ns: "
                "the process is not stored"
            )

    def _check_work(self, placed: PlacedArm) -> None:
        """Free once more in every cell; before the pages are restored, none may hold a reference."""
        record = placed.run.record
        restores = int(record["restore"][0])
        record["restore"], record["passes"] = 0, 1
        # Restores all pages first, then walks on through a larger array, where restoring takes a second.
        self.walk.at = self.walk.pages
        for cell in [0] if self._alone else range(len(placed.addresses)):
            self._begin(placed)
            self._crew.call(placed.run, self.stacks[cell], placed.addresses[cell])
            if held := placed.start.held(self.walk.last()):
                raise KernelReportError(
                    f"{placed.arm.name}, build {cell}, left {held} of {self.walk.chunk} pages referenced"
                )
        record["restore"], record["passes"] = restores, self.walk.passes
        self._crew.restore(placed.run, placed.restore)

    def _place(self, arm: Arm, scenario: Scenario, store: Store) -> PlacedArm:
        """Lay out the arm's builds, and one copy as compiled for what is not timed."""
        code = store.load(self.path.image(scenario, arm))
        builds = Builds(code, self.path.loop(scenario, arm), self.cells.plan, self.rng)
        start = self.start.of(arm.variant)
        (placement,) = start.machine.place(code)
        start.machine.keys.register([builds])
        run = start.loop_record(arm.variant)
        run.record["n"] = self.path.pages_per_pass(scenario)
        run.record["passes"] = self.path.passes(scenario)
        run.record["restore"] = scenario.memory == "warm"
        addresses = [int(address) for address in builds.addresses]
        return PlacedArm(arm, start, code.digest, run, builds, addresses, placement.function("restore", 1))

    def _place_base(self, case: Case, store: Store) -> None:
        """The first arm as compiled, the chain that measures a cycle, and the clock."""
        scenario = case.scenario
        (placement,) = self.machine.place(store.load(self.path.image(scenario, case.arms[0])))
        self._compiled = placement
        self._bare = placement.address(self.path.loop(scenario, case.arms[0]))
        self._chain = placement.function("time_chain", 1)
        self._slots = placement.function("time_slots", 1)
        self._ticks = placement.function("ticks", 0)
        self._nothing = placement.function(self.path.nothing(scenario), 1)
        self._idle = self.start.loop_record("base")
        # Read once for all pages, or once for each.
        self._idle.record["n"] = self.path.pages_per_pass(scenario) if self.start.between else 0
        self._idle.record["restore"] = 0

    def _gated(self) -> list[Candidate]:
        """What the emulator has to run before: every build of a kernel file's arms, and base as compiled."""
        found = []
        for arm in self.arms:
            if arm.start.gated:
                name = f"{arm.start.scenario.name}: {arm.arm.name}"
                builds = arm.builds
                found.append(
                    Candidate(name, arm.start, arm.run, builds.addresses, builds.begins, builds.ends)
                )
        if found:
            base, copy = found[0], self._compiled
            spans = np.array([[self._bare], [copy.base], [copy.base + len(copy.code.code)]])
            found.append(Candidate(f"{base.what} as compiled", base.start, base.run, *spans))
        return found

    def _slice(self, placed: PlacedArm, address: int, stack: int) -> float:
        """Ns per page of one slice, without restoring the pages."""
        self._begin(placed)
        ticks = self._crew.call(placed.run, stack, address)
        self.freed += self.pages_per_slice
        return ticks / self.ticks_per_ns / self.pages_per_slice

    def _begin(self, placed: PlacedArm) -> None:
        """Restore pages where that is due, and point the arm's record at the next ones."""
        record = placed.run.record
        if self._several:
            placed.start.machine.activate()
        if self.walk.restores_each_pass:
            record["kinds"] = placed.start.kinds_address(self.rng)
            self._crew.restore(placed.run, placed.restore)
        elif self.walk.exhausted:
            self._crew.restore(placed.run, placed.restore)
            self.walk.restart()
        self.walk.advance(record)

    def _clock_rate(self) -> float:
        """Time stamp counter ticks per ns of the monotonic clock."""
        begin_ns, begin = self._clocks()
        while perf_counter_ns() - begin_ns < CLOCK_NS:
            pass
        end_ns, end = self._clocks()
        return (end - begin) / (end_ns - begin_ns)

    def _clocks(self) -> tuple[float, float]:
        """Both clocks at one moment: of several readings the one that nothing came between."""
        readings = []
        for _ in range(CLOCK_READINGS):
            before, ticks, after = perf_counter_ns(), self._ticks(), perf_counter_ns()
            readings.append((after - before, (before + after) / 2, ticks))
        _, ns, ticks = min(readings)
        return ns, ticks

    def _empty_pass(self) -> float:
        """Ns that reading the clock twice adds to a pass, spread over its pages."""
        return interquartile_mean([self._empty() for _ in range(99)])

    def _empty(self) -> float:
        """One such measurement."""
        return float(self._nothing(self._idle.address)) / self.ticks_per_ns / self.walk.chunk


class Walk:
    """Page cursor: a slice frees all of the warm set, pass after pass, or the next part of a larger array.

    Cold pages are restored in bulk when the array is used up, so that restoring does not warm what
    is freed next. So all arms must find the same pages there.
    """

    def __init__(self, case: Case, start: StartState, arms: list[PlacedArm]) -> None:
        scenario, path = case.scenario, case.path
        self.start = start
        self.pages = path.pages(scenario)
        self.restores_each_pass = scenario.memory == "warm"
        self.chunk, self.passes = path.pages_per_pass(scenario), path.passes(scenario)
        # Nothing was restored yet: the page array holds plain pages, whatever the scenario's kind.
        self.at = self.pages
        if not self.restores_each_pass and len({arm.run.templates for arm in arms}) > 1:
            raise FreepathError(
                f"{scenario.name}: arms mark such pages differently, and beyond the warm set all arms walk "
                "through one array: choose memory=warm, or page_kind=plain or anon"
            )

    @property
    def exhausted(self) -> bool:
        """Whether the rest of the array is too short for a slice."""
        return self.at + self.chunk > self.pages

    def restart(self) -> None:
        """Begin again, after the pages were restored."""
        self.at = 0

    def advance(self, record: np.ndarray) -> None:
        """Point the record at the next pages to free."""
        if self.restores_each_pass:
            return
        record["order_of_pages"] = self.start.order_address(self.at)
        self.at += self.chunk

    def last(self) -> npt.NDArray[np.uint32]:
        """Numbers of the pages that the latest slice freed."""
        first = 0 if self.restores_each_pass else self.at - self.chunk
        pages: npt.NDArray[np.uint32] = self.start.order_of_pages[first : first + self.chunk]
        return pages
