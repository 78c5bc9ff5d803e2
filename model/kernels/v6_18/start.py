"""Start states for measuring v6.18: pages and blocks before they are freed, and the charges."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.kernels.kit.start import ModelStart
from model.kernels.loop_record import PAGE_BYTES
from model.kernels.mix import FIRST_TAIL, HEAD, OTHER_TAIL
from model.kernels.start import FreedWord
from model.kernels.v6_18.machine import Machine
from model.kernels.v6_18.memcg import CHARGE_BATCH, SLOTS
from model.kernels.v6_18.page import DEFERRED_LIST, LARGE_KMALLOC_TYPE, LRU, NO_MAPCOUNT, PG, TAIL_MAPPING
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
from model.vocabulary.scenario import Scenario

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


class StartState(ModelStart):
    """Pages of v6.18 in play: depth `pcp` never drains, `full` drains 2016 pages on every 2016th free.

    So does a stream of frees.
    """

    machine: Machine
    references = "_refcount"
    drained_every = TAKEN_AT_ONCE
    """Drain period at depth `full`, in frees."""

    def set_up(self, variant: str | None) -> None:
        """Pages, alike for every variant; where they differ from each other they are set at once."""
        memory, by_template = self.machine.memory, self.by_template()
        if variant is not None or not by_template:
            self._fill()
        if self.scenario.page_kind == "charged":
            self._charge(self.pages)
        if self.scenario.depth == "full":
            self._fill_list()
        waiting = range(self.pages, self.pages + residents_of(self.scenario))
        copied = waiting if by_template else range(waiting.stop)
        self.keep(memory.arena, memory.restored, copied, by_template=by_template)

    def mark_compound(self, pages: npt.NDArray[Any]) -> None:
        """What head and tails hold, but not the links to the head: where those are read, pages are copied."""
        order = self.scenario.block_order
        pages["flags"][HEAD] |= int(PG.HEAD)
        pages["flags"][FIRST_TAIL] |= order
        pages["lru_prev"][FIRST_TAIL] = pages["mapping"][FIRST_TAIL] = (
            NO_MAPCOUNT  # and not pinned: 0 above it
        )
        pages["mapping"][OTHER_TAIL] = TAIL_MAPPING
        if self.scenario.memcg != "off":
            pages["memcg_data"][FIRST_TAIL] = 1 << order  # NR_PAGES lies there
        if self.scenario.entry == "kfree":  # a large kmalloc has no references
            pages["page_type"][HEAD], pages["_refcount"][HEAD] = LARGE_KMALLOC_TYPE, 0

    @property
    def freed_word(self) -> FreedWord:
        """As everywhere; a large kmalloc has a type in the place of references."""
        if self.scenario.entry == "kfree":
            return self.freed_word_of("page_type", LARGE_KMALLOC_TYPE, of_freed=False)
        return super().freed_word

    def by_template(self) -> bool:
        """Whether pages are restored from templates: nothing that is read differs from page to page."""
        return not (self.scenario.compound and self._heads_are_asked())

    def tail_words(self, heads: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """By which the tail pages of each block name its head: i8[blocks], from the heads' addresses."""
        return heads + 1

    def _heads_are_asked(self) -> bool:
        """Whether a tail page's head, or the list in the second one, is read."""
        return self.scenario.checks == "on" or self.scenario.entry == "folios_put_refs"

    def _fill(self) -> None:
        """Set every page in play to its start state, with the words that depend on its place."""
        memory, scenario = self.machine.memory, self.scenario
        start = self.templates("base")
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
        for level in range(machine.charged + 1):
            self._count(level, pages, has or 0)
        self._refer(machine.charged, pages, len(self.order_of_pages))
        if has is not None:
            self._stock(0, machine.charged, has)
        if stock == "taken":
            for slot in range(SLOTS):
                other = machine.charged + 1 + slot
                self._stock(slot, other, 1)
                for level in (0, other):
                    memory.memcg[level]["memory"]["usage"] += 1
                    memory.memcg[level]["memsw"]["usage"] += machine.v1

    def _count(self, group: int, pages: int, ahead: int = 0) -> None:
        """Add charged pages to a cgroup's counters, and to memory those that are charged ahead as well."""
        machine = self.machine
        counters = machine.memory.memcg[group]
        counters["memory"]["usage"] += pages + ahead
        if machine.v1:
            counters["memsw"]["usage"] += pages + ahead
            counters["kmem"]["usage"] += pages

    def _refer(self, group: int, pages: int, blocks: int) -> None:
        """Count the pages in a cgroup's statistics, and the references that its blocks hold."""
        part = self.machine.memory.parts[group]
        part["vmstats_percpu"]["state"][0] += pages
        part["references"][1] += blocks

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
