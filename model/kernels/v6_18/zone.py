"""`struct zone`, the per-CPU lists, and the structures that the free path reaches through them.

Source: include/linux/mmzone.h, mm/page_alloc.c, v6.18.2, offsets by debug info
(docs/kernel-facts/v6.18-path.md, section 1).
"""

from enum import IntEnum
from typing import Final

import numpy as np

from model.kernels.kit.memory import lines
from model.kernels.kit.reason import REPORTED
from model.kernels.offer import EVENTS
from model.kernels.v6_18.structures import LAYOUTS
from model.vocabulary.scenario import Config


class Migratetype(IntEnum):
    """Kinds of pageblock; the first three have a per-CPU list. In v4.3 MOVABLE was 2."""

    UNMOVABLE = 0
    MOVABLE = 1
    RECLAIMABLE = 2
    HIGHATOMIC = 3
    CMA = 4
    ISOLATE = 5


PCPTYPES: Final = 3
MIGRATE_TYPES: Final[dict[Config, int]] = {"default": 4, "distribution": 6}
PAGEBLOCK_ORDER: Final = 9
COSTLY_ORDER: Final = 3
"""Largest order with per-CPU lists, beside order 9 with THP."""
ZONE_NORMAL: Final = 2
ZONE_DEVICE: Final = 4
ZONES: Final = 4
RECLAIM_ACTIVE, BELOW_HIGH = 2, 4
"""Bits of zone.flags."""
FREE_AREA_BYTES: Final = {config: 16 * types + 8 for config, types in MIGRATE_TYPES.items()}
"""One list per type, then `nr_free`."""
STRUCT_ZONE: Final = {config: layout.record("struct zone") for config, layout in LAYOUTS.items()}
NR_FREE_PAGES, NR_FREE_PAGES_BLOCKS = 0, 1
"""Items of vm_stat; the second counts pages in blocks of order 9 and 10."""
ZONESTAT: Final[dict[Config, int]] = {"default": 10, "distribution": 11}
"""Bytes of a CPU's differences in struct per_cpu_zonestat; its threshold lies behind them."""
STRUCT_ZONESTAT: Final = np.dtype([("diff", "i1", (12,))])
THRESHOLD: Final = 125
STRUCT_NODE: Final = lines({"per_cpu_nodestats": (np.dtype("i8"), 1), "vm_stat": (np.dtype("i8"), 2)})
"""The part of a node behind its zones: NR_SLAB_UNRECLAIMABLE_B is the only item here."""
STRUCT_NODESTAT: Final = np.dtype([("threshold", "i1"), ("diff", "i1", (2,))])

STRUCT_PCP: Final = LAYOUTS["default"].record("struct per_cpu_pages")
PCP_LISTS, FLAGS_BYTE, ALLOC_FACTOR = (
    LAYOUTS["default"].offset("struct per_cpu_pages", name) for name in ("lists", "flags", "alloc_factor")
)
LISTS: Final[dict[Config, int]] = {"default": 12, "distribution": 14}
"""Lists in use; the others, for THP, lie behind them."""
PREV_FREE_HIGH_ORDER, FREE_HIGH_BATCH = 1, 2
"""Bits of the lists' flags: the previous free had order 1 to 3; caches are large, so a batch is kept."""
BATCH: Final = 63
BATCH_SCALE: Final = 5
"""CONFIG_PCP_BATCH_SCALE_MAX: free_count grows up to batch << 5."""
HIGH_NEVER: Final = 1 << 30
"""`high_min` of depth `pcp`, in pages: no list reaches it, so nothing is drained. `high_max` is one more, so
that the code that tunes `high` runs."""
HIGH_MIN: Final[dict[Config, int]] = {"default": 624, "distribution": 2640}
HIGH_MAX: Final = 32768
"""Limits of depth `full`, in pages: those of a machine with 8 GiB and 8 CPUs, without and with THP
(docs/kernel-facts/v6.18-path.md, section 4)."""
TAKEN_AT_ONCE: Final = BATCH << BATCH_SCALE
"""Pages of a drain in a stream of frees without allocations, once it is steady: 2016 every 2016 frees."""

USAGE_BITMAP: Final = 24
"""Bytes before the pageblock bits in mem_section_usage."""
BLOCK_BITS: Final[dict[Config, int]] = {"default": 4, "distribution": 8}
"""Bits of each block of 512 pages; with MEMORY_ISOLATION eight."""
ISOLATED: Final = 1 << 4
USAGE_BYTES: Final = USAGE_BITMAP + 64 + 40
SECTION_ROOTS: Final = 1 << 13
ROOTS_KEPT: Final = 8
"""Number of section roots that the model has; all others are beyond its last page."""
NODES: Final = 64

CPU_AREA: Final = np.dtype(
    [
        # The hot line of this CPU; `this_cpu_off` never at offset 0, which LLVM takes for the segment's base.
        ("pgfree", "i8"),
        ("this_cpu_off", "i8"),
        ("preempt_count", "i4"),
        ("cpu_number", "i4"),
        # Globals. The kernel reaches these by absolute addresses; position-independent code cannot.
        ("vmemmap_base", "i8"),
        ("mem_section", "i8"),
        ("node_data", "i8", (NODES,)),
        ("memcg_kmem_offline", "i4"),
        ("trace_mm_page_free", "i4"),
        ("check_pages_enabled", "i4"),
        ("init_on_free", "i4"),
        ("hugetlb_optimize_vmemmap", "i4"),
        ("memory_cgrp_disabled", "i4"),
        # What the kernel would print, and what is not modelled.
        *REPORTED,
        ("beyond", "i8"),
        ("traced", "i8"),
        ("rescheduled", "i8"),
        # For user variants.
        ("events", "i8", (EVENTS,)),
        # For drains, blocks and charged pages.
        ("current", "i8"),
        ("root_mem_cgroup", "i8"),
        ("online_cpus", "i8"),
        ("stats_index", "i8", (4,)),
        ("random", "i8"),
        ("huge_zero_folio", "i8"),
        ("vm_zone_stat", "i8", (2,)),
        ("vm_node_stat", "i8", (2,)),
        ("page_reporting_enabled", "i4"),
        ("memory_cgroup_v1", "i4"),
        ("victim", "i8"),
    ]
)
"""The area that %gs points at."""
PREEMPT_OFFSET: Final = -(1 << 31)
"""preempt_count of a task that may be preempted and need not be: PREEMPT_NEED_RESCHED is inverted."""
