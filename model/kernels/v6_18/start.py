"""Start states for measuring v6.18: pages and blocks before they are freed, and the charges."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import address_of, aligned
from model.kernels.loop_record import PAGE_BYTES
from model.kernels.mix import FIRST_TAIL, HEAD, OTHER_TAIL, PLAIN
from model.kernels.start import StartState as Start
from model.kernels.v6_18.machine import Machine
from model.kernels.v6_18.memcg import CHARGE_BATCH, SLOTS
from model.kernels.v6_18.page import (
    ANON,
    DEFERRED_LIST,
    LARGE_KMALLOC_TYPE,
    LIST_POISON1,
    LRU,
    MEMCG_DATA_KMEM,
    NO_TYPE,
    NR_PAGES,
    PG,
    STRUCT_PAGE,
    TAIL_MAPPING,
    ZSMALLOC,
)
from model.kernels.v6_18.zone import (
    BATCH,
    COSTLY_ORDER,
    HIGH_MAX,
    HIGH_MIN,
    PAGEBLOCK_ORDER,
    PREV_FREE_HIGH_ORDER,
    TAKEN_AT_ONCE,
    Migratetype,
)
from model.vocabulary.scenario import PageKind, Scenario

UNMAPPED: Final = 0xFFFFFFFF
"""Low half of a first tail page's words: mapped nowhere, not pinned."""
STOCKED: Final = {"hit": 0, "overflow": CHARGE_BATCH}
"""State of the stock -> pages of this cgroup in it; none in other states."""


def residents_of(scenario: Scenario) -> int:
    """Pages on the per-CPU list at the start: as many as stay there once drains have become steady.

    Large blocks are drained all at once, so that none stay; those of order 9 four at a time.
    """
    if scenario.depth != "full":
        return 0
    if scenario.block_order == 0:
        return steady_high(scenario) - TAKEN_AT_ONCE
    held = scenario.block_order == PAGEBLOCK_ORDER and scenario.config == "distribution"
    return 2 << PAGEBLOCK_ORDER if held else 0


def steady_high(scenario: Scenario) -> int:
    """`high` in a stream of frees without allocations: room for a drain and a batch."""
    return max(HIGH_MIN[scenario.config], TAKEN_AT_ONCE + BATCH if scenario.block_order == 0 else 0)


def template(kind: PageKind, machine: Machine, *, large_kmalloc: bool = False) -> npt.NDArray[Any]:
    """A page as its owner holds it just before the free, alike on every variant's kernel.

    Parameters
    ----------
    kind
        `flagged`: its owner leaves a page type behind, as zsmalloc's pages do; `charged`: accounted kernel
        memory.
    machine
        The machine whose flags and addresses it has.
    large_kmalloc
        It is the head of a large kmalloc, which has no reference count.

    Returns
    -------
    STRUCT_PAGE[1]
    """
    page = np.zeros(1, machine.memory.page_type)
    page["flags"] = machine.memory.plain_flags
    page["page_type"], page["_refcount"] = NO_TYPE, 1
    page[machine.memory.info] = LIST_POISON1
    if kind == "anon":
        page["mapping"] = address_of(machine.memory.arena) | ANON
    if kind == "flagged":
        page["page_type"] = ZSMALLOC
    if kind == "charged":
        page["memcg_data"] = machine.memory.objcg_address(machine.charged) | MEMCG_DATA_KMEM
    if large_kmalloc:
        page["page_type"], page["_refcount"] = LARGE_KMALLOC_TYPE, 0
    return page


def templates(scenario: Scenario, machine: Machine) -> npt.NDArray[Any]:
    """What a page may start as: STRUCT_PAGE[4], by the numbers in the patterns.

    They do not hold a tail page's link to its head; where that is read, pages are copied instead.
    """
    pages = aligned(machine.memory.page_type, 4)
    kind = scenario.page_kind
    pages[PLAIN] = template("plain" if scenario.mixed else kind, machine)[0]
    pages[HEAD] = template(kind, machine, large_kmalloc=scenario.entry == "kfree")[0]
    for tail in (FIRST_TAIL, OTHER_TAIL):
        pages[tail] = template("plain", machine)[0]
        pages[tail]["_refcount"] = 0
    if scenario.compound:
        pages["flags"][HEAD] |= int(PG.HEAD)
        pages[FIRST_TAIL]["flags"] |= scenario.block_order
        pages[FIRST_TAIL]["lru_prev"] = pages[FIRST_TAIL]["mapping"] = UNMAPPED
        pages[OTHER_TAIL]["mapping"] = TAIL_MAPPING
        if scenario.memcg != "off":
            pages[FIRST_TAIL]["memcg_data"] = 1 << scenario.block_order  # _nr_pages lies there
    assert STRUCT_PAGE.fields["memcg_data"][1] == NR_PAGES  # type: ignore[index]
    return pages


