"""A machine in one memcg state: its memory, its static keys, and its placed code."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from model.code.gs import set_gs
from model.code.image import Code
from model.code.placement import Placement
from model.code.static_keys import StaticKeys
from model.common.errors import KernelReportError
from model.kernels.arrays import address_of
from model.kernels.v4_3.keys import KEYS
from model.kernels.v4_3.memory import Memory
from model.kernels.v4_3.page import LRU, PAGE_BYTES, Bad
from model.kernels.v4_3.zone import MAX_ORDER, MIGRATE_TYPES
from model.vocabulary.scenario import Backing, MemcgState


class Machine:
    """Memory that a kernel of one memcg state has set up, and the static keys of its code.

    Parameters
    ----------
    pages
        struct pages, rounded up to blocks of 1024.
    state
        The memcg state to boot into.
    swap_account
        Charge memsw as well (swapaccount=1).
    rng
        Draws the place of the data; None: the start of a page.
    levels
        Cgroups that a charge counts in: 2 are the root's child and the root; 1 is a cgroup without a parent,
        as without use_hierarchy.
    cpus, backing
        As `Memory` has them.
    """

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
        self.memory = Memory(pages, rng, cpus=cpus, backing=backing)
        self.state = state
        self.charged = max(1, levels - 1)
        self._set_up(levels, swap_account)
        self.keys = StaticKeys(KEYS, self._set_key)
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
            for counter in ("memory", "memsw", "kmem"):
                self.memory.memcg[self.charged][counter]["parent"] = 0

    @property
    def cpus(self) -> int:
        """How many CPUs it has."""
        return len(self.memory.arenas)

    @property
    def memcg_compiled(self) -> bool:
        """CONFIG_MEMCG: in every state but `off`."""
        return self.state != "off"

    def place(self, code: Code, offsets: Iterable[int] = (0,)) -> list[Placement]:
        """Copy an image to fresh pages, once per offset from a page's start, and let it follow the keys."""
        placements = [Placement(code, offset) for offset in offsets]
        self.keys.register(placements)
        return placements

    def activate(self, cpu: int = 0) -> None:
        """Point this thread's %gs at a CPU of this machine. Call before any placed function.

        Raises
        ------
        UnsupportedCPUError
            Where that is not possible.
        """
        set_gs(self.memory.field_address("cpu", cpu))

    @property
    def gs_base(self) -> int:
        """Base of %gs of the first CPU."""
        return self.memory.field_address("cpu")

    def report(self) -> str | None:
        """What the kernel would have printed since boot, on any CPU, or None."""
        return next(filter(None, map(self._report, self.memory.cpus)), None)

    def _report(self, cpu: Any) -> str | None:
        if cpu["bad_pages"]:
            page = (int(cpu["bad_page"]) - address_of(self.memory.mem_map)) // PAGE_BYTES
            reason = Bad(int(cpu["bad_reason"])).text
            return f"{cpu['bad_pages']} bad page(s), the last one number {page}: {reason}"
        if cpu["vm_bugs"]:
            page = (int(cpu["vm_bug_page"]) - address_of(self.memory.mem_map)) // PAGE_BYTES
            return f"{cpu['vm_bugs']} VM_BUG_ON_PAGE, the last one on page number {page}"
        if cpu["counter_warnings"]:
            return f"{cpu['counter_warnings']} page counter(s) below zero"
        return None

    def check(self) -> None:
        """Fail if the kernel printed anything.

        Raises
        ------
        KernelReportError
        """
        report = self.report()
        if report:
            raise KernelReportError(f"the modelled kernel reports {report}")

    def _set_key(self, name: str, count: int) -> None:
        for cpu in self.memory.cpus:
            cpu[name] = count

    def free_lists(self) -> dict[int, list[int]]:
        """Free blocks by order: the number of each block's first page, in list order."""
        blocks: dict[int, list[int]] = {}
        for order in range(MAX_ORDER):
            blocks[order] = [
                page
                for kind in range(MIGRATE_TYPES)
                for page in self.walk(self.memory.free_list(order, kind))
            ]
        return blocks

    def walk(self, head: int) -> list[int]:
        """Numbers of the pages on a list, from its head's `next` on."""
        return self.memory.walk(head, LRU)

    def free_pages_counted(self) -> int:
        """NR_FREE_PAGES: the zone's count plus this CPU's share."""
        return int(self.memory.zone["nr_free_pages"]) + int(self.memory.pcp["vm_stat_free"])
