"""In the worker: every arm of a scenario, in many builds and placements, timed in interleaved slices."""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Case
from benchmarks.timing import levels
from benchmarks.timing.cpu_threads import CpuThreads
from benchmarks.timing.page_cursor import PageCursor
from benchmarks.timing.placed import PlacedArm
from benchmarks.timing.schedule import Walker
from benchmarks.timing.scheme import Cells, Scheme
from benchmarks.timing.table import References, Rows, Table, Timed
from model.common.errors import KernelReportError
from model.kernels.lay_out.image import lay_out_of
from model.kernels.store import Store
from model.kernels.way_tags import confused
from model.machine_code.builds import Builds
from model.machine_code.pieces import pieces_of
from model.vocabulary.scenario import Arm, Scenario

CLOCK_NS: Final = 10_000_000
"""Least time between the two ends of a measurement of the clock's rate."""
CLOCK_READINGS: Final = 15
"""Readings of both clocks at each end of the calibration; the tightest pair counts."""
CLOCK_DRIFT: Final = 1e-3
"""Largest relative change of the counter's rate within a process; beyond it the process is not stored."""
AGAIN: Final = 2
"""How often the cells of a value are looked at, and the disturbed ones timed again."""
AGAIN_SHARE: Final = 0.2
"""Share of the cells that are timed again at most, each time."""
STACK_PAGES: Final = 1 << 5
"""Pages by which a process moves its stack down at most: a fork has its parent's stack."""
STACK_BYTES: Final = mmap.PAGESIZE + 512
"""Of it that calls use, wherever in a page it begins."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def interquartile_mean(values: Floats | list[float]) -> float:
    """Mean of the middle half."""
    ordered = sorted(values)
    quarter = len(ordered) // 4
    middle = ordered[quarter : len(ordered) - quarter]
    return float(sum(middle) / len(middle))


@dataclass(frozen=True)
class Value:
    """What one call of the time function measured.

    Attributes
    ----------
    cells
        Its builds and places.
    slices
        float64[builds, places, rounds, arms], ns per page.
    turns
        uint8 likewise, when in its round each arm was timed.
    levels
        float64[arms, builds, places], ns per page.
    slots
        float64[builds, places, 2], ns per dispatched NOP before and after each cell.
    again
        How many of the cells were timed again, for the machine moved meanwhile.
    cycles, bare
        float64[builds], ns per cycle, and ns per page of base as it was compiled, without a build's NOPs.
    """

    cells: Cells
    slices: Floats
    turns: npt.NDArray[np.uint8]
    levels: Floats
    slots: Floats
    again: int
    cycles: Floats
    bare: Floats

    @property
    def block(self) -> Floats:
        """float64[arms, builds], each build's mean over its places."""
        return np.asarray(self.levels.mean(axis=2))


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
    values
        What each call measured.
    """

    def __init__(self, case: Case, store: Store, seed: list[int], scheme: Scheme) -> None:
        scenario = case.scenario
        self.rng = np.random.default_rng(seed)
        self.values: list[Value] = []
        self.path = case.path
        self.start = self.path.start(scenario, self.rng)
        self.machine = self.start.machine
        self._threads, self._walker = CpuThreads(self.machine), Walker()
        self._alone, self._flips = case.pyperf_alone, scenario.between == "flip"
        self._scheme, self.places = (Scheme(1), 1) if self._alone else (scheme, case.places)
        self._copies = 1 if self._alone else case.copies
        self._name = scenario.name
        self._stack = self._drawn_stack()
        self._lay_out = lay_out_of(store)
        references = self._place_base(case, store)
        began = self._clocks()
        self.arms = [self._place(arm, scenario, store) for arm in case.arms]
        several = any(arm.start is not self.start for arm in self.arms)
        self.cursor = PageCursor(case, self.start, self.arms)
        self.table = Table(self.arms, self.cursor, references, self.rng, several)
        self.pages_per_slice: int = case.pages_per_slice
        self.freed = 0
        self.ticks_per_ns = self._rate_since(began)
        self._placed = self._clocks()
        self.empty_pass_ns = self._empty_pass()

    def __call__(self, loops: int) -> float:
        """Time `loops` slices of every arm at each place; returns the first arm's seconds."""
        cells = self._scheme.draw(self.rng, self.places, self._copies)
        count = 1 if self._alone else len(cells.phase)
        rounds = max(loops // count, 1)
        rounds += 0 if self._alone else rounds % 2
        self.take_builds(cells)
        visited = self.rng.permutation(count)
        everywhere = np.broadcast_to(np.arange(self.places), (count, self.places))
        timed = self._timed(cells, visited, everywhere, rounds).of(np.argsort(visited))
        times, again = self._steady(cells, timed, rounds)
        self.check_builds(cells, count)
        per_page = self.ticks_per_ns * self.pages_per_slice
        times /= per_page
        # With between=flip a copy whose sites are not rewritten is no reference.
        bare = times[..., 0].mean(axis=1) if self._flips else timed.bare / per_page
        value = Value(
            cells,
            timed.slices / per_page,
            timed.turns,
            np.moveaxis(times, 2, 0),
            timed.slots / self.ticks_per_ns,
            again,
            timed.cycles / self.ticks_per_ns,
            bare,
        )
        self.values.append(value)
        return float(value.block[0].mean()) * 1e-9 * self.pages_per_slice * loops

    def _timed(self, cells: Cells, builds: Ints, places: Ints, rounds: int) -> Timed:
        """Time these builds, int64[builds], one after the other, each at these places, int64[builds, places].

        Raises
        ------
        KernelReportError
        """
        own = builds[:, None], places
        addresses = np.array([arm.addresses[own] for arm in self.arms])
        rows = self.table.rows(addresses, self._stack + cells.moved[own], rounds)
        for at, build in enumerate(builds):
            self.run(rows[at], int(build))
        timed = self.table.ticks(rows)
        if not (timed.slices > 0).all():
            raise KernelReportError("the time stamp counter went backwards: the process is not stored")
        return timed

    def _steady(self, cells: Cells, timed: Timed, rounds: int) -> tuple[Floats, int]:
        """Time once more where the machine moved, and keep the calmer time of a cell.

        On a quiet Zen 4 a seventh of the cells made nine tenths of the A/A variance (docs/decisions/0009).

        Returns
        -------
        float64[builds, places, arms], ticks of a pass, and how many cells were timed again.
        """
        if self._alone:
            return timed.slices.mean(axis=2), 0
        times, moved = levels.levelled(timed.slices, timed.turns)
        # Where Python acts between the slices of a build, cells cannot be timed by themselves.
        looks = 0 if self._flips or self._threads.several else AGAIN
        again = 0
        for _ in range(looks):
            chosen = levels.disturbed(moved.ravel(), int(moved.size * AGAIN_SHARE))
            if not len(chosen):
                break
            builds, places = np.unravel_index(chosen, moved.shape)
            anew = self._timed(cells, builds, places[:, None], rounds)
            moves = levels.levelled(anew.slices, anew.turns)[1][:, 0]
            calmer = moves < moved[builds, places]
            timed.put(builds[calmer], places[calmer], anew.of(np.flatnonzero(calmer)))
            moved[builds[calmer], places[calmer]] = moves[calmer]
            again += len(chosen)
        if again:
            times = levels.neighbours(timed.slices, timed.turns)
        return times, again

    @property
    def timed_s(self) -> float:
        """Seconds in slices of the arms, without interruptions."""
        passes: float = sum(float(value.levels.sum()) * value.slices.shape[2] for value in self.values)
        return passes * 1e-9 * self.pages_per_slice

    def run(self, rows: Rows, build: int) -> None:
        """Make the calls of a build: at once, or one by one where Python has to act between them."""
        self.freed += self.pages_per_slice * int((rows["role"] > 0).sum())
        if not self._threads.several and not self._flips:
            self._walker.run(rows)
            return
        cells = {int(at): place for arm in self.arms for place, at in enumerate(arm.addresses[build])}
        for at, row in enumerate(rows):
            arm = self.arms[abs(int(row["role"])) - 1]
            if row["role"] > 0 and self._flips and int(row["function"]) in cells:
                arm.builds.rewrite(build * self.places + cells[int(row["function"])])
            if row["role"] == 0 or not self._threads.several:
                self._walker.run(rows[at : at + 1])
            elif row["role"] > 0:
                row["ticks"] = round(self._threads.call(arm.run, int(row["stack"]), int(row["function"])))
            else:
                self._threads.restore(arm.run, arm.restore)

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
        rate = self._rate_since(self._placed)
        if abs(rate / self.ticks_per_ns - 1) > CLOCK_DRIFT:
            raise KernelReportError(
                f"the time stamp counter ran at {self.ticks_per_ns:.4f} and at {rate:.4f} ticks per ns: "
                "the process is not stored"
            )

    def check_builds(self, cells: Cells, count: int) -> None:
        """Free once more in every build; before the pages are restored, none may hold a reference."""
        builds = np.arange(count)
        own = builds, builds % self.places
        addresses = np.array([arm.addresses[own] for arm in self.arms])
        rows = self.table.checks(addresses, self._stack + cells.moved[own])
        for build in builds.tolist():
            self.run(rows[build], build)
        unfreed = self.table.unfreed(rows)
        for build, number in np.argwhere(unfreed)[:1]:
            raise KernelReportError(
                f"{self.arms[number].arm.name}, build {build}, left {unfreed[build, number]} of "
                f"{self.cursor.chunk} pages referenced"
            )

    def _place(self, arm: Arm, scenario: Scenario, store: Store) -> PlacedArm:
        """Find out what the arm's loop reaches, and make its record."""
        code = store.load(self.path.image(scenario, arm))
        start = self.start.of(arm.variant)
        (placement,) = start.machine.place(code)
        run = start.loop_record(arm.variant)
        run.record["n"] = self.path.pages_per_pass(scenario)
        run.record["passes"], run.record["restore"] = 1, 0
        pieces = pieces_of(code, self.path.loop(scenario, arm))
        restore = placement.function("restore", 1)
        return PlacedArm(arm, start, code, pieces, run, restore, placement.address("restore"))

    def take_builds(self, cells: Cells) -> None:
        """Take the builds of a value, of every arm, in place of those of the value before."""
        first = not self.arms[0].taken
        for placed in self.arms:
            machine = placed.start.machine
            if placed.taken:
                machine.keys.forget(placed.taken)
            builds = Builds(
                placed.code, placed.pieces.name, cells.plan, self.rng, self._lay_out, placed.pieces
            )
            placed.taken = [builds]
            machine.keys.register(placed.taken)
            copies = builds.addresses.reshape(len(cells.phase), -1)
            placed.addresses = copies.repeat(self.places // copies.shape[1], axis=1)
        gated = [placed for placed in self.arms if placed.start.gated]
        if gated:
            self._gate(gated, first=first)

    def _gate(self, gated: Sequence[PlacedArm], *, first: bool) -> None:
        """Have the emulator run every build that will be, and before all others base as compiled."""
        from benchmarks.gate import Candidate, run_first

        if not first:
            for placed in gated:
                placed.start.machine.activate()
                # The cursor's order is the first start state's; the emulator sees an arm's own.
                placed.run.record["order_of_pages"] = placed.start.order_address(0)
                self._threads.restore(placed.run, placed.restore)
            self.machine.activate()
        found = [placed.candidate(self._name) for placed in gated]
        if first:
            base, copy = found[0], self._base
            spans = np.array([[self._bare], [copy.base], [copy.base + len(copy.code.code)]])
            found.append(Candidate(f"{base.what} as compiled", base.start, base.run, *spans))
        run_first(found)

    def _place_base(self, case: Case, store: Store) -> References:
        """The first arm as compiled, the chain that measures a cycle, and the clock."""
        scenario = case.scenario
        (placement,) = self.machine.place(store.load(self.path.image(scenario, case.arms[0])))
        self._base, self._bare = placement, placement.address(self.path.loop(scenario, case.arms[0]))
        self._ticks = placement.function("ticks", 0)
        self._nothing = placement.function(self.path.nothing(scenario), 1)
        self._idle = self.start.loop_record("base")
        # Read once for all pages, or once for each.
        self._idle.record["n"] = self.path.pages_per_pass(scenario) if self.start.between else 0
        self._idle.record["restore"] = 0
        return References(
            chain=placement.address("time_chain"),
            slots=placement.address("time_slots"),
            nothing=placement.address(self.path.nothing(scenario)),
            idle=self._idle.address if self.start.between else 0,
            bare=self._bare,
            skip=self._walker.skip,
            set_gs=self._walker.set_gs,
            count=self._walker.count,
        )

    def _drawn_stack(self) -> int:
        """Bytes that the stack is moved down: so that the first-level cache keeps it and pages apart."""
        drawn: list[int] = [mmap.PAGESIZE * page for page in self.rng.permutation(STACK_PAGES).tolist()]
        ends, pages = self._walker.stack, self.machine.memory.mem_map
        apart = (down for down in drawn if not confused(ends - down - STACK_BYTES, STACK_BYTES, pages))
        return next(apart, drawn[0])

    def _rate_since(self, began: tuple[float, float]) -> float:
        """Time stamp counter ticks per ns of the monotonic clock, from a moment on that may just be over."""
        began_ns, began_ticks = began
        while perf_counter_ns() - began_ns < CLOCK_NS:
            pass
        end_ns, end_ticks = self._clocks()
        return (end_ticks - began_ticks) / (end_ns - began_ns)

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
        return float(self._nothing(self._idle.address)) / self.ticks_per_ns / self.cursor.chunk
