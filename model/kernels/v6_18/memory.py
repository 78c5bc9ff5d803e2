"""The memory of a modelled machine: struct pages, zone, per-CPU lists, section tables, cgroups."""

from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import address_of, aligned
from model.kernels.kit.memory import ArenaMemory, Parts
from model.kernels.page_array import FIRST_PFN, LINE
from model.kernels.v6_18.memcg import COUNTERS, CSS_NO_REF, GROUP_PARTS, STRUCT_MEM_CGROUP, STRUCT_STOCK, TASK
from model.kernels.v6_18.page import LRU, NO_TYPE, NODE_MASK, STRUCT_PAGE, ZONE_SHIFT
from model.kernels.v6_18.zone import (
    BATCH,
    BLOCK_BITS,
    CPU_AREA,
    HIGH_NEVER,
    LISTS,
    MIGRATE_TYPES,
    PCP_LISTS,
    PREEMPT_OFFSET,
    ROOTS_KEPT,
    SECTION_ROOTS,
    STRUCT_NODE,
    STRUCT_NODESTAT,
    STRUCT_PCP,
    STRUCT_ZONE,
    STRUCT_ZONESTAT,
    THRESHOLD,
    USAGE_BITMAP,
    USAGE_BYTES,
    ZONE_NORMAL,
    ZONES,
    ZONESTAT,
    Migratetype,
)
from model.vocabulary.scenario import Config

CPUS_ONLINE: Final = 8
ON_LIST: Final = 1
"""Link of a list node that is on a list; any value but its own address."""


def parts_of(config: Config, groups: int = 0, group: np.dtype[Any] = GROUP_PARTS) -> Parts:
    """Everything but pages and tables, each part on lines of its own; zones at the stride of the kernel.

    Cgroups are last, and only where pages are charged: an arena is restored whole.
    """
    return {
        "cpu": (CPU_AREA, 1),
        "zone": (STRUCT_ZONE[config], ZONES),
        "node": (STRUCT_NODE, 1),
        "pcp": (STRUCT_PCP, 1),
        "zonestat": (STRUCT_ZONESTAT, 1),
        "nodestat": (STRUCT_NODESTAT, 1),
        "task": (TASK, 1),
        "stock": (STRUCT_STOCK, 1),
        "memcg": (STRUCT_MEM_CGROUP, groups),
        "group": (group, groups),
    }


