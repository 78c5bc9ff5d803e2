"""The memory of a modelled machine: struct pages, zone, per-CPU lists, counters, tables."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import address_of, aligned
from model.kernels.kit.memory import ArenaMemory, lines
from model.kernels.page_array import FIRST_PFN, LINE
from model.kernels.v4_3.memcg import CSS_NO_REF, NO_LIMIT, STRUCT_MEM_CGROUP
from model.kernels.v4_3.page import PAGE_BYTES, STRUCT_PAGE, ZONE_SHIFT
from model.kernels.v4_3.zone import (
    CPU_AREA,
    MAX_ORDER,
    MIGRATE_PCPTYPES,
    MIGRATE_TYPES,
    PCP_BATCH,
    PCP_HIGH,
    PCP_LISTS,
    SECTION_BYTES,
    SECTION_SHIFT,
    SECTIONS_PER_ROOT_SHIFT,
    STRUCT_PCP,
    STRUCT_ZONE,
    USEMAP_BYTES,
    ZONE_NORMAL,
    Migratetype,
)
from model.vocabulary.scenario import Backing

CGROUPS: Final = 4
ZONES: Final = 4


ARENA: Final = lines(
    {
        "cpu": (CPU_AREA, 1),
        "zones": (STRUCT_ZONE, ZONES),
        "pcp": (STRUCT_PCP, 1),
        "memcg": (STRUCT_MEM_CGROUP, CGROUPS),
        "css_refs": (np.dtype("i8"), CGROUPS),
    }
)
RESTORED: Final = ARENA.fields["zones"][1]  # type: ignore[index]
"""Offset from which the arena is restored: the %gs area before it keeps its counters, which check a run."""

PLAIN_FLAGS: Final = ZONE_NORMAL << ZONE_SHIFT


class Memory(ArenaMemory):
    """All the memory that the free path can touch.

    Parameters
    ----------
    pages
        struct pages; rounded up to whole blocks of 1024.
    rng
        Draws the line within a page at which arena and page array start; None: the first one.
    cpus
        Each has a %gs area, per-CPU lists and per-CPU references of its own, and shares the rest with CPU 0.
    backing
        `huge`: ask for huge pages below the page array; `small`: for none.

    Attributes
    ----------
    mem_map
        STRUCT_PAGE[pages], every page allocated and idle.
    arena
        One ARENA record, of CPU 0.
    arenas
        The arena of each CPU; zones and cgroups of the others are not used.

    Raises
    ------
    OutOfMemoryError
        When the array does not fit into the memory that is free.
    """

    def __init__(
        self,
        pages: int,
        rng: np.random.Generator | None = None,
        *,
        cpus: int = 1,
        backing: Backing = "huge",
    ) -> None:
        zones = STRUCT_ZONE, ZONE_NORMAL, MIGRATE_TYPES
        super().__init__(ARENA, STRUCT_PAGE, zones, pages, rng, huge=backing == "huge", cpus=cpus)
        self._sections = self._map_sections()
        self._link_arena()
        for cpu in range(1, cpus):
            self._link_cpu(cpu)
        template = np.zeros(1, STRUCT_PAGE)
        template["flags"], template["_mapcount"], template["_count"] = PLAIN_FLAGS, -1, 1
        self.fill(template)

    @property
    def css_refs(self) -> Any:
        """i8[4]: CPU 0's share of each cgroup's references."""
        return self.arena["css_refs"][0]

    def _map_sections(self) -> npt.NDArray[Any]:
        """Section tables and pageblock bits; every pageblock is MOVABLE."""
        count = ((FIRST_PFN + self.pages - 1) >> SECTION_SHIFT) + 1
        whole_roots = -(-count // (1 << SECTIONS_PER_ROOT_SHIFT)) << SECTIONS_PER_ROOT_SHIFT
        self._usemaps = aligned("u8", whole_roots * USEMAP_BYTES // 8)
        self._usemaps[:] = int(Migratetype.MOVABLE) * 0x1111111111111111
        table = aligned("i8", whole_roots * SECTION_BYTES // 8).reshape(-1, SECTION_BYTES // 8)
        table[:, 1] = address_of(self._usemaps) + np.arange(whole_roots) * USEMAP_BYTES
        return table

    def _link_arena(self) -> None:
        cpu, pcp = self.cpu, self.pcp
        cpu["this_cpu_off"] = self.field_address("pcp") - LINE  # any value; pageset is relative to it
        cpu["vmemmap_base"] = address_of(self.mem_map) - FIRST_PFN * PAGE_BYTES
        per_root = SECTION_BYTES << SECTIONS_PER_ROOT_SHIFT
        for root in range(len(self._sections) >> SECTIONS_PER_ROOT_SHIFT):
            cpu["mem_section"][root] = address_of(self._sections) + root * per_root
        cpu["node_data"][0] = self.field_address("zones")
        self.zone["pageset"] = LINE
        pcp["high"], pcp["batch"], pcp["stat_threshold"] = PCP_HIGH, PCP_BATCH, 125
        for index in range(MIGRATE_PCPTYPES):
            head = self.pcp_list(index)
            pcp["lists"][index] = (head, head)
        for order in range(MAX_ORDER):
            for migratetype in range(MIGRATE_TYPES):
                self.free_list_words(order, migratetype)[:] = self.free_list(order, migratetype)
        self._link_cgroups()

    def _link_cpu(self, number: int) -> None:
        """Another CPU: what it reads through %gs is CPU 0's, but for its own lists, references and events."""
        arena = self.arenas[number]
        arena["cpu"], arena["pcp"] = self.arena["cpu"], self.arena["pcp"]
        arena["cpu"][0]["this_cpu_off"] = self.field_address("pcp", number) - LINE
        for index in range(MIGRATE_PCPTYPES):
            head = self.pcp_list(index, number)
            arena["pcp"][0]["lists"][index] = (head, head)

    def _link_cgroups(self) -> None:
        for index in range(CGROUPS):
            group = self.memcg[index]
            for name in ("memory", "memsw", "kmem"):
                offset = int(STRUCT_MEM_CGROUP.fields[name][1])  # type: ignore[index]
                group[name]["limit"] = NO_LIMIT
                group[name]["parent"] = self.memcg_address(index - 1) + offset if index else 0
            group["css_percpu"] = self.field_address("css_refs") + 8 * index - self.field_address("cpu")
            group["css_flags"] = 0 if index else CSS_NO_REF

    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Sections, and the bits of pageblocks."""
        return {"mem_section": self._sections, "pageblock_flags": self._usemaps}

    def objects(self) -> dict[str, tuple[int, int, np.dtype[Any] | None]]:
        """Address, bytes and record of every object that an access may be to; None: a table of numbers."""
        lengths = {name: int(dtype.itemsize) for name, (dtype, *_) in (ARENA.fields or {}).items()}
        root = STRUCT_MEM_CGROUP.itemsize
        groups, counts = self.field_address("memcg"), np.dtype("i8")
        return {
            "page": (address_of(self.mem_map), self.mem_map.nbytes, STRUCT_PAGE),
            "cpu": (self.field_address("cpu"), lengths["cpu"], CPU_AREA),
            "zone": (self.field_address("zones"), lengths["zones"], STRUCT_ZONE),
            "pcp": (self.field_address("pcp"), lengths["pcp"], STRUCT_PCP),
            "root_memcg": (groups, root, STRUCT_MEM_CGROUP),
            "memcg": (groups + root, lengths["memcg"] - root, STRUCT_MEM_CGROUP),
            "css_refs": (self.field_address("css_refs"), lengths["css_refs"], counts),
            **{name: (*self.regions()[name], None) for name in ("mem_section", "pageblock_flags")},
        }

    def pcp_list(self, migratetype: int, cpu: int = 0) -> int:
        """Address of a per-CPU list's head."""
        return self.field_address("pcp", cpu) + PCP_LISTS + 16 * migratetype
