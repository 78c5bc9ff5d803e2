"""Structures behind a charged kernel page: `struct obj_cgroup`, `struct mem_cgroup`, counters, the stock.

Source: include/linux/memcontrol.h, include/linux/page_counter.h, mm/memcontrol.c, v6.18.2, with the offsets
of docs/kernel-facts/v6.18-costs.md, section 6. Where those give none (`rstat_cpu`, the members of the
statistics), the order of the members is kept, and they lie on the line that the kernel has them on.
"""

from typing import Final

import numpy as np

CHARGE_BATCH: Final = 64
"""MEMCG_CHARGE_BATCH: most pages of a slot of the stock, and the limit beyond which statistics spill."""
SLOTS: Final = 7
"""NR_MEMCG_STOCK."""
CSS_NO_REF: Final = 1
"""css.flags: no reference counting, as for the root."""
REF_DEAD_OR_ATOMIC: Final = 3
"""Low bits of a percpu_ref's pointer: set when the count is no longer per CPU."""
KMEM_ITEM: Final = 0
"""Index of MEMCG_KMEM in the table of statistics."""

STRUCT_PAGE_COUNTER: Final = np.dtype(
    {
        "names": ["usage", "min_usage", "low_usage", "protection_support", "min", "low", "parent"],
        "formats": ["i8", "i8", "i8", "u1", "i8", "i8", "i8"],
        "offsets": [0, 72, 96, 128, 136, 144, 168],
        "itemsize": 192,
    }
)
MEMORY, MEMSW, KMEM = 256, 448, 1600
STRUCT_MEM_CGROUP: Final = np.dtype(
    {
        "names": [
            "refcnt",
            "refcnt_data",
            "rstat_cpu",
            "css_flags",
            "memory",
            "memsw",
            "vmstats_percpu",
            "kmem",
        ],
        "formats": [
            *("i8", "i8", "i8", "i4", STRUCT_PAGE_COUNTER, STRUCT_PAGE_COUNTER, "i8", STRUCT_PAGE_COUNTER)
        ],
        "offsets": [16, 24, 48, 76, MEMORY, MEMSW, 1224, KMEM],
        "itemsize": 2176,
    }
)
CSS_REFCNT: Final = 16
STRUCT_OBJ_CGROUP: Final = np.dtype(
    {
        "names": ["refcnt", "refcnt_data", "memcg"],
        "formats": ["i8", "i8", "i8"],
        "offsets": [0, 8, 16],
        "itemsize": 64,
    }
)
STRUCT_STOCK: Final = np.dtype(
    {
        "names": ["lock", "nr_pages", "cached"],
        "formats": ["u1", ("u1", SLOTS), ("i8", SLOTS)],
        "offsets": [0, 1, 8],
        "itemsize": 64,
    }
)
STOCK_PAGES, STOCK_CACHED = 1, 8
VMSTATS_PERCPU: Final = np.dtype(
    {
        "names": ["stats_updates", "parent", "vmstats", "state"],
        "formats": ["i4", "i8", "i8", ("i8", 8)],
        "offsets": [0, 8, 16, 64],
        "itemsize": 128,
    }
)
"""memcg_vmstats_percpu: the words that every update writes on the first line, statistics behind it."""
STATE: Final = 64
GROUP_PARTS: Final = np.dtype(
    {
        "names": ["vmstats_percpu", "vmstats", "rstat", "references", "objcg"],
        "formats": [VMSTATS_PERCPU, "i8", "i8", ("i8", 2), STRUCT_OBJ_CGROUP],
        "offsets": [0, 128, 192, 256, 320],
        "itemsize": 384,
    }
)
"""Other structures of one cgroup, each on a line of its own.

`vmstats`     stats_updates of the shared statistics
`rstat`       this CPU's node in the list of cgroups that changed; it is listed unless it leads to itself
`references`  this CPU's count of the cgroup's and of the obj_cgroup's references
"""
TASK: Final = np.dtype(
    {
        "names": ["rcu_nesting", "rcu_special", "capture_control"],
        "formats": ["i4", "i4", "i8"],
        "offsets": [0, 4, 8],
        "itemsize": 64,
    }
)
"""Fields of RCU and compaction in the task that frees."""
CAPTURE_CONTROL: Final = 8
