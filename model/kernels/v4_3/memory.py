"""The memory of a modelled machine: struct pages, zone, per-CPU lists, counters, tables."""

from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from model.kernels.kit.memory import ArenaMemory
from model.kernels.page_array import FIRST_PFN, LINE
from model.kernels.v4_3.memcg import COUNTERS, CSS_NO_REF, NO_LIMIT, STRUCT_MEM_CGROUP
from model.kernels.v4_3.page import LRU, STRUCT_PAGE, ZONE_SHIFT
from model.kernels.v4_3.zone import (
    CPU_AREA,
    MIGRATE_PCPTYPES,
    MIGRATE_TYPES,
    PCP_BATCH,
    PCP_HIGH,
    PCP_LISTS,
    STRUCT_PCP,
    STRUCT_ZONE,
    USEMAP_BYTES,
    ZONE_NORMAL,
    Migratetype,
)
from model.vocabulary.scenario import Backing

CGROUPS: Final = 4
ZONES: Final = 4
PARTS: Final = {
    "cpu": (CPU_AREA, 1),
    "zone": (STRUCT_ZONE, ZONES),
    "pcp": (STRUCT_PCP, 1),
    "memcg": (STRUCT_MEM_CGROUP, CGROUPS),
    "css_refs": (np.dtype("i8"), CGROUPS),
}


class Memory(ArenaMemory):
    """All the memory that the free path can touch.

    Parameters
    ----------
    pages, rng
        As `PageArray` has them; every page is allocated and idle.
    cpus
        Each has a %gs area, per-CPU lists and per-CPU references of its own, and shares the rest with CPU 0.
    backing
        `huge`: ask for huge pages below the page array; `small`: for none.
    """

    lru = LRU
    idle: ClassVar = {"_mapcount": -1, "_count": 1}
    plain_flags = ZONE_NORMAL << ZONE_SHIFT

    def __init__(
        self,
        pages: int,
        rng: np.random.Generator | None = None,
        *,
        cpus: int = 1,
        backing: Backing = "huge",
    ) -> None:
        zones = STRUCT_ZONE, ZONE_NORMAL, MIGRATE_TYPES
        super().__init__(PARTS, STRUCT_PAGE, zones, pages, rng, huge=backing == "huge", cpus=cpus)
        self._sections, self._usemaps, self._roots = self.map_sections(USEMAP_BYTES)
        self._usemaps[:] = Migratetype.MOVABLE * 0x11
        self._link_arena()
        for cpu in range(1, cpus):
            self._link_cpu(cpu)
        self.fill(self.idle_page())

    @property
    def css_refs(self) -> Any:
        """i8[4]: CPU 0's share of each cgroup's references."""
        return self.arena["css_refs"][0]

    def _link_arena(self) -> None:
        cpu, pcp = self.cpu, self.pcp
        cpu["this_cpu_off"] = self.field_address("pcp") - LINE  # any value; pageset is relative to it
        cpu["vmemmap_base"] = self.page_address(-FIRST_PFN)
        cpu["mem_section"][: len(self._roots)] = self._roots
        cpu["node_data"][0] = self.field_address("zone")
        self.zone["pageset"] = LINE
        pcp["high"], pcp["batch"], pcp["stat_threshold"] = PCP_HIGH, PCP_BATCH, 125
        self.empty_lists(MIGRATE_PCPTYPES)
        self.empty_free_lists()
        self._link_cgroups()

    def _link_cpu(self, number: int) -> None:
        """Another CPU: what it reads through %gs is CPU 0's, but for its own lists, references and events."""
        arena = self.arenas[number]
        arena["cpu"], arena["pcp"] = self.arena["cpu"], self.arena["pcp"]
        arena["cpu"][0]["this_cpu_off"] = self.field_address("pcp", number) - LINE
        self.empty_lists(MIGRATE_PCPTYPES, number)

    def _link_cgroups(self) -> None:
        for index in range(CGROUPS):
            group = self.memcg[index]
            for name, offset in COUNTERS.items():
                group[name]["limit"] = NO_LIMIT
                group[name]["parent"] = self.memcg_address(index - 1) + offset if index else 0
            group["css_percpu"] = self.field_address("css_refs") + 8 * index - self.field_address("cpu")
            group["css_flags"] = 0 if index else CSS_NO_REF

    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Sections, and the bits of pageblocks."""
        return {"mem_section": self._sections, "pageblock_flags": self._usemaps}

    def objects(self) -> dict[str, tuple[int, int, np.dtype[Any] | None]]:
        """As everywhere; the root cgroup apart from the others."""
        objects, root = super().objects(), STRUCT_MEM_CGROUP.itemsize
        at, length, record = objects["memcg"]
        return {**objects, "root_memcg": (at, root, record), "memcg": (at + root, length - root, record)}

    def pcp_list(self, migratetype: int, cpu: int = 0) -> int:
        """Address of a per-CPU list's head."""
        return self.field_address("pcp", cpu) + PCP_LISTS + 16 * migratetype
