"""Structures behind a charged kernel page: `struct obj_cgroup`, `struct mem_cgroup`, counters, the stock.

Source: include/linux/memcontrol.h, include/linux/page_counter.h, mm/memcontrol.c, v6.18.2, with the offsets
of docs/kernel-facts/v6.18-costs.md, section 6. Where those give none (`rstat_cpu`, the members of the
statistics), the order of the members is kept, and they lie on the line that the kernel has them on.
"""

from typing import Any, Final

import numpy as np

from model.kernels.kit.memory import lines
from model.kernels.v6_18.structures import LAYOUTS

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

_OF: Final = LAYOUTS["default"]
STRUCT_PAGE_COUNTER: Final = _OF.record("struct page_counter")
STRUCT_MEM_CGROUP: Final = _OF.record("struct mem_cgroup")
COUNTERS: Final = {name: _OF.offset("struct mem_cgroup", name) for name in ("memory", "memsw", "kmem")}
"""Page counter of a cgroup -> its offset."""
MEMORY, MEMSW, KMEM = COUNTERS.values()
CSS_REFCNT: Final = _OF.offset("struct mem_cgroup", "refcnt")
STRUCT_OBJ_CGROUP: Final = _OF.record("struct obj_cgroup")
STRUCT_STOCK: Final = _OF.record("struct memcg_stock_pcp")
STOCK_PAGES, STOCK_CACHED = (_OF.offset("struct memcg_stock_pcp", name) for name in ("nr_pages", "cached"))
VMSTATS_PERCPU: Final = _OF.record("struct memcg_vmstats_percpu")
"""The words that every update writes on the first line, statistics behind it."""
STATE: Final = _OF.offset("struct memcg_vmstats_percpu", "state")


def group_parts(vmstats_percpu: np.dtype[Any], objcg: np.dtype[Any]) -> np.dtype[Any]:
    """Other structures of one cgroup, each on a line of its own, of kernels like v6.18."""
    word = np.dtype("i8")
    of_the_cpu = {"vmstats_percpu": (vmstats_percpu, 1), "vmstats": (word, 1), "rstat": (word, 1)}
    return lines({**of_the_cpu, "references": (word, 2), "objcg": (objcg, 1)})


GROUP_PARTS: Final = group_parts(VMSTATS_PERCPU, STRUCT_OBJ_CGROUP)
"""Other structures of one cgroup, each on a line of its own.

`vmstats`     stats_updates of the shared statistics
`rstat`       this CPU's node in the list of cgroups that changed; it is listed unless it leads to itself
`references`  this CPU's count of the cgroup's and of the obj_cgroup's references
"""
TASK: Final = np.dtype([("rcu_nesting", "i4"), ("rcu_special", "i4"), ("capture_control", "i8")])
"""Fields of RCU and compaction in the task that frees."""
CAPTURE_CONTROL: Final = 8
