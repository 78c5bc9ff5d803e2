"""The calls that measure one build: every arm at each of its places, interleaved, with references between."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.timing.page_cursor import PageCursor
from benchmarks.timing.placed import PlacedArm
from benchmarks.timing.schedule import COUNT_RECORD, ROW
from model.kernels.arrays import address_of
from model.kernels.loop_record import CHAIN, LOOP

CHAIN_PASSES: Final = 40
"""Passes of the additions per build: about 10,000 cycles."""
SLOT_PASSES: Final = 60
"""Passes of the NOPs on either side of a cell: 2,000 to 4,000 cycles, at eight to four NOPs a cycle."""
BARE_SLICES: Final = 4
"""Slices of base as compiled per build; the median counts, for the first one finds cold code."""
CLOCK_SLICES: Final = 4
"""Slices per build that only read the clock, where each free is timed alone; the fastest counts."""
CLOCK_RANGE: Final = 1.1
"""Largest ratio of the clock's cost in a build to the least so far; more is a disturbance. On Zen 5 64
pairs of readings took 6,656 to 7,410 ticks in 99 builds of 100, and up to 20,514."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.void]


def offset(field: str) -> int:
    """Of a field in a loop's record."""
    return int(LOOP.fields[field][1])  # type: ignore[index]


@dataclass(frozen=True)
class References:
    """What is timed beside the arms: addresses of functions, and of the record that frees nothing.

    Attributes
    ----------
    chain, slots
        Dependent additions; NOPs.
    nothing, idle
        The loop that only reads the clock, and its record; 0 where a pass reads it once.
    bare
        Base as it was compiled, without a build's NOPs.
    skip, set_gs, count
        Functions that return at once, set %gs to their argument, and count pages by a word.
    """

    chain: int
    slots: int
    nothing: int
    idle: int
    bare: int
    skip: int
    set_gs: int
    count: int


@dataclass(frozen=True)
class Timed:
    """What the calls of builds took, in ticks, or in what it was divided by.

    Attributes
    ----------
    slices
        float64[builds, places, rounds, arms], a pass each, without the clock where that is subtracted.
    turns
        uint8 likewise, when in its round each arm was timed.
    bare
        float64[builds], the median of base as compiled.
    slots
        float64[builds, places, 2], a NOP before and after each place.
    cycles
        float64[builds], a dependent addition.
    """

    slices: Floats
    turns: npt.NDArray[np.uint8]
    bare: Floats
    slots: Floats
    cycles: Floats

    def of(self, builds: Ints) -> "Timed":
        """Of these builds, in this order."""
        return Timed(*(getattr(self, field.name)[builds] for field in fields(self)))

    def put(self, builds: Ints, places: Ints, other: "Timed") -> None:
        """Replace these cells by those of another, of one place each."""
        for mine, its in zip(self._cells, other._cells, strict=True):
            mine[builds, places] = its[:, 0]

    @property
    def _cells(self) -> tuple[npt.NDArray[Any], ...]:
        """What there is of each cell."""
        return self.slices, self.turns, self.slots


