"""Start states for measuring: which pages are freed, in which order, and how they are given back."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.code.disturbance import Disturbance
from model.kernels.arrays import address_of, aligned
from model.kernels.loop_record import LOOP
from model.kernels.v4_3.image import marks_of
from model.kernels.v4_3.machine import CHARGED_CGROUP, Machine
from model.kernels.v4_3.memory import RESTORED
from model.kernels.v4_3.page import (
    ANON,
    LIST_POISON1,
    LIST_POISON2,
    LRU,
    MEMCG_DATA_KMEM,
    PAGE_BYTES,
    STRUCT_PAGE,
    Mapcount,
)
from model.kernels.v4_3.zone import PCP_BATCH, PCP_HIGH, PCP_NEVER, Migratetype
from model.vocabulary.scenario import PageKind, Scenario

MIX_PATTERN: Final = 1 << 16
"""Pages in the pattern of a random mix; each slice begins at another place of it."""
RESIDENTS: Final = PCP_HIGH - PCP_BATCH
"""Pages that stay on the per-CPU list once drains have begun: so many wait there at the start of `full`."""


def is_kmem(kind: PageKind) -> bool:
    """Whether such pages come from alloc_kmem_pages."""
    return kind in ("flagged", "charged")


def pattern(scenario: Scenario, pages: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Which template each page starts from: 1 for a page of the kind, in a mix 0 for a plain one.

    Returns
    -------
    u1[pages], or for a random mix a longer array of which any `pages` in a row may be used.
    """
    if not scenario.mixed:
        return np.zeros(pages, np.uint8)
    share = scenario.share_of_pages
    if scenario.spread == "random":
        drawn: npt.NDArray[np.uint8] = (rng.random(MIX_PATTERN + pages) < share).astype(np.uint8)
        return drawn
    evenly: npt.NDArray[np.uint8] = (np.arange(pages) % round(1 / share) == 0).astype(np.uint8)
    return evenly


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
        page["mem_cgroup"] = machine.memory.memcg_address(CHARGED_CGROUP)
        if marks == "memcg-data":
            page["mem_cgroup"] |= MEMCG_DATA_KMEM
    if (marks == "always" and kind in ("flagged", "charged")) or (marks == "charged" and kind == "charged"):
        page["_mapcount"] = Mapcount.KMEM
    return page


class StartState:
    """Pages in play, the order in which they are freed, and the memory that restores them.

    The start state is copied into place by `restore`, compiled, and never inside the timed part. Memory
    beside the page array: 4 bytes per page for the order, 1 for the kind.

    Parameters
    ----------
    machine
        Its page array must have room for `pages` and, for depth `full`, 155 more.
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
    """

    def __init__(
        self,
        machine: Machine,
        scenario: Scenario,
        pages: int,
        rng: np.random.Generator,
        variant: str | None = None,
    ) -> None:
        self.machine, self.scenario, self.pages = machine, scenario, pages
        memory = machine.memory
        if variant is not None:
            memory.fill(template(scenario.page_kind, machine, variant))
        self.order_of_pages = np.arange(pages, dtype=np.uint32)
        if scenario.order == "random":
            rng.shuffle(self.order_of_pages)
        self._kinds = pattern(scenario, pages, rng)
        self._addresses = np.zeros(0, np.int64)
        if scenario.entry == "release_pages":
            self._addresses = address_of(memory.mem_map) + self.order_of_pages.astype(np.int64) * PAGE_BYTES
        self._between = None if scenario.between == "nothing" else Disturbance(scenario.between)
        self._charge(pages if scenario.page_kind == "charged" else 0)
        full = scenario.depth == "full"
        memory.pcp["high"] = PCP_HIGH if full else PCP_NEVER
        self._residents = self._make_residents() if full else 0
        first = address_of(memory.arena) + RESTORED
        self._arena = aligned(np.uint8, memory.arena.nbytes - RESTORED)
        self._arena[:] = memory.arena.view(np.uint8)[RESTORED:]
        self._arena_address = first

    drained_every: Final = PCP_BATCH
    """Frees from one drain to the next, at depth `full`."""

    def freed(self) -> int | None:
        """Pages freed since boot, by the kernel's own count; None where the path ends before it counts."""
        return None if self.scenario.depth == "prepare" else int(self.machine.memory.cpu["pgfree"])

    def held(self, pages: npt.NDArray[np.uint32]) -> int:
        """How many of these pages, by number, still have a reference: so many were not freed."""
        return int((self.machine.memory.mem_map["_count"][pages] != 0).sum())

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
        group = CHARGED_CGROUP
        swap = bool(self.machine.memory.cpu["do_swap_account"])
        for name in ("memory", "kmem") + (("memsw",) if swap else ()):
            for level in range(group + 1):
                self.machine.memory.memcg[level][name]["count"] += pages
        self.machine.memory.css_refs[group] += pages

    def _make_residents(self) -> int:
        """Link 155 freed pages into the per-CPU list, the last one freed first."""
        memory = self.machine.memory
        first, last = self.pages, self.pages + RESIDENTS
        head = memory.pcp_list(Migratetype.MOVABLE)
        links = [memory.page_address(number) + LRU for number in range(first, last)]
        for at, number in enumerate(range(first, last)):
            page = memory.mem_map[number]
            page["_count"], page["index"] = 0, Migratetype.MOVABLE
            page["lru_next"] = links[at + 1] if at + 1 < RESIDENTS else head
            page["lru_prev"] = links[at - 1] if at else head
        memory.pcp["lists"][Migratetype.MOVABLE] = (links[0], links[-1])
        memory.pcp["count"] = RESIDENTS
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
    """

    def __init__(self, start: StartState, variant: str) -> None:
        memory = start.machine.memory
        self._templates = aligned(STRUCT_PAGE, 2)
        kind = start.scenario.page_kind
        kinds: tuple[PageKind, PageKind] = ("plain", kind) if start.scenario.mixed else (kind, kind)
        for place, kind in enumerate(kinds):
            self._templates[place] = template(kind, start.machine, variant)[0]
        self.templates = self._templates.tobytes()
        self.record = np.zeros(1, LOOP)
        self.address = address_of(self.record)
        self.record["mem_map"] = address_of(memory.mem_map)
        self.record["order_of_pages"] = address_of(start.order_of_pages)
        self.record["n"] = self.record["pages"] = start.pages
        self.record["passes"] = self.record["restore"] = 1
        self.record["kinds"], self.record["templates"] = address_of(start._kinds), address_of(self._templates)
        self.record["between"] = start.between
        self.record["addresses"] = address_of(start._addresses)
        self.record["arena"] = start._arena_address
        self.record["arena_start"], self.record["arena_bytes"] = address_of(start._arena), start._arena.nbytes
        if start._residents:
            self.record["residents"] = memory.page_address(start.pages)
            self.record["residents_start"] = address_of(start._residents_copy)
            self.record["residents_bytes"] = start._residents * PAGE_BYTES
