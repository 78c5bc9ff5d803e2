"""v1 with a branch hint: `unlikely(PageKmem(page))`.

Kernel: v4.3 plus patch 1/5, with a branch hint that the patch does not have. In 2023 such a hint was
said to add "very little", without a measurement.
Expect: the marked page's code moves out of line; the plain page falls through instead of jumping.
"""

from collections.abc import Callable
from typing import Any

SUMMARY = "v1 with unlikely() around the test"
GATED = True
MARKS = "always"


def patch_point(kernel: Any) -> Callable[[Any, int], None]:
    """Test the page, which is rarely a kmem page; uncharge it if the key is on; clear the mark."""

    def uncharge_kmem(page: Any, order: int) -> None:
        if kernel.unlikely(kernel.PageKmem(page)):
            kernel.rare()
            if kernel.CONFIG_MEMCG and kernel.memcg_kmem_enabled():
                kernel.__memcg_kmem_uncharge(page, order)
            kernel.ClearPageKmem(page)

    return uncharge_kmem