class StartState(Start):
    """Pages of v6.18 in play (`model.kernels.start`).

    Depth `pcp` never drains, `full` drains 2016 pages on every 2016th free, as a stream of frees does.

    Parameters
    ----------
    machine
        Its page array must have room for `pages` and for the residents of depth `full`.
    scenario, pages, rng
        As `model.kernels.start.StartState` has them.
    filled
        Give every page its start state at once; else a loop's `restore` does.
    """

    machine: Machine

    drained_every = TAKEN_AT_ONCE
    """Drain period at depth `full`, in frees."""

    def __init__(
        self,
        machine: Machine,
        scenario: Scenario,
        pages: int,
        rng: np.random.Generator,
        *,
        filled: bool = False,
    ) -> None:
        memory = machine.memory
        super().__init__(scenario, pages, rng, memory)
        self.machine = machine
        by_template = not (scenario.compound and self._heads_are_asked())
        if filled or not by_template:
            self._fill()
        if scenario.page_kind == "charged":
            self._charge(pages)
        if scenario.depth == "full":
            self._fill_list()
        waiting = range(pages, pages + residents_of(scenario))
        copied = waiting if by_template else range(waiting.stop)
        self.keep(memory.arena, memory.restored, copied, by_template=by_template)

    def templates(self, variant: str) -> npt.NDArray[Any]:
        """What a page may start as: STRUCT_PAGE[4], alike for every variant."""
        return templates(self.scenario, self.machine)

    def freed(self) -> int | None:
        """Blocks freed since boot, by the kernel's own count."""
        return int(self.machine.memory.cpu["pgfree"]) >> self.scenario.block_order

    def held(self, pages: npt.NDArray[np.uint32]) -> int:
        """Number of these pages that still have an owner: they were not freed."""
        memory = self.machine.memory
        if self.scenario.entry == "kfree":
            return int((memory.mem_map["page_type"][pages] == LARGE_KMALLOC_TYPE).sum())
        return int((memory.mem_map["_refcount"][pages] != 0).sum())

    def tail_words(self, heads: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """By which the tail pages of each block name its head: i8[blocks], from the heads' addresses."""
        return heads + 1

    def _heads_are_asked(self) -> bool:
        """Whether a tail page's head, or the list in the second one, is read."""
        return self.scenario.checks == "on" or self.scenario.entry == "folios_put_refs"

    def _fill(self) -> None:
        """Set every page in play to its start state, with the words that depend on its place."""
        memory, scenario = self.machine.memory, self.scenario
        start = templates(scenario, self.machine)
        count, order = self.pages, scenario.block_order
        memory.fill(start[HEAD : HEAD + 1])
        if not order:
            return
        pages = memory.mem_map[:count].reshape(-1, 1 << order)
        pages[:] = start[OTHER_TAIL]
        pages[:, 0], pages[:, 1] = start[HEAD], start[FIRST_TAIL]
        if scenario.compound:
            heads = memory.page_address(0) + np.arange(len(pages)) * (PAGE_BYTES << order)
            pages[memory.info][:, 1:] = self.tail_words(heads)[:, None]
            if order > 1:
                pages["lru_prev"][:, 2] = pages["mapping"][:, 2] = heads + 2 * PAGE_BYTES + DEFERRED_LIST

    def _charge(self, pages: int) -> None:
        """Put the pages on the cgroup and its ancestors, as charging them one by one would have."""
        machine, stock = self.machine, self.scenario.stock
        memory = machine.memory
        has = STOCKED.get(stock)
        ahead = has or 0
        for level in range(machine.charged + 1):
            memory.memcg[level]["memory"]["usage"] += pages + ahead
            if machine.v1:
                memory.memcg[level]["memsw"]["usage"] += pages + ahead
                memory.memcg[level]["kmem"]["usage"] += pages
        part = memory.parts[machine.charged]
        part["vmstats_percpu"]["state"][0] += pages
        part["references"][1] += len(self.order_of_pages)
        if has is not None:
            self._stock(0, machine.charged, has)
        if stock == "taken":
            for slot in range(SLOTS):
                other = machine.charged + 1 + slot
                self._stock(slot, other, 1)
                for level in (0, other):
                    memory.memcg[level]["memory"]["usage"] += 1
                    memory.memcg[level]["memsw"]["usage"] += machine.v1

    def _stock(self, slot: int, group: int, pages: int) -> None:
        memory = self.machine.memory
        memory.stock["cached"][slot], memory.stock["nr_pages"][slot] = memory.memcg_address(group), pages
        memory.parts[group]["references"][0] += 1

    def _fill_list(self) -> None:
        """The list as a long stream of such frees has left it."""
        memory, scenario = self.machine.memory, self.scenario
        waiting, order = residents_of(scenario), scenario.block_order
        pcp = memory.pcp
        pcp["free_count"] = TAKEN_AT_ONCE
        pcp["high_min"], pcp["high_max"] = HIGH_MIN[scenario.config], HIGH_MAX
        pcp["high"] = steady_high(scenario)
        if 1 <= order <= COSTLY_ORDER:
            pcp["flags"] = PREV_FREE_HIGH_ORDER
        if waiting:
            pages = range(self.pages, self.pages + waiting, 1 << order)
            memory.mem_map["_refcount"][pages.start : pages.stop] = 0
            head = memory.pcp_list(Migratetype.MOVABLE, order)
            index = (head - memory.pcp_list(0)) // 16
            pcp["lists"][index], pcp["count"] = memory.chain(head, pages[::-1], LRU), waiting
