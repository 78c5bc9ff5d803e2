"""Start states for measuring: which pages are freed, in which order, and how they are restored."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import address_of, aligned
from model.kernels.mix import FIRST_TAIL, HEAD, OTHER_TAIL, PLAIN
from model.kernels.page_array import BLOCK
from model.kernels.start import StartState as Start
from model.kernels.v4_3.image import marks_of
from model.kernels.v4_3.machine import Machine
from model.kernels.v4_3.memory import RESTORED
from model.kernels.v4_3.page import (
    ANON,
    LIST_POISON1,
    LIST_POISON2,
    LRU,
    MEMCG_DATA_KMEM,
    PG,
    STRUCT_PAGE,
    Mapcount,
)
from model.kernels.v4_3.zone import PCP_BATCH, PCP_HIGH, PCP_NEVER, Migratetype
from model.vocabulary.scenario import PageKind, Scenario

RESIDENTS: Final = PCP_HIGH - PCP_BATCH
"""Pages on the per-CPU list at the start of `full`: as many as stay there once drains have begun."""


def is_kmem(kind: PageKind) -> bool:
    """Whether such pages come from alloc_kmem_pages."""
    return kind in ("flagged", "charged")


def pages_of_a_cpu(scenario: Scenario, pages: int) -> int:
    """Struct pages of each CPU: whole blocks of the largest order, so that no two CPUs have buddies."""
    extra = RESIDENTS if scenario.depth == "full" else 0
    return -(-(pages + extra) // BLOCK) * BLOCK


def template(kind: PageKind, machine: Machine, variant: str) -> npt.NDArray[Any]:
    """A page as its owner holds it just before the free.

    Parameters
    ----------
    kind
        `flagged`: from alloc_kmem_pages for an unaccounted task; `charged`: for an accounted one.
    machine
        The machine with the cgroup.
    variant
        Decides how a kmem page is marked.

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


class StartState(Start):
    """Pages of v4.3 in play (`model.kernels.start`), on every CPU of the machine.

    Depth `pcp` never drains, `full` drains 31 pages on every 31st free.

    Parameters
    ----------
    machine
        Its page array must have room for `pages` and, for depth `full`, 155 more, on each of its CPUs.
    scenario, pages, rng
        As `model.kernels.start.StartState` has them.
    variant
        Give every page at once the scenario's kind, as this variant's kernel marks it; None: left to a loop's
        `restore`.
    cpu
        The CPU that frees these pages; CPU 0's start state holds those of the others.
    """

    machine: Machine

    def __init__(
        self,
        machine: Machine,
        scenario: Scenario,
        pages: int,
        rng: np.random.Generator,
        variant: str | None = None,
        cpu: int = 0,
    ) -> None:
        memory = machine.memory
        super().__init__(scenario, pages, rng, memory, cpu * pages_of_a_cpu(scenario, pages))
        self.machine, self.cpu = machine, cpu
        self.others = [
            StartState(machine, scenario, pages, rng, variant, number)
            for number in (range(1, len(memory.arenas)) if cpu == 0 else ())
        ]
        if variant is not None:
            memory.fill(template(scenario.page_kind, machine, variant))
        self._charge(pages if scenario.page_kind == "charged" else 0)
        full = scenario.depth == "full"
        arena = memory.arenas[cpu]
        arena["pcp"][0]["high"] = PCP_HIGH if full else PCP_NEVER
        self.keep(arena, RESTORED, self._make_residents() if full else range(0))

    def templates(self, variant: str) -> npt.NDArray[Any]:
        """What a page may start as: STRUCT_PAGE[4], as this variant's kernel marks it."""
        return templates(self.scenario, self.machine, variant)

    drained_every = PCP_BATCH
    """Drain period at depth `full`, in frees."""

    def freed(self) -> int | None:
        """Blocks freed by each CPU since boot, by the kernel's own count; the fewest, if they differ.

        None where the path ends before it counts.
        """
        if self.scenario.depth == "prepare":
            return None
        return min(int(cpu["pgfree"]) for cpu in self.machine.memory.cpus) >> self.scenario.block_order

    def held(self, pages: npt.NDArray[np.uint32]) -> int:
        """Number of these pages that still have a reference on some CPU: they were not freed."""
        counts = self.machine.memory.mem_map["_count"]
        return sum(int((counts[start.first + pages] != 0).sum()) for start in (self, *self.others))

    def _charge(self, pages: int) -> None:
        """Put the pages on the cgroup's counters, as charging them one by one would have."""
        group, memory = self.machine.charged, self.machine.memory
        swap = bool(memory.cpu["do_swap_account"])
        lowest = 0 if memory.memcg[group]["memory"]["parent"] else group
        for name in ("memory", "kmem") + (("memsw",) if swap else ()):
            for level in range(lowest, group + 1):
                memory.memcg[level][name]["count"] += pages
        memory.arenas[self.cpu]["css_refs"][0][group] += pages

    def _make_residents(self) -> range:
        """Link 155 freed pages into the per-CPU list, the last one freed first."""
        memory = self.machine.memory
        waiting = range(self.first + self.pages, self.first + self.pages + RESIDENTS)
        pages = memory.mem_map[waiting.start : waiting.stop]
        pages["_count"], pages["index"] = 0, Migratetype.MOVABLE
        pcp = memory.arenas[self.cpu]["pcp"][0]
        pcp["lists"][Migratetype.MOVABLE] = memory.chain(
            memory.pcp_list(Migratetype.MOVABLE, self.cpu), waiting, LRU
        )
        pcp["count"] = RESIDENTS
        return waiting
