"""The namespace in which v4.3's functions and variants find configuration and each other."""

from collections.abc import Callable
from typing import Any, Final

from model.kernels.kit.namespace import ModelNamespace, Step, helpers
from model.kernels.offer import Switch


class KernelNamespace(ModelNamespace):
    """The namespace of one image; `HELPERS` describes what a check may use.

    Attributes
    ----------
    CONFIG_CHECK_ON_FREE, CONFIG_CHECK_AT_DRAIN
        Place of free_pages_check, if it is compiled in.
    CONFIG_SINGLE_CHECK
        free_pages_check has one combined branch.
    CONFIG_CONTENDED
        Other CPUs free too, so code waits for a lock.
    OLD_HELPER_UNCHARGES
        __free_kmem_pages uncharges, as before the patch.
    memcg_kmem_enabled
        Test of the static key, by the image's gate.
    release_uncharge
        The uncharge in put_page and release_pages.
    mark_kmem
        The mark that alloc_kmem_pages sets.
    """

    CONFIG_DEBUG_VM: bool
    CONFIG_CHECK_ON_FREE: bool
    CONFIG_CHECK_AT_DRAIN: bool
    CONFIG_SINGLE_CHECK: bool
    CONFIG_CONTENDED: bool
    OLD_HELPER_UNCHARGES: bool
    memcg_kmem_enabled: Callable[[], bool]
    release_uncharge: Callable[[Any], None]
    page_memcg: Callable[[Any], int]
    mark_kmem: Callable[[Any, int], None]
    PageKmem: Callable[[Any], bool]
    SetPageKmem: Callable[[Any], None]
    ClearPageKmem: Callable[[Any], None]
    __memcg_kmem_uncharge: Step
    mem_cgroup_uncharge: Callable[[Any], None]


HELPERS: Final = helpers(
    {
        "CONFIG_DEBUG_VM": "a constant: the VM_BUG_ON_PAGE assertions are compiled in",
        "memcg_kmem_enabled": "() -> bool: the static key, a patched jump; declare GATED = True",
        "PageKmem": "(page) -> bool: the mark in _mapcount",
        "SetPageKmem": "(page): set it",
        "ClearPageKmem": "(page): clear it",
        "page_memcg": "(page) -> address of the page's cgroup, or 0",
        "__memcg_kmem_uncharge": "(page, order): take the page off its cgroup's counters",
        "mem_cgroup_uncharge": "(page): the same for a user page",
    }
)
"""Attribute of `kernel` that a check may use -> its description."""

SWITCHES: Final = {
    "CHECKS": Switch("free_pages_check: on, deferred, or off, in every scenario", ("on", "deferred", "off")),
    "SINGLE_CHECK": Switch("True: free_pages_check has one combined branch", (True, False)),
}
"""Constant of a variant -> what it chooses, and its values."""

kernel: Final = KernelNamespace("kernel")