class Memory(ArenaMemory):
    """All the memory that the free path can touch.

    Parameters
    ----------
    pages, rng, huge, step
        As `PageArray` has them.
    config
        Moves offsets, and decides how many bits a pageblock has.
    groups
        Cgroups: the root, its child, that one's child and so on for `levels`; then other children of
        the root.
    levels
        Depth of their hierarchy.
    """

    lru = LRU
    idle: ClassVar = {"page_type": NO_TYPE, "_refcount": 1}
    page_type: ClassVar[np.dtype[Any]] = STRUCT_PAGE
    group_type: ClassVar[np.dtype[Any]] = GROUP_PARTS
    info: ClassVar[str] = "compound_head"
    """The word of a struct page by which a tail page names its head; also `lru.next`."""

    def __init__(
        self,
        pages: int,
        config: Config,
        rng: np.random.Generator | None = None,
        *,
        huge: bool = True,
        groups: int = 0,
        levels: int = 2,
        step: int = LINE,
    ) -> None:
        zones = STRUCT_ZONE[config], ZONE_NORMAL, MIGRATE_TYPES[config]
        parts = parts_of(config, groups, self.group_type)
        super().__init__(parts, self.page_type, zones, pages, rng, huge=huge, step=step)
        self.config, self.groups = config, groups
        self._map_pageblocks()
        self._link()
        for index in range(groups):
            self._link_group(index, -1 if index == 0 else index - 1 if index < levels else 0)
        self.fill(self.idle_page())

    @property
    def plain_flags(self) -> int:
        """`flags` of a page of ZONE_NORMAL on node 0, with no bit set."""
        return ZONE_NORMAL << ZONE_SHIFT[self.config]

    @property
    def stock(self) -> Any:
        """Stock of this CPU: pages charged ahead."""
        return self.arena["stock"][0]

    @property
    def parts(self) -> Any:
        """GROUP_PARTS[groups]: the other structures of each cgroup."""
        return self.arena["group"][0]

    def part_offset(self, index: int, name: str) -> int:
        """Offset of a part of one cgroup from this CPU's area."""
        return self.offset("group") + index * self.group_type.itemsize + int(self.group_type.fields[name][1])  # type: ignore[index]

    def objcg_address(self, index: int) -> int:
        """Address of a cgroup's obj_cgroup."""
        return address_of(self.arena) + self.part_offset(index, "objcg")

    def pcp_list(self, migratetype: int, order: int = 0) -> int:
        """Address of the head of a per-CPU list; order 9, which THP has, lies behind the others."""
        index = 3 * order + migratetype if order < 4 else 12 + (migratetype == Migratetype.MOVABLE)
        return self.field_address("pcp") + PCP_LISTS + 16 * index

    def counted(self, item: int) -> int:
        """A number of vm_stat, this CPU's difference included."""
        return int(self.zone["vm_stat"][item]) + int(self.arena["zonestat"][0]["diff"][item])

    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Roots and sections, and the bits of pageblocks."""
        return {"section_roots": self._roots, "mem_section": self._sections, "pageblock_flags": self._usages}

    def _map_pageblocks(self) -> None:
        """Roots, sections and their pageblock bits; every pageblock is MOVABLE."""
        self._sections, self._usages, roots = self.map_sections(USAGE_BYTES)
        block = int(Migratetype.MOVABLE) * (0x11 if BLOCK_BITS[self.config] == 4 else 1)
        self._usages[:, USAGE_BITMAP : USAGE_BITMAP + 64] = block
        self._roots = aligned("i8", ROOTS_KEPT)
        self._roots[: len(roots)] = roots
        assert len(roots) <= ROOTS_KEPT <= SECTION_ROOTS <= NODE_MASK["distribution"] << 4

    def _link(self) -> None:
        cpu, pcp = self.cpu, self.pcp
        cpu["preempt_count"] = PREEMPT_OFFSET
        cpu["this_cpu_off"] = self.field_address("cpu")
        cpu["vmemmap_base"] = self.page_address(-FIRST_PFN)
        cpu["mem_section"] = address_of(self._roots)
        cpu["node_data"][0] = self.field_address("zone")
        cpu["current"], cpu["online_cpus"] = self.field_address("task"), CPUS_ONLINE
        self.zone["per_cpu_pageset"] = self.offset("pcp")
        self.zone["per_cpu_zonestats"] = self.offset("zonestat")
        self.arena["zonestat"][0]["diff"][ZONESTAT[self.config]] = THRESHOLD
        self.arena["node"][0]["per_cpu_nodestats"] = self.offset("nodestat")
        self.arena["nodestat"][0]["threshold"] = THRESHOLD
        pcp["batch"], pcp["high_min"], pcp["high_max"] = BATCH, HIGH_NEVER, HIGH_NEVER + 1
        self.empty_lists(LISTS[self.config])
        self.empty_free_lists()

    def _link_group(self, index: int, parent: int) -> None:
        """A cgroup below another, without charges; its statistics are already on the list of changes."""
        if parent < 0:
            self.cpu["root_mem_cgroup"] = self.memcg_address(0)
        group, part = self.memcg[index], self.parts[index]
        group["refcnt"] = self.part_offset(index, "references")
        group["css_flags"] = 0 if parent >= 0 else CSS_NO_REF
        group["rstat_cpu"] = self.part_offset(index, "rstat")
        group["vmstats_percpu"] = self.part_offset(index, "vmstats_percpu")
        for name, offset in COUNTERS.items():
            group[name]["parent"] = self.memcg_address(parent) + offset if parent >= 0 else 0
        group["memory"]["protection_support"] = 1
        part["rstat"] = ON_LIST
        part["vmstats_percpu"]["parent"] = self.part_offset(parent, "vmstats_percpu") if parent >= 0 else 0
        part["vmstats_percpu"]["vmstats"] = address_of(self.arena) + self.part_offset(index, "vmstats")
        part["objcg"]["refcnt"] = self.part_offset(index, "references") + 8
        part["objcg"]["memcg"] = self.memcg_address(index)
