"""The namespace in which v4.3's functions and variants find configuration and each other."""

from collections.abc import Callable
from typing import Any, Final

from model.compiler.namespace import Namespace

Check = Callable[[Any, int], None]
"""Code at the patch point: it gets the page and its order."""


class Kernel(Namespace):
    """What `kernel.xyz` is. Every function of `source/` is an attribute too; these are the ones to use.

    Attributes
    ----------
    CONFIG_MEMCG
        CONFIG_MEMCG and CONFIG_MEMCG_KMEM; a constant, as with the preprocessor.
    CONFIG_DEBUG_VM
        The VM_BUG_ON_PAGE assertions are compiled in.
    CONFIG_CHECK_ON_FREE
        free_pages_check on every free, else at the drain.
    OLD_HELPER_UNCHARGES
        __free_kmem_pages uncharges, as before the patch.
    memcg_kmem_enabled, trace_mm_page_free
        Tests of static keys, by the image's gate.
    patch_point
        The variant's code in free_pages_prepare.
    release_uncharge
        What put_page and release_pages do about the page's owner.
    page_memcg, mark_kmem
        The page's cgroup, and what alloc_kmem_pages marks a page with.
    PageKmem, SetPageKmem, ClearPageKmem
        The mark in `_mapcount`.
    __memcg_kmem_uncharge, mem_cgroup_uncharge
        Take a page off its owner's counters.
    """

    CONFIG_MEMCG: bool
    CONFIG_DEBUG_VM: bool
    CONFIG_CHECK_ON_FREE: bool
    OLD_HELPER_UNCHARGES: bool
    memcg_kmem_enabled: Callable[[], bool]
    trace_mm_page_free: Callable[[], bool]
    patch_point: Check
    release_uncharge: Callable[[Any], None]
    page_memcg: Callable[[Any], int]
    mark_kmem: Callable[[Any, int], None]
    PageKmem: Callable[[Any], bool]
    SetPageKmem: Callable[[Any], None]
    ClearPageKmem: Callable[[Any], None]
    __memcg_kmem_uncharge: Check
    mem_cgroup_uncharge: Callable[[Any], None]


kernel: Final = Kernel("kernel")
