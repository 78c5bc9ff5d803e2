"""Key, then a bit of `memcg_data`: the mark is in the word that the uncharge reads anyway.

Kernel: v5.11 and later, offset 56; the word is the cgroup's address plus the bit MEMCG_DATA_KMEM.
Left out: obj_cgroup, and the per-CPU stock that v5.11 refills when it uncharges.
Expect: with the key disabled one NOP; with the key enabled a one-byte test of the page's last word.
"""

from collections.abc import Callable
from typing import Any

from model.kernels.v4_3.page import MEMCG_DATA_KMEM

SUMMARY = "key, then a bit of memcg_data at offset 56: v5.11 and later"
GATED = True
NEEDS_MEMCG = True
MARKS = "memcg-data"


def patch_point(kernel: Any) -> Callable[[Any, int], None]:
    """Test the key; only if it is enabled test the bit and uncharge, which clears the word."""

    def uncharge_kmem(page: Any, order: int) -> None:
        if kernel.memcg_kmem_enabled() and (page.mem_cgroup & MEMCG_DATA_KMEM) != 0:
            kernel.__memcg_kmem_uncharge(page, order)

    return uncharge_kmem
