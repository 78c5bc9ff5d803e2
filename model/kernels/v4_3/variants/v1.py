"""Flag, then key: every freed page is tested, with or without kmem accounting.

Kernel: v4.3 plus "[PATCH 1/5] mm: uncharge kmem pages from generic free_page path", 26 September 2015.
The test has no branch hint, and follows the anonymous page's `mapping = 0`.
Expect: one more load of `_mapcount`, a comparison and a branch; for a marked page a store as well.
"""

from collections.abc import Callable
from typing import Any

SUMMARY = "flag, then key: as posted in September 2015"
GATED = True
MARKS = "always"


def patch_point(kernel: Any) -> Callable[[Any, int], None]:
    """Test the page; uncharge it if the key is on; clear the mark."""

    def uncharge_kmem(page: Any, order: int) -> None:
        if kernel.PageKmem(page):
            if kernel.CONFIG_MEMCG and kernel.memcg_kmem_enabled():
                kernel.__memcg_kmem_uncharge(page, order)
            kernel.ClearPageKmem(page)

    return uncharge_kmem
