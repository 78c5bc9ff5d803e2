"""`struct mem_cgroup` and its page counters.

Source: include/linux/page_counter.h, mm/memcontrol.c, v4.3. The three counters lie in three different
64-byte lines, so that every level of an uncharge touches two or three lines.
"""

from typing import Final

from model.kernels.v4_3.structures import LAYOUT

STRUCT_PAGE_COUNTER: Final = LAYOUT.record("struct page_counter")
STRUCT_MEM_CGROUP: Final = LAYOUT.record("struct mem_cgroup")
COUNTERS: Final = {name: LAYOUT.offset("struct mem_cgroup", name) for name in ("memory", "memsw", "kmem")}
"""Page counter of a cgroup -> its offset."""
MEMORY, MEMSW, KMEM = COUNTERS.values()

CSS_NO_REF: Final = 1
"""css.flags: no reference counting, as for the root."""
PERCPU_DEAD: Final = 3
"""Low bits of `css_percpu`: set when the reference count is no longer per CPU."""
CHARGE_BATCH: Final = 32
"""Pages that a miss of the per-CPU stock charges at once."""
NO_LIMIT: Final = 2**62