class Table:
    """Makes the rows of builds, and reads what they took.

    In each build first a chain of additions and slices of base as compiled. Then for each place a run of
    NOPs, and the slices: in each round every arm has one, and every second round is the mirror image of the
    one before, so that a linear drift of the machine's speed cancels. At the end another run of NOPs.

    Parameters
    ----------
    arms
        In the order of the case.
    cursor
        Which pages a slice frees.
    several
        Whether arms are of several machines, so that %gs is set before each slice.
    """

    def __init__(
        self,
        arms: Sequence[PlacedArm],
        cursor: PageCursor,
        references: References,
        rng: np.random.Generator,
        several: bool,
    ) -> None:
        self.arms, self.cursor, self.references, self.rng = arms, cursor, references, rng
        self.own = 3 if several else 2
        """Rows of a slice: %gs, pages, the slice itself."""
        self.records = np.array([arm.run.address for arm in arms])
        self.restores = np.array([arm.restore_at for arm in arms])
        self.least_clock = np.inf
        """Ticks that reading the clock took at least, up to now."""
        self._mixed = arms[0].start.scenario.mixed
        self._first_kinds = np.array([arm.start.kinds_address(rng) for arm in arms])
        self.gs = np.array([arm.start.machine.gs_base for arm in arms])
        self._freed_words = [arm.start.freed_word for arm in arms]
        self._count_records = np.zeros((len(arms), 1 + len(arms[0].run.others)), COUNT_RECORD)
        for arm, word, own in zip(arms, self._freed_words, self._count_records, strict=True):
            own["record"] = [record.address for record in (arm.run, *arm.run.others)]
            own["offset"], own["mask"], own["value"] = word.offset, word.mask, word.value & word.mask

    def rows(self, addresses: Ints, stacks: Ints, rounds: int) -> Rows:
        """The rows: ROW[builds, rows of each], in the order in which they are to be called.

        Parameters
        ----------
        addresses
            int64[arms, builds, places], of the builds' loops.
        stacks
            int64[builds, places], bytes.
        rounds
            An even number, or one where there is one arm.
        """
        (builds, places), arms = stacks.shape, len(self.arms)
        forward = np.tile(np.arange(arms), (builds, places, (rounds + 1) // 2, 1))
        forward = self.rng.permuted(forward, axis=3)
        mirrored = np.stack([forward, forward[..., ::-1]], axis=3)
        self.order = mirrored.reshape(builds, places, -1, arms)[:, :, :rounds]
        self.turns = np.argsort(self.order, axis=3)
        """int64[builds, places, rounds, arms], when in its round each arm is timed."""
        each = rounds * arms
        arm = np.zeros((builds, BARE_SLICES + places * each), np.int64)
        arm[:, BARE_SLICES:] = self.order.reshape(builds, -1)
        own = self.slices(arm.ravel()).reshape(builds, -1, self.own)
        place = np.repeat(np.arange(places), each)
        bare, timed = own[:, :BARE_SLICES], own[:, BARE_SLICES:]
        bare["function"][..., -1], bare["stack"][..., -1] = self.references.bare, stacks[:, :1]
        timed["function"][..., -1] = addresses[arm[:, BARE_SLICES:], np.arange(builds)[:, None], place]
        timed["stack"][..., -1] = stacks[:, place]
        head = self._head()
        self.head = len(head)
        end = self.head + BARE_SLICES * self.own
        rows = np.zeros((builds, end + places * (1 + each * self.own) + 1), ROW)
        rows[:, : self.head] = head
        rows[:, self.head : end] = bare.reshape(builds, -1)
        body = rows[:, end:-1].reshape(builds, places, -1)
        body[:, :, 0] = rows[:, -1] = self._slots()
        body[:, :, 1:] = timed.reshape(builds, places, -1)
        rows[:, end:-1] = body.reshape(builds, -1)
        return rows

    def slices(self, arm: Ints) -> Rows:
        """ROW[slices, rows of each]: slices of these arms, but for the loop's address and the stack."""
        own = np.zeros((len(arm), self.own), ROW)
        pages, loop = own[:, -2], own[:, -1]
        pages["argument"] = loop["argument"] = self.records[arm]
        pages["role"], loop["role"] = -arm - 1, arm + 1
        where, due = self.cursor.take(len(own))
        loop["store_at"], loop["value"] = self.records[arm] + offset("order_of_pages"), where
        pages["function"] = np.where(due, self.restores[arm], self.references.skip)
        pages["role"][~due] = 0
        if self.cursor.restores_each_pass:
            pages["store_at"], pages["value"] = self.records[arm] + offset("kinds"), self._kinds(arm)
        if self.own == 3:
            own["function"][:, 0], own["argument"][:, 0] = self.references.set_gs, self.gs[arm]
        return own

    def checks(self, addresses: Ints, stacks: Ints) -> Rows:
        """The rows that free once more in builds, and count each time how many were freed.

        Parameters
        ----------
        addresses
            int64[arms, builds], of the builds' loops.
        stacks
            int64[builds], bytes.

        Returns
        -------
        ROW[builds, rows of each].
        """
        arms, builds = addresses.shape
        arm = np.tile(np.arange(arms), builds)
        own = self.slices(arm)
        own["function"][:, -1], own["stack"][:, -1] = addresses.T.ravel(), stacks.repeat(arms)
        looks = np.zeros((len(own), self._count_records.shape[1]), ROW)
        looks["function"] = self.references.count
        records = self._count_records
        places = np.arange(records.size).reshape(records.shape) * COUNT_RECORD.itemsize
        looks["argument"] = (address_of(records) + places)[arm]
        return np.concatenate([own, looks], axis=1).reshape(builds, -1)

    def unfreed(self, checks: Rows) -> Ints:
        """int64[builds, arms], how many pages were not freed, from such rows after they were called."""
        ticks = checks["ticks"].reshape(len(checks), len(self.arms), -1)[..., self.own :]
        freed = np.array([word.of_freed for word in self._freed_words])
        return np.asarray(np.where(freed[:, None], self.cursor.chunk - ticks, ticks).sum(axis=-1))

    def _kinds(self, arm: Ints) -> Ints:
        """Address of the kinds of each slice's pages: of a random mix drawn anew."""
        if not self._mixed:
            return self._first_kinds[arm]
        return np.array([self.arms[number].start.kinds_address(self.rng) for number in arm])

    def _slots(self) -> Any:
        row = np.zeros((), ROW)
        row["function"], row["argument"] = self.references.slots, SLOT_PASSES
        return row

    def _head(self) -> Rows:
        rows = np.zeros(1 + (CLOCK_SLICES if self.references.idle else 0), ROW)
        rows["function"], rows["argument"] = self.references.nothing, self.references.idle
        rows[0]["function"], rows[0]["argument"] = self.references.chain, CHAIN_PASSES
        return rows

    def ticks(self, rows: Rows) -> Timed:
        """What the rows took that were made last, in ticks."""
        ticks, head = rows["ticks"].astype(np.float64), self.head
        clock = ticks[:, 1:head].min(axis=1) if head > 1 else np.zeros(len(ticks))
        # A table may be of a single cell that is timed again: what was before tells of its clock, too.
        self.least_clock = min(self.least_clock, float(clock.min()))
        clock = np.minimum(clock, CLOCK_RANGE * self.least_clock)
        end = head + BARE_SLICES * self.own
        bare = np.median(ticks[:, head + self.own - 1 : end : self.own], axis=1) - clock
        body = ticks[:, end:-1].reshape(*self.order.shape[:2], -1)
        slots = np.append(body[:, :, 0], ticks[:, -1:], axis=1) / (SLOT_PASSES * CHAIN)
        slices = body[:, :, self.own :: self.own].reshape(self.order.shape)
        slices = np.take_along_axis(slices, self.turns, axis=3) - clock[:, None, None, None]
        sides = np.stack([slots[:, :-1], slots[:, 1:]], axis=-1)
        return Timed(slices, self.turns.astype(np.uint8), bare, sides, ticks[:, 0] / (CHAIN_PASSES * CHAIN))
