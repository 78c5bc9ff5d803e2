"""Start states for measuring: which pages are freed, in which order, and how they are restored."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import address_of, aligned
from model.kernels.contract import Machine, Memory
from model.kernels.loop_record import LOOP, PAGE_BYTES
from model.kernels.mix import block_pattern, pattern
from model.kernels.way_tags import apart
from model.machine_code.disturbance import Disturbance
from model.vocabulary.scenario import Scenario


@dataclass(frozen=True)
class FreedWord:
    """A word of a struct page that tells whether the page was freed.

    Attributes
    ----------
    offset, size
        Bytes; eight from the offset on lie in the page.
    value
        What the word is,
    of_freed
        once the page is freed; or, where this is false, for as long as it is not.

    Raises
    ------
    ValueError
        When eight bytes from the offset on do not lie in the page: so many are loaded.
    """

    offset: int
    size: int
    value: int
    of_freed: bool

    def __post_init__(self) -> None:
        if not 0 <= self.offset <= PAGE_BYTES - 8:
            raise ValueError(f"a word at byte {self.offset} is not loaded from within its page")

    @property
    def mask(self) -> int:
        """Bits of eight bytes that are the word's."""
        return (1 << 8 * self.size) - 1


class StartState(ABC):
    """Pages in play, the order in which they are freed, and the memory that restores them.

    Compiled code (`restore`) copies the start state into place, outside of the timed part. Memory beside the
    page array: 4 bytes per page for the order, 1 for the kind. A kernel version defines how a page starts
    (`templates`) and what it counts.

    Parameters
    ----------
    scenario
        Kind of each page, and the order in which pages are freed.
    pages
        Number of pages that are freed before they are restored.
    rng
        Draws the random order.
    memory
        The page array and the arena, as the kernel version has it.
    first
        Number of the first page in play.
    """

    machine: Machine
    """Whose pages they are."""
    others: "list[StartState]"
    """Start states of other CPUs."""
    gated: ClassVar[bool] = False
    """Whether the emulator has to run each arm's code before it runs natively: a kernel's own."""
    drained_every: int = 1
    """Drain period at depth `full`, in frees."""
    at_once: int = 1
    """Pages or blocks that a call of the function frees which a census traces."""

    def __init__(
        self, scenario: Scenario, pages: int, rng: np.random.Generator, memory: Memory, first: int = 0
    ) -> None:
        self.scenario, self.pages, self.first = scenario, pages, first
        self.others = []
        self._memory = memory
        in_order = np.arange(0, pages, 1 << scenario.block_order, dtype=np.uint32)
        self.order_of_pages = apart(in_order.copy, memory.mem_map)
        if scenario.access == "random":
            rng.shuffle(self.order_of_pages)
        self._kinds = (
            block_pattern(scenario, pages) if scenario.block_order else pattern(scenario, pages, rng)
        )
        self._addresses: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        if scenario.entry in ("release_pages", "folios_put_refs"):
            start = memory.page_address(first)
            self._addresses = start + self.order_of_pages.astype(np.int64) * PAGE_BYTES
        self._between = None if scenario.between == "nothing" else Disturbance(scenario.between)
        self._copied = range(0)
        self._by_template = True
        self.arrived = np.zeros(1, np.int64)

    def keep(
        self, arena: npt.NDArray[Any], restored: int, copied: range = range(0), *, by_template: bool = True
    ) -> None:
        """Keep a copy of the current state, which `restore` will copy back.

        Parameters
        ----------
        arena
            Everything but pages and tables.
        restored
            Offset from which on it is restored.
        copied
            Pages that are restored from a copy of their current state, not from a template.
        by_template
            Whether the pages in play are restored from templates, as pages that are alike are.
        """
        self._arena = apart(lambda: aligned(np.uint8, arena.nbytes - restored), self._memory.mem_map)
        self._arena[:] = arena.view(np.uint8)[restored:]
        self._arena_address = address_of(arena) + restored
        self._copied, self._by_template = copied, by_template
        self._copy = self._memory.mem_map[copied.start : copied.stop].copy()

    @abstractmethod
    def templates(self, variant: str) -> npt.NDArray[Any]:
        """What a page may start as, by the numbers in the patterns."""

    @abstractmethod
    def freed(self) -> int | None:
        """Pages or blocks freed by each CPU, by the kernel's own count; None where it does not count."""

    @property
    @abstractmethod
    def freed_word(self) -> "FreedWord":
        """By what a page in play, or the first one of a block, tells whether it was freed."""

    def fault(self, pages: Iterable[int]) -> str | None:
        """What is not as it should be after these pages were freed, to lists that were empty; or None."""
        return self.machine.report()

    def arguments(self, number: int) -> tuple[int, int]:
        """What that function is called with for the n-th time: a page and its order."""
        order = self.scenario.block_order
        address: int = self._memory.page_address(number << order)
        return address, order

    def of(self, variant: str) -> "StartState":
        """The start state that an arm frees pages of: this one, unless the arm is another kernel's."""
        return self

    def loop_record(self, variant: str) -> "LoopRecord":
        """The record of one variant's timed loops."""
        return LoopRecord(self, variant)

    @property
    def between(self) -> int:
        """Address of the function that is called before each free; 0: none."""
        return self._between.address if self._between else 0

    def kinds_address(self, rng: np.random.Generator) -> int:
        """Address of a slice's kinds: in a random mix drawn anew, so that no predictor learns it."""
        return address_of(self._kinds) + int(rng.integers(len(self._kinds) - self.pages + 1))

    def order_address(self, at: int) -> int:
        """Address of the entry at this place of the order."""
        return address_of(self.order_of_pages) + at * self.order_of_pages.itemsize


class LoopRecord:
    """One variant's LOOP record over a start state.

    Attributes
    ----------
    address
        Argument of the timed loops.
    record
        LOOP[1]; `n`, `passes` and `restore` may be changed between calls.
    templates
        The bytes that a page starts as, one page per kind.
    others
        The records of the other CPUs.
    arrived
        i8[1]: number of threads that reached the barrier; the first record's, for all.
    """

    def __init__(self, start: StartState, variant: str) -> None:
        memory = start._memory
        self.others = [LoopRecord(other, variant) for other in start.others]
        self._templates = apart(lambda: start.templates(variant), memory.mem_map)
        self.templates = self._templates.tobytes()
        self.arrived = start.arrived
        self.record = record = apart(lambda: np.zeros(1, LOOP), memory.mem_map)
        self.address = address_of(record)
        record["mem_map"] = memory.page_address(start.first)
        record["order_of_pages"] = address_of(start.order_of_pages)
        record["n"] = len(start.order_of_pages)
        record["pages"] = start.pages if start._by_template else 0
        record["order"] = start.scenario.block_order
        record["passes"] = record["restore"] = 1
        record["kinds"], record["templates"] = address_of(start._kinds), address_of(self._templates)
        record["between"] = start.between
        record["addresses"] = address_of(start._addresses)
        record["arena"] = start._arena_address
        record["arena_start"], record["arena_bytes"] = address_of(start._arena), start._arena.nbytes
        for other in (self, *self.others):  # all count in one place
            other.record["arrived"] = address_of(start.arrived)
            other.record["threads"] = len(self.others) + 1
        if start._copied:
            record["residents"] = memory.page_address(start._copied.start)
            record["residents_start"] = address_of(start._copy)
            record["residents_bytes"] = len(start._copied) * PAGE_BYTES
