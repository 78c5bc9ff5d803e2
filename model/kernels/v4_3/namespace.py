"""The namespace in which v4.3's functions and variants find configuration and each other."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from model.compiler.namespace import Namespace

Check = Callable[[Any, int], None]
"""Code at the patch point: it gets the page and its order."""


class Kernel(Namespace):
    """`kernel.NAME`: a compile-time constant, or a function of `source/`, of the image being linked.

    Attributes
    ----------
    CONFIG_MEMCG
        CONFIG_MEMCG and CONFIG_MEMCG_KMEM; a constant, as with the preprocessor.
    CONFIG_DEBUG_VM
        The VM_BUG_ON_PAGE assertions are compiled in.
    CONFIG_CHECK_ON_FREE, CONFIG_CHECK_AT_DRAIN
        Place of free_pages_check, if it is compiled in.
    CONFIG_SINGLE_CHECK
        free_pages_check has one combined branch.
    CONFIG_CONTENDED
        Other CPUs free too, so code waits for a lock.
    OLD_HELPER_UNCHARGES
        __free_kmem_pages uncharges, as before the patch.
    memcg_kmem_enabled, trace_mm_page_free
        Tests of static keys, by the image's gate.
    patch_point
        The variant's code in free_pages_prepare.
    release_uncharge
        The uncharge in put_page and release_pages.
    page_memcg, mark_kmem
        The page's cgroup, and the mark that alloc_kmem_pages sets.
    PageKmem, SetPageKmem, ClearPageKmem
        The mark in `_mapcount`.
    __memcg_kmem_uncharge, mem_cgroup_uncharge
        Take a page off its owner's counters.
    count_event, likely, unlikely, rare
        For user variants (`HELPERS`).
    """

    CONFIG_MEMCG: bool
    CONFIG_DEBUG_VM: bool
    CONFIG_CHECK_ON_FREE: bool
    CONFIG_CHECK_AT_DRAIN: bool
    CONFIG_SINGLE_CHECK: bool
    CONFIG_CONTENDED: bool
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
    count_event: Callable[[int], None]
    likely: Callable[[bool], bool]
    unlikely: Callable[[bool], bool]
    rare: Callable[[], None]


HELPERS: Final[Mapping[str, str]] = {
    "CONFIG_MEMCG": "a constant: memcg is compiled in",
    "CONFIG_DEBUG_VM": "a constant: the VM_BUG_ON_PAGE assertions are compiled in",
    "memcg_kmem_enabled": "() -> bool: the static key, a patched jump; declare GATED = True",
    "PageKmem": "(page) -> bool: the mark in _mapcount",
    "SetPageKmem": "(page): set it",
    "ClearPageKmem": "(page): clear it",
    "page_memcg": "(page) -> address of the page's cgroup, or 0",
    "__memcg_kmem_uncharge": "(page, order): take the page off its cgroup's counters",
    "mem_cgroup_uncharge": "(page): the same for a user page",
    "count_event": "(number): this CPU's counter 0 to 7, one addition without a lock prefix",
    "likely": "(condition) -> bool: as the kernel's",
    "unlikely": "(condition) -> bool: as the kernel's",
    "rare": "(): first in a short body that is seldom entered, else LLVM makes arithmetic of it",
}
"""Attribute of `kernel` that a check may use -> its description."""

SWITCHES: Final[Mapping[str, str]] = {
    "CHECKS": "free_pages_check: on, deferred, or off, in every scenario",
    "SINGLE_CHECK": "True: free_pages_check has one combined branch",
}
"""Constant of a variant -> what it chooses."""
CHOICES: Final[Mapping[str, tuple[str, ...] | tuple[bool, ...]]] = {
    "CHECKS": ("on", "deferred", "off"),
    "SINGLE_CHECK": (True, False),
}
"""Constant of a variant -> its values."""

kernel: Final = Kernel("kernel")
