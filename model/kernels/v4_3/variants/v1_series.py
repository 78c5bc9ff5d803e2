"""v1 and its second site: put_page and release_pages skip the user uncharge of a kmem page.

Kernel: patch 1/5 tests the flag in __page_cache_release too; patch 3/5 moves that test into the walk of the
batched uncharge. __free_pages reaches neither site, so there it is v1.
Expect: through put_page or release_pages one more load, comparison and branch than v1; with memcg off
put_page still has the unused load.
"""

from collections.abc import Callable
from typing import Any

from model.kernels.v4_3.variants import v1

SUMMARY = "v1 plus the second test in put_page / release_pages"
GATED = True
MARKS = "always"

patch_point = v1.patch_point


def release_uncharge(kernel: Any) -> Callable[[Any], None]:
    """Uncharge a user page; a kmem page will be uncharged at the patch point."""

    def uncharge_user(page: Any) -> None:
        if not kernel.PageKmem(page) and kernel.CONFIG_MEMCG:
            kernel.mem_cgroup_uncharge(page)

    return uncharge_user
