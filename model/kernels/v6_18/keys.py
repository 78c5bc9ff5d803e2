"""The static keys that the jump table of an image may name."""

from typing import Final

KEYS: Final = {
    # A key that is off by default and likely to be on has its body in line: the kernel jumps over it while it
    # is off. A site of ours jumps while its key is on, so ours is the inverted key, with an inverted name.
    "memcg_kmem_offline": 1,
    "trace_mm_page_free": 2,
    "check_pages_enabled": 3,
    "init_on_free": 4,
    "hugetlb_optimize_vmemmap": 5,
    "memory_cgrp_disabled": 6,
    "page_reporting_enabled": 7,
    # The kernel tests whether memory is on the default hierarchy, v2, which is likely; it jumps if not.
    "memory_cgroup_v1": 8,
}
"""Name (also of the count in the %gs area) to its number in the jump table."""
