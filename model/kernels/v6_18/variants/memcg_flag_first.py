"""The order of 2015 on the v6.18 path: every page's memcg_data is tested first, then the key.

Kernel: v6.18 with `folio_memcg_kmem() && memcg_kmem_online()`, which is v1's order.
Expect: with the key disabled six instructions and two loads more; with the key enabled about the same.
"""

from collections.abc import Callable
from typing import Any

SUMMARY = "replaces: key first by flag first, the order of September 2015"


def memcg_step(kernel: Any) -> Callable[[Any, int], None]:
    """memcg_data first, then the key."""

    def memcg_then_key(page: Any, order: int) -> None:
        if not kernel.CONFIG_MEMCG or kernel.likely(not kernel.memcg_data_says_kmem(kernel.page_folio(page))):
            return
        if not kernel.memcg_kmem_offline():
            kernel.uncharge(page, order)

    return memcg_then_key
