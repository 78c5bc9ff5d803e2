"""`struct zone`, the per-CPU page lists, and the structures that the free path reaches through them.

Source: include/linux/mmzone.h, mm/page_alloc.c, v4.3 on x86-64, with the offsets of its debug info
(docs/kernel-facts/v4.3-path.md, section 3). Fields that the path does not touch are left out; the ones here
keep their offsets.
"""

from enum import IntEnum
from typing import Final

import numpy as np

from model.kernels.kit.reason import REPORTED
from model.kernels.offer import EVENTS
from model.kernels.v4_3.structures import LAYOUT

MAX_ORDER: Final = 11
"""Free blocks have orders 0 to 10."""
PCP_BATCH: Final = 31
PCP_HIGH: Final = 6 * PCP_BATCH
PCP_NEVER: Final = 2**31 - 1
"""`high` of depth `pcp`, in pages: no list reaches it, so nothing is drained."""


class Migratetype(IntEnum):
    """Kinds of pageblock; the first three have a per-CPU list."""

    UNMOVABLE = 0
    RECLAIMABLE = 1
    MOVABLE = 2
    RESERVE = 3


MIGRATE_PCPTYPES: Final = 3
MIGRATE_TYPES: Final = 4

FREE_AREA_BYTES: Final = 16 * MIGRATE_TYPES + 8
"""One list per migratetype, then `nr_free`."""
ZONE_NORMAL: Final = 2
STRUCT_ZONE: Final = LAYOUT.record("struct zone")
ZONE_BYTES: Final = int(STRUCT_ZONE.itemsize)
FREE_AREA: Final = LAYOUT.offset("struct zone", "free_area")
STRUCT_PCP: Final = LAYOUT.record("struct per_cpu_pageset")
PCP_LISTS: Final = LAYOUT.offset("struct per_cpu_pageset", "lists")

USEMAP_BYTES: Final = 32
"""Pageblock bits of one section: 64 blocks of 512 pages, 4 bits each."""
SECTION_ROOTS: Final = 8
NODES: Final = 64

CPU_AREA: Final = np.dtype(
    [
        # This CPU's own data, found through the segment register %gs as in the kernel.
        ("pgfree", "i8"),
        # Never at offset 0: LLVM takes a load of %gs:0 for the segment's own base, as in user-space TLS.
        ("this_cpu_off", "i8"),
        ("stock_memcg", "i8"),
        ("stock_pages", "i8"),
        # Globals. The kernel reaches these by absolute addresses; position-independent code cannot.
        ("vmemmap_base", "i8"),
        ("mem_section", "i8", (SECTION_ROOTS,)),
        ("node_data", "i8", (NODES,)),
        ("memcg_kmem_enabled", "i4"),
        ("mem_cgroup_disabled", "i4"),
        ("do_swap_account", "i4"),
        ("trace_mm_page_free", "i4"),
        ("current_memcg", "i8"),
        # What the kernel would print.
        *REPORTED,
        ("vm_bugs", "i8"),
        ("vm_bug_page", "i8"),
        ("traced", "i8"),
        ("counter_warnings", "i8"),
        # For user variants; behind everything, so that they move nothing.
        ("events", "i8", (EVENTS,)),
    ]
)
"""The area that %gs points at."""
