"""A machine in one memcg state: its memory, its static keys, and its placed code."""

from typing import Any

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import address_of
from model.kernels.kit.machine import ModelMachine
from model.kernels.v4_3.image import is_kmem, marks_of
from model.kernels.v4_3.keys import KEYS
from model.kernels.v4_3.memcg import COUNTERS
from model.kernels.v4_3.memory import Memory
from model.kernels.v4_3.page import (
    ANON,
    LIST_POISON1,
    LIST_POISON2,
    MEMCG_DATA_KMEM,
    PAGE_BYTES,
    Bad,
    Mapcount,
)
from model.vocabulary.scenario import Backing, MemcgState, PageKind


class Machine(ModelMachine):
    """Memory that a kernel of one memcg state has set up, and the static keys of its code.

    Parameters
    ----------
    pages, rng, cpus, backing
        As `Memory` has them.
    state
        The memcg state to boot into.
    swap_account
        Charge memsw as well (swapaccount=1).
    levels
        Cgroups that a charge counts in: 2 are the root's child and the root; 1 is a cgroup without a parent,
        as without use_hierarchy.
    """

    memory: Memory
    bad = Bad

    def __init__(
        self,
        pages: int,
        state: MemcgState,
        *,
        swap_account: bool = False,
        rng: np.random.Generator | None = None,
        levels: int = 2,
        cpus: int = 1,
        backing: Backing = "huge",
    ) -> None:
        super().__init__(Memory(pages, rng, cpus=cpus, backing=backing), KEYS)
        self.state = state
        self.charged = max(1, levels - 1)
        self._set_up(levels, swap_account)
        if state in ("on-active", "on-charged"):
            # A cgroup got its first kmem limit, which enables the key in v4.3.
            self.memory.memcg[self.charged]["kmem_active"] = 1
            self.keys.inc("memcg_kmem_enabled")

    def _set_up(self, levels: int, swap_account: bool) -> None:
        """What the kernel reads about the memory controller, on every CPU."""
        for cpu in self.memory.cpus:
            cpu["mem_cgroup_disabled"] = self.state == "disabled"
            cpu["do_swap_account"] = swap_account and self.state.startswith("on")
            cpu["current_memcg"] = self.memory.memcg_address(self.charged)
        if levels == 1:
            for counter in COUNTERS:
                self.memory.memcg[self.charged][counter]["parent"] = 0

    @property
    def memcg_compiled(self) -> bool:
        """CONFIG_MEMCG: in every state but `off`."""
        return self.state != "off"

    def template(self, kind: PageKind, variant: str) -> npt.NDArray[Any]:
        """A page as its owner holds it, marked as this variant's kernel marks it.

        `flagged`: from alloc_kmem_pages for an unaccounted task; `charged`: for an accounted one.
        """
        page = self.memory.idle_page()
        page["lru_next"], page["lru_prev"] = LIST_POISON1, LIST_POISON2
        marks = marks_of(variant, self.memcg_compiled)
        if kind == "anon":
            page["mapping"] = address_of(self.memory.arena) | ANON
        if kind == "charged":
            page["mem_cgroup"] = self.memory.memcg_address(self.charged)
            if marks == "memcg-data":
                page["mem_cgroup"] |= MEMCG_DATA_KMEM
        if marks == kind == "charged" or (marks == "always" and is_kmem(kind)):
            page["_mapcount"] = Mapcount.KMEM
        return page

    def _other_report(self, cpu: Any) -> str | None:
        """Assertions that failed, and counters below zero."""
        if cpu["vm_bugs"]:
            page = (int(cpu["vm_bug_page"]) - address_of(self.memory.mem_map)) // PAGE_BYTES
            return f"{cpu['vm_bugs']} VM_BUG_ON_PAGE, the last one on page number {page}"
        if cpu["counter_warnings"]:
            return f"{cpu['counter_warnings']} page counter(s) below zero"
        return None

    def free_pages_counted(self) -> int:
        """NR_FREE_PAGES: the zone's count plus this CPU's share."""
        return int(self.memory.zone["nr_free_pages"]) + int(self.memory.pcp["vm_stat_free"])
