"""The namespace in which v6.18's functions and variants find configuration and each other."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from model.kernels.kit.namespace import ModelNamespace, Step, helpers
from model.kernels.offer import Switch


class KernelNamespace(ModelNamespace):
    """The namespace of one image; `HELPERS` describes what a check may use.

    Attributes
    ----------
    CONFIG_MEMORY_FAILURE, CONFIG_ISOLATION, CONFIG_THP, CONFIG_DEBUG_LIST
        Constants, as with the preprocessor; isolation includes CMA and page reporting.
    DIRECT_TO_BUDDY
        The image frees blocks that no per-CPU list holds; without them it is smaller.
    CONFIG_TRYLOCK, CONFIG_IRQ_OFF
        Guard of the per-CPU lists: the lock of v6.2, interrupts off as in v4.3, or neither.
    STOCK_SLOTS
        Cgroups that a CPU's stock of pages has room for.
    WIPED, LAST_CPUPID, MUST_BE_CLEAR
        Masks of `flags`, by the configuration and the variant.
    NODE_SHIFT, NODE_MASK, ZONE_SHIFT, ZONE_MASK, ZONE_BYTES, PAGESET, ZONE_FLAGS, BLOCK_BITS, ZONE_LOCK,
    ZONESTATS, ZONE_THRESHOLD, VM_STAT, TRYLOCK_FREE_PAGES, FREE_AREA, FREE_AREA_BYTES, LISTS, STOCK, NODE
        Offsets and sizes in this configuration.
    memcg_kmem_offline, check_pages_enabled, init_on_free, hugetlb_optimize_vmemmap, memory_cgrp_disabled,
    page_reporting_enabled, memory_cgroup_v1
        Tests of static keys.
    memcg_step, type_step
        The memcg test and the page type's reset, by the variant.
    page_folio, first_look_at_flags, head_of_tail, put_on_list, commit_in_batch, add_updates, take_updates,
    counted_memcg, private_step, victim_slot
        Steps in which later kernels differ from v6.18.2 (`source.link.STEPS`).
    drain_list
        How v7.1 drains a full list.
    """

    CONFIG_MEMORY_FAILURE: bool
    CONFIG_ISOLATION: bool
    CONFIG_THP: bool
    CONFIG_DEBUG_LIST: bool
    DIRECT_TO_BUDDY: bool
    STOCK_SLOTS: int
    CONFIG_TRYLOCK: bool
    CONFIG_IRQ_OFF: bool
    WIPED: int
    LAST_CPUPID: int
    MUST_BE_CLEAR: int
    NODE_SHIFT: int
    NODE_MASK: int
    ZONE_SHIFT: int
    ZONE_MASK: int
    ZONE_BYTES: int
    PAGESET: int
    ZONE_FLAGS: int
    BLOCK_BITS: int
    ZONE_LOCK: int
    ZONESTATS: int
    ZONE_THRESHOLD: int
    VM_STAT: int
    TRYLOCK_FREE_PAGES: int
    FREE_AREA: int
    FREE_AREA_BYTES: int
    LISTS: int
    STOCK: int
    NODE: int
    memcg_kmem_offline: Callable[[], bool]
    check_pages_enabled: Callable[[], bool]
    init_on_free: Callable[[], bool]
    hugetlb_optimize_vmemmap: Callable[[], bool]
    memory_cgrp_disabled: Callable[[], bool]
    page_reporting_enabled: Callable[[], bool]
    memory_cgroup_v1: Callable[[], bool]
    first_look_at_flags: Callable[[Any, Any], Any]
    head_of_tail: Callable[[Any], int]
    put_on_list: Callable[[int, Any, int, int, int], None]
    drain_list: Callable[[int, Any, int, int, int], int]
    commit_in_batch: Callable[[int, Any, Any, int, int], int]
    add_updates: Callable[[int, int], int]
    take_updates: Callable[[int], int]
    counted_memcg: Callable[[int], int]
    private_step: Callable[[Any], None]
    victim_slot: Callable[[], int]
    memcg_step: Step
    type_step: Step
    page_folio: Callable[[Any], Any]
    memcg_data_says_kmem: Callable[[Any], bool]
    page_has_type: Callable[[Any], bool]
    clear_page_type: Callable[[Any], None]
    uncharge: Callable[[Any, int], None]


HELPERS: Final = helpers(
    {
        "page_folio": "(page) -> the head of its compound page, or the page itself",
        "memcg_kmem_offline": "() -> bool: the static key, a patched jump, taken while no memcg exists",
        "page_has_type": "(page) -> bool: the signed comparison of page_type",
        "memcg_data_says_kmem": "(folio) -> bool: bit 1 of memcg_data",
        "clear_page_type": "(page): store -1",
        "uncharge": "(page, order): take a charged page off its cgroup",
    }
)
"""Attribute of `kernel` that a check may use -> its description."""

STEPS: Final[Mapping[str, str]] = {
    "memcg_step": "another form of the memcg test: a function like patch_point",
    "type_step": "another form of the page type's reset",
}
SWITCHES: Final = {
    "LEFT_OUT": Switch(
        "a tuple of `wipe` and `cpupid`: steps on page->flags that are left out", ("wipe", "cpupid"), True
    ),
    "GUARD": Switch(
        "guard of the per-CPU lists: trylock, irq-off or preempt", ("trylock", "irq-off", "preempt")
    ),
    "CHECKS": Switch("always: the page checks on every free, without their key", ("always",)),
    "DEBUG_LIST": Switch("True: lists are checked before they are changed", (True, False)),
    "PRIVATE": Switch(
        "when page->private is cleared: never, always or `if set`", ("never", "always", "if set")
    ),
    "VICTIM": Switch(
        "how a full stock's slot to drain is chosen: random or `round robin`", ("random", "round robin")
    ),
}
"""Constant of a variant -> what it leaves out or chooses, and its values."""

kernel: Final = KernelNamespace("kernel")
