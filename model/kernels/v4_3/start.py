"""Start states for measuring: which pages are freed, in which order, and how they are given back."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.code.disturbance import Disturbance
from model.kernels.arrays import address_of, aligned
from model.kernels.loop_record import LOOP
from model.kernels.mix import pattern
from model.kernels.v4_3.image import marks_of
from model.kernels.v4_3.machine import Machine
from model.kernels.v4_3.memory import BLOCK, RESTORED
from model.kernels.v4_3.page import (
    ANON,
    LIST_POISON1,
    LIST_POISON2,
    LRU,
    MEMCG_DATA_KMEM,
    PAGE_BYTES,
    PG,
    STRUCT_PAGE,
    Mapcount,
)
from model.kernels.v4_3.zone import PCP_BATCH, PCP_HIGH, PCP_NEVER, Migratetype
from model.vocabulary.scenario import PageKind, Scenario

PLAIN, HEAD, FIRST_TAIL, OTHER_TAIL = range(4)
"""Numbers of the templates; a page that is none of a block is like a head."""
RESIDENTS: Final = PCP_HIGH - PCP_BATCH
"""Pages that stay on the per-CPU list once drains have begun: so many wait there at the start of `full`."""


def is_kmem(kind: PageKind) -> bool:
    """Whether such pages come from alloc_kmem_pages."""
    return kind in ("flagged", "charged")


def pages_of_a_cpu(scenario: Scenario, pages: int) -> int:
    """Of the page array, in whole blocks of the largest order, so that no buddy is another CPU's."""
    extra = RESIDENTS if scenario.depth == "full" else 0
    return -(-(pages + extra) // BLOCK) * BLOCK


def block_pattern(scenario: Scenario, pages: int) -> npt.NDArray[np.uint8]:
    """Which template each page of a row of blocks starts from: 1 a head, 2 a first tail page, 3 another."""
    kinds = np.full((pages >> scenario.block_order, 1 << scenario.block_order), OTHER_TAIL, np.uint8)
    kinds[:, 0], kinds[:, 1] = HEAD, FIRST_TAIL
    return kinds.reshape(-1)


def template(kind: PageKind, machine: Machine, variant: str) -> npt.NDArray[Any]:
    """A page as its owner holds it just before the free.

    Parameters
    ----------
    kind
        `flagged`: from alloc_kmem_pages for an unaccounted task; `charged`: for an accounted one.
    machine
        Where the cgroup lives.
    variant
        Decides what marks a kmem page.

    Returns
    -------
    STRUCT_PAGE[1]
    """
    page = np.zeros(1, STRUCT_PAGE)
    page["flags"] = machine.memory.mem_map["flags"][0]
    page["_mapcount"], page["_count"] = Mapcount.IDLE, 1
    page["lru_next"], page["lru_prev"] = LIST_POISON1, LIST_POISON2
    marks = marks_of(variant, machine.memcg_compiled)
    if kind == "anon":
        page["mapping"] = address_of(machine.memory.arena) | ANON
    if kind == "charged":
        page["mem_cgroup"] = machine.memory.memcg_address(machine.charged)
        if marks == "memcg-data":
            page["mem_cgroup"] |= MEMCG_DATA_KMEM
    if (marks == "always" and kind in ("flagged", "charged")) or (marks == "charged" and kind == "charged"):
        page["_mapcount"] = Mapcount.KMEM
    return page


def templates(scenario: Scenario, machine: Machine, variant: str) -> npt.NDArray[Any]:
    """What a page may start as: STRUCT_PAGE[4], by the numbers in the patterns."""
    pages = aligned(STRUCT_PAGE, 4)
    kind = scenario.page_kind
    pages[PLAIN] = template("plain" if scenario.mixed else kind, machine, variant)[0]
    pages[HEAD] = template(kind, machine, variant)[0]
    for tail in (FIRST_TAIL, OTHER_TAIL):
        pages[tail] = template("plain", machine, variant)[0]
        pages[tail]["_count"] = 0
    if scenario.compound:
        pages["flags"][HEAD] |= np.uint64(PG.HEAD)
        pages[FIRST_TAIL]["lru_prev"] = scenario.block_order
        for tail in (FIRST_TAIL, OTHER_TAIL):
            pages["flags"][tail] |= np.uint64(PG.TAIL)
    return pages


class StartState:
    """Pages in play, the order in which they are freed, and the memory that restores them.

    The start state is copied into place by `restore`, compiled, and never inside the timed part. Memory
    beside the page array: 4 bytes per page for the order, 1 for the kind.

    Parameters
    ----------
    machine
        Its page array must have room for `pages` and, for depth `full`, 155 more, on each of its CPUs.
    scenario
        What each page is, in which order they are freed, and how far: depth `pcp` never drains, `full` drains
        31 pages on every 31st free. Entry release_pages takes an array of addresses, 8 bytes more per page.
    pages
        How many pages are freed before they are given back.
    rng
        Draws the random order.
    variant
        Make every page at once one of the scenario's kind, as this variant's kernel marks it; None: a loop's
        `restore` will.
    cpu
        Whose pages these are; the start state of CPU 0 holds those of the others.
    """

    def __init__(
        self,
        machine: Machine,
        scenario: Scenario,
        pages: int,
        rng: np.random.Generator,
        variant: str | None = None,
        cpu: int = 0,
    ) -> None:
        self.machine, self.scenario, self.pages, self.cpu = machine, scenario, pages, cpu
        memory = machine.memory
        self.first = cpu * pages_of_a_cpu(scenario, pages)
        self.others = [
            StartState(machine, scenario, pages, rng, variant, number)
            for number in (range(1, len(memory.arenas)) if cpu == 0 else ())
        ]
        if variant is not None:
            memory.fill(template(scenario.page_kind, machine, variant))
        self.order_of_pages = np.arange(0, pages, 1 << scenario.block_order, dtype=np.uint32)
        if scenario.order == "random":
            rng.shuffle(self.order_of_pages)
        self._kinds = (
            block_pattern(scenario, pages) if scenario.block_order else pattern(scenario, pages, rng)
        )
        self._addresses = np.zeros(0, np.int64)
        if scenario.entry == "release_pages":
            first = memory.page_address(self.first)
            self._addresses = first + self.order_of_pages.astype(np.int64) * PAGE_BYTES
        self._between = None if scenario.between == "nothing" else Disturbance(scenario.between)
        self._charge(pages if scenario.page_kind == "charged" else 0)
        full = scenario.depth == "full"
        arena = memory.arenas[cpu]
        arena["pcp"][0]["high"] = PCP_HIGH if full else PCP_NEVER
        self._residents = self._make_residents() if full else 0
        self._arena = aligned(np.uint8, arena.nbytes - RESTORED)
        self._arena[:] = arena.view(np.uint8)[RESTORED:]
        self._arena_address = address_of(arena) + RESTORED
        self.arrived = np.zeros(1, np.int64)

    drained_every: Final = PCP_BATCH
    """Frees from one drain to the next, at depth `full`."""

    def freed(self) -> int | None:
        """Blocks freed by each CPU since boot, by the kernel's own count; the fewest, if they differ.

        None where the path ends before it counts.
        """
        if self.scenario.depth == "prepare":
            return None
        return min(int(cpu["pgfree"]) for cpu in self.machine.memory.cpus) >> self.scenario.block_order

    def held(self, pages: npt.NDArray[np.uint32]) -> int:
        """How many of these pages, by number, still have a reference on some CPU: so many were not freed."""
        counts = self.machine.memory.mem_map["_count"]
        return sum(int((counts[start.first + pages] != 0).sum()) for start in (self, *self.others))

    def loop_record(self, variant: str) -> "LoopRecord":
        """What the timed loops of one variant are told."""
        return LoopRecord(self, variant)

    @property
    def between(self) -> int:
        """Address of what is called before each free; 0: nothing is."""
        return self._between.address if self._between else 0

    def kinds_address(self, rng: np.random.Generator) -> int:
        """Where a slice's kinds begin: in a random mix at a place drawn anew, so that nobody learns it."""
        return address_of(self._kinds) + int(rng.integers(len(self._kinds) - self.pages + 1))

    def order_address(self, at: int) -> int:
        """Where the loops find the page to free at this place of the order."""
        return address_of(self.order_of_pages) + at * self.order_of_pages.itemsize

    def _charge(self, pages: int) -> None:
        """Put the pages on the cgroup's counters, as charging them one by one would have."""
        group, memory = self.machine.charged, self.machine.memory
        swap = bool(memory.cpu["do_swap_account"])
        lowest = 0 if memory.memcg[group]["memory"]["parent"] else group
        for name in ("memory", "kmem") + (("memsw",) if swap else ()):
            for level in range(lowest, group + 1):
                memory.memcg[level][name]["count"] += pages
        memory.arenas[self.cpu]["css_refs"][0][group] += pages

    def _make_residents(self) -> int:
        """Link 155 freed pages into the per-CPU list, the last one freed first."""
        memory = self.machine.memory
        first = self.first + self.pages
        last = first + RESIDENTS
        head = memory.pcp_list(Migratetype.MOVABLE, self.cpu)
        links = [memory.page_address(number) + LRU for number in range(first, last)]
        for at, number in enumerate(range(first, last)):
            page = memory.mem_map[number]
            page["_count"], page["index"] = 0, Migratetype.MOVABLE
            page["lru_next"] = links[at + 1] if at + 1 < RESIDENTS else head
            page["lru_prev"] = links[at - 1] if at else head
        pcp = memory.arenas[self.cpu]["pcp"][0]
        pcp["lists"][Migratetype.MOVABLE] = (links[0], links[-1])
        pcp["count"] = RESIDENTS
        self._residents_copy = memory.mem_map[first:last].copy()
        return RESIDENTS


class LoopRecord:
    """One variant's LOOP record over a start state.

    Attributes
    ----------
    address
        What the timed loops take.
    record
        LOOP[1]; `n`, `passes` and `restore` may be changed between calls.
    templates
        The bytes that a page starts as, one page per kind.
    others
        That of each other CPU.
    arrived
        i8[1]: how many of them have come to a meeting; of the first record for all.
    """

    def __init__(self, start: StartState, variant: str) -> None:
        memory = start.machine.memory
        self.others = [LoopRecord(other, variant) for other in start.others]
        self._templates = templates(start.scenario, start.machine, variant)
        self.templates = self._templates.tobytes()
        self.arrived = start.arrived
        self.record = np.zeros(1, LOOP)
        self.address = address_of(self.record)
        self.record["mem_map"] = memory.page_address(start.first)
        self.record["order_of_pages"] = address_of(start.order_of_pages)
        self.record["n"], self.record["pages"] = len(start.order_of_pages), start.pages
        self.record["order"] = start.scenario.block_order
        self.record["passes"] = self.record["restore"] = 1
        self.record["kinds"], self.record["templates"] = address_of(start._kinds), address_of(self._templates)
        self.record["between"] = start.between
        self.record["addresses"] = address_of(start._addresses)
        self.record["arena"] = start._arena_address
        self.record["arena_start"], self.record["arena_bytes"] = address_of(start._arena), start._arena.nbytes
        for other in (self, *self.others):  # all count in one place
            other.record["arrived"] = address_of(start.arrived)
            other.record["threads"] = len(self.others) + 1
        if start._residents:
            self.record["residents"] = memory.page_address(start.first + start.pages)
            self.record["residents_start"] = address_of(start._residents_copy)
            self.record["residents_bytes"] = start._residents * PAGE_BYTES
