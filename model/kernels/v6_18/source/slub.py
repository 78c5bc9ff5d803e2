"""kfree() of an object that is too large for a slab (mm/slub.c, v6.18)."""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
    load_once_u8,
    local_irq_restore,
    local_irq_save,
    rare,
    read_once,
    unlikely,
    write_once,
)
from model.kernels.v6_18.page import LARGE_KMALLOC, NO_TYPE, SLAB, TYPE_BYTE
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.page_alloc import free_frozen_pages
from model.kernels.v6_18.source.preempt import __rcu_read_lock, __rcu_read_unlock
from model.kernels.v6_18.source.records import global_read
from model.kernels.v6_18.source.report import beyond
from model.kernels.v6_18.source.tails import compound_order
from model.kernels.v6_18.source.vmstat import __mod_node_page_state

SLAB_UNRECLAIMABLE = 0


@static_inline
def count_slab_pages(page: Any, order: int) -> None:
    """NR_SLAB_UNRECLAIMABLE_B of the page's node, in bytes; of a charged object also of its cgroup."""
    flags = local_irq_save()
    if kernel.CONFIG_MEMCG:
        __rcu_read_lock()
        if unlikely(read_once(kernel.page_folio(page), "memcg_data") != 0):
            rare()
            beyond(page)
        __rcu_read_unlock()
    node = global_read("node_data", (read_once(page, "flags") >> kernel.NODE_SHIFT) & kernel.NODE_MASK)
    __mod_node_page_state(node + kernel.NODE, SLAB_UNRECLAIMABLE, -(4096 << order))
    local_irq_restore(flags)


@kernel_function
def free_large_kmalloc(page: Any) -> None:
    """Count the object's pages off, take the type away, and free; there are no references."""
    order = compound_order(page)
    if unlikely(load_once_u8(address_of(page) + TYPE_BYTE) != LARGE_KMALLOC or order == 0):
        rare()
        beyond(page)
        return
    count_slab_pages(page, order)
    write_once(page, "page_type", NO_TYPE)
    free_frozen_pages(page, order)


@kernel_function
def kfree(page: Any, order: int) -> None:
    """Free an object at a page's start; its order is read from the page."""
    if unlikely(load_once_u8(address_of(page) + TYPE_BYTE) == SLAB):
        rare()
        beyond(page)
        return
    free_large_kmalloc(page)
