"""Link one image: choose the configuration, then make every function of it."""

from typing import Any

import numba
from numba import types

from model.image import Allocator, Image, Spec
from model.kernel import alloc, buddy, memcontrol, page_alloc, passes, swap
from model.kernel.function import kernel_function, static_inline
from model.kernel.namespace import kernel
from model.kernel.page_flags import link_page_flags
from model.kernel.primitives import this_cpu_read
from model.kernel.slot import slot
from model.kernel.static_key import jump_label
from model.keys import KEYS
from model.page import STRUCT_PAGE
from model.variants import Variant
from model.variants import variant as variant_called

I64 = types.int64
PAGE = numba.from_dtype(STRUCT_PAGE)

SHARED = (page_alloc.bad_page, page_alloc.vm_bug, memcontrol.page_counter_uncharge, buddy.__free_one_page)
FREE_PATH = (
    memcontrol.__memcg_kmem_uncharge,
    memcontrol.mem_cgroup_uncharge,
    page_alloc.get_pfnblock_flags_mask,
    page_alloc.free_pages_prepare,
    page_alloc.free_pcppages_bulk,
    page_alloc.free_hot_cold_page,
    page_alloc.__free_pages_ok,
    page_alloc.__free_pages,
    page_alloc.__free_kmem_pages,
    swap.__page_cache_release,
    swap.put_compound_page,
    swap.put_page,
    swap.mem_cgroup_uncharge_list,
    swap.free_hot_cold_page_list,
    swap.release_pages,
)
FREE_PATH_INLINE = (
    page_alloc.page_is_bad,
    page_alloc.wipe_flags,
    page_alloc.free_pages_check,
    page_alloc.check_on_free,
    page_alloc.free_coldest,
)
ALLOCATION = (
    memcontrol.page_counter_try_charge,
    memcontrol.drain_stock,
    memcontrol.charge_memory,
    memcontrol.try_charge,
    memcontrol.memcg_kmem_charge,
    alloc.expand,
    alloc.__rmqueue_smallest,
    alloc.__rmqueue,
    alloc.rmqueue_bulk,
    alloc.rmqueue_pcp,
    alloc.rmqueue_buddy,
    alloc.prep_compound_page,
    alloc.alloc_pages,
    alloc.cancel_charge,
    alloc.alloc_kmem_pages,
)


Entries = dict[str, tuple[Any, ...]]
"""Symbol and argument types of each function that is called from outside."""


def link(spec: Spec) -> Entries:
    """Fill the namespace for one image; returns its entries."""
    kernel.CONFIG_MEMCG = spec.memcg
    kernel.CONFIG_DEBUG_VM = spec.debug
    kernel.vm_bug_on_page = page_alloc.vm_bug_on_page
    for function in SHARED:
        setattr(kernel, function.__name__, kernel_function(function))
    return _link_free_path(spec) if isinstance(spec, Image) else _link_allocation(spec)


def _link_allocation(spec: Allocator) -> Entries:
    kernel.memcg_kmem_enabled = jump_label(KEYS["memcg_kmem_enabled"]) if spec.memcg else _never_enabled
    link_page_flags(spec.marks)
    for function in ALLOCATION:
        setattr(kernel, function.__name__, kernel_function(function))

    return {"alloc_pages": (I64,) * 3, "alloc_kmem_pages": (I64,) * 2, "drain_stock": ()}


def _link_free_path(image: Image) -> Entries:
    variant = variant_called(image.variant)
    kernel.CONFIG_CHECK_ON_FREE = image.checks == "on"
    kernel.OLD_HELPER_UNCHARGES = variant.marks(image.memcg) == "never"
    kernel.memcg_kmem_enabled = _gate(image)
    kernel.trace_mm_page_free = jump_label(KEYS["trace_mm_page_free"])
    link_page_flags(variant.marks(image.memcg))
    for function in FREE_PATH:
        setattr(kernel, function.__name__, kernel_function(function))
    for inline in FREE_PATH_INLINE:
        setattr(kernel, inline.__name__, static_inline(inline))
    kernel.patch_point = _patch_point(variant, image)
    kernel.release_uncharge = _release_uncharge(variant, image)
    return _link_passes()


def _gate(image: Image) -> Any:
    """How this image asks `memcg_kmem_enabled()`."""
    if not image.memcg:
        return _never_enabled
    if image.gate == "jump-label":
        return jump_label(KEYS["memcg_kmem_enabled"])
    return _flag_in_memory if image.gate == "memory-flag" else _always_enabled


@static_inline
def _never_enabled() -> bool:
    return False


@static_inline
def _always_enabled() -> bool:
    return True


@static_inline
def _flag_in_memory() -> bool:
    """static_key_enabled() without jump labels: atomic_read(&key->enabled) > 0."""
    return this_cpu_read("memcg_kmem_enabled") > 0


def _patch_point(variant: Variant, image: Image) -> Any:
    """The variant's code; base, an exact arm, or a variant that is compiled out: the slot."""
    if hasattr(variant.module, "patch_point") and (image.memcg or not variant.needs_memcg):
        return static_inline(variant.module.patch_point(kernel))
    return slot(variant.operation or "")


def _release_uncharge(variant: Variant, image: Image) -> Any:
    """What put_page and release_pages do about the page's owner."""
    if hasattr(variant.module, "release_uncharge"):
        return static_inline(variant.module.release_uncharge(kernel))
    return kernel.mem_cgroup_uncharge if image.memcg else static_inline(_no_uncharge)


def _no_uncharge(page: Any) -> None:
    pass


def _link_passes() -> Entries:
    """Make the timed loops, one for each way in and one that frees nothing."""
    kernel.restore = kernel_function(passes.restore)
    kernel.prepare_only = kernel_function(passes.prepare_only)
    steps = {
        "time_free_pages": kernel.__free_pages,
        "time_free_kmem_pages": kernel.__free_kmem_pages,
        "time_prepare": kernel.prepare_only,
        "time_put_page": static_inline(passes.put_one_page),
        "time_nothing": static_inline(passes.nothing),
    }
    for name, step in steps.items():
        setattr(kernel, name, passes.timed(name, step))
    kernel.time_release_pages = kernel_function(passes.time_release_pages)
    kernel.time_chain = kernel_function(passes.time_chain)
    kernel.time_slots = kernel_function(passes.time_slots)
    kernel.ticks = kernel_function(passes.ticks)
    free = dict.fromkeys(["__free_pages", "__free_kmem_pages", "prepare_only"], (PAGE, I64))
    loops = dict.fromkeys([*steps, "time_release_pages", "time_chain", "time_slots", "restore"], (I64,))
    return {**free, **loops, "put_page": (PAGE,), "release_pages": (I64, I64), "ticks": ()}
