"""`struct mem_cgroup` and its page counters.

Source: include/linux/page_counter.h, mm/memcontrol.c, v4.3. The three counters lie in three different
64-byte lines, so that every level of an uncharge touches two or three lines.
"""

from typing import Final

import numpy as np

STRUCT_PAGE_COUNTER: Final = np.dtype(
    {
        "names": ["count", "limit", "parent", "watermark", "failcnt"],
        "formats": ["i8", "i8", "i8", "i8", "i8"],
        "offsets": [0, 8, 16, 24, 32],
        "itemsize": 40,
    }
)

MEM_CGROUP_BYTES: Final = 768
STRUCT_MEM_CGROUP: Final = np.dtype(
    {
        "names": ["css_count", "css_percpu", "css_flags", "memory", "memsw", "kmem", "kmem_active"],
        "formats": ["i8", "i8", "i4", STRUCT_PAGE_COUNTER, STRUCT_PAGE_COUNTER, STRUCT_PAGE_COUNTER, "i4"],
        "offsets": [16, 24, 116, 176, 216, 256, 320],
        "itemsize": MEM_CGROUP_BYTES,
    }
)
MEMORY: Final = 176
MEMSW: Final = 216
KMEM: Final = 256

CSS_NO_REF: Final = 1
"""css.flags: no reference counting, as for the root."""
PERCPU_DEAD: Final = 3
"""Low bits of `css_percpu`: set when the reference count is no longer per CPU."""
CHARGE_BATCH: Final = 32
"""Pages that a miss of the per-CPU stock charges at once."""
NO_LIMIT: Final = 2**62
