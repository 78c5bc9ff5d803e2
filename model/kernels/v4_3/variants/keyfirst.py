"""Key, then flag: with the key disabled the flag is never read.

Kernel: merged as 4949148ad433 for v4.8, with the fix c4159a75b64c: only a charged page is marked, and the
uncharge clears the mark.
Expect: with the key disabled one 5-byte NOP and no access to `_mapcount`; with memcg off the code of base.
A marked page that is freed with the key disabled is a bad page.
"""

from collections.abc import Callable
from typing import Any

SUMMARY = "key, then flag: as merged in v4.8"
GATED = True
NEEDS_MEMCG = True
MARKS = "charged"


def patch_point(kernel: Any) -> Callable[[Any, int], None]:
    """Test the key; only if it is enabled test the page, uncharge it and clear the mark."""

    def uncharge_kmem(page: Any, order: int) -> None:
        if kernel.memcg_kmem_enabled() and kernel.PageKmem(page):
            kernel.__memcg_kmem_uncharge(page, order)
            kernel.ClearPageKmem(page)

    return uncharge_kmem
