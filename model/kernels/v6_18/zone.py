"""`struct zone`, the per-CPU lists, and what the free path finds through them.

Source: include/linux/mmzone.h, mm/page_alloc.c, v6.18.2, offsets by debug info (kernel-facts-6.18).
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np

from model.vocabulary.scenario import Config


class Migratetype(IntEnum):
    """Kinds of pageblock; the first three have a per-CPU list. In v4.3 MOVABLE was 2."""

    UNMOVABLE = 0
    MOVABLE = 1
    RECLAIMABLE = 2
    HIGHATOMIC = 3


PCPTYPES: Final = 3
ZONE_NORMAL: Final = 2
ZONE_DEVICE: Final = 4
ZONES: Final = 4
RECLAIM_ACTIVE, BELOW_HIGH = 2, 4
"""Bits of zone.flags."""


def _zone(size: int, pageset: int, flags: int) -> np.dtype[Any]:
    return np.dtype(
        {
            "names": ["per_cpu_pageset", "flags", "lock"],
            "formats": ["i8", "i8", "i4"],
            "offsets": [pageset, flags, flags + 8],
            "itemsize": size,
        }
    )


STRUCT_ZONE: Final[dict[Config, np.dtype[Any]]] = {
    "default": _zone(1216, 104, 984),
    "distribution": _zone(1728, 112, 1400),
}

LIST_HEAD: Final = np.dtype({"names": ["next", "prev"], "formats": ["i8", "i8"]})
PCP_LISTS: Final = 32
LISTS: Final[dict[Config, int]] = {"default": 12, "distribution": 14}
STRUCT_PCP: Final = np.dtype(
    {
        "names": [
            *("lock", "count", "high", "high_min", "high_max", "batch"),
            *("flags", "alloc_factor", "expire", "free_count", "lists"),
        ],
        "formats": [*["i4"] * 6, "u1", "u1", "u1", "i2", (LIST_HEAD, 14)],
        "offsets": [0, 4, 8, 12, 16, 20, 24, 25, 26, 28, PCP_LISTS],
        "itemsize": 256,
    }
)
FLAGS_BYTE, ALLOC_FACTOR = 24, 25
PREV_FREE_HIGH_ORDER: Final = 1
BATCH: Final = 63
BATCH_SCALE: Final = 5
"""CONFIG_PCP_BATCH_SCALE_MAX: free_count grows up to batch << 5."""
HIGH_NEVER: Final = 1 << 30
"""A `high_min` that no list reaches: depth `pcp`, the free without its drains; `high_max` is one more, so
that the tuning takes the way of a machine that tunes."""

SECTION_SHIFT: Final = 15
SECTIONS_PER_ROOT_SHIFT: Final = 8
SECTION_BYTES: Final = 16
USAGE_BITMAP: Final = 24
"""Bytes before the pageblock bits in mem_section_usage."""
BLOCK_BITS: Final[dict[Config, int]] = {"default": 4, "distribution": 8}
"""Of each block of 512 pages; with MEMORY_ISOLATION eight."""
ISOLATED: Final = 1 << 4
USAGE_BYTES: Final = USAGE_BITMAP + 64 + 40
SECTION_ROOTS: Final = 1 << 13
ROOTS_KEPT: Final = 8
"""Roots that the model has memory for; all others are beyond its last page."""
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
        # What the kernel would print, and what this model does not have.
        ("bad_pages", "i8"),
        ("bad_page", "i8"),
        ("bad_reason", "i8"),
        ("beyond", "i8"),
        ("traced", "i8"),
        ("rescheduled", "i8"),
        # For checks that somebody brings.
        ("events", "i8", (8,)),
    ]
)
"""The area that %gs points at."""
EVENTS: Final = 8
PREEMPT_OFFSET: Final = -(1 << 31)
"""preempt_count of a task that may be preempted and need not be: PREEMPT_NEED_RESCHED is inverted."""
