"""Allocation, as far as tests of freeing need it (mm/page_alloc.c, v4.3).

Left out: watermarks, reclaim, zone lists, the stealing of pageblocks by another type.
"""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
    as_long,
    local_irq_restore,
    local_irq_save,
    read_once,
    write_once,
)
from model.kernels.kit.source.lists import list_at
from model.kernels.v4_3.memcg import KMEM
from model.kernels.v4_3.page import PAGE_BYTES, PG
from model.kernels.v4_3.source.buddy import (
    add_nr_free,
    free_list,
    lock_zone,
    mod_zone_freepage_state,
    rmv_page_order,
    set_page_order,
    this_cpu_pcp,
)
from model.kernels.v4_3.source.linkage import kernel, kernel_function
from model.kernels.v4_3.source.lists import list_add, list_add_tail, list_del, page_of
from model.kernels.v4_3.source.memcontrol import css_put_many, memcg_kmem_charge, uncharge_memory
from model.kernels.v4_3.source.page_counter import page_counter_uncharge
from model.kernels.v4_3.source.records import global_read, mem_cgroup_at, page_at, zone_at
from model.kernels.v4_3.zone import MAX_ORDER, MIGRATE_PCPTYPES, PCP_LISTS, ZONE_BYTES, ZONE_NORMAL

PG_HEAD, PG_TAIL = int(PG.HEAD), int(PG.TAIL)


@kernel_function
def expand(page: Any, zone: Any, low: int, high: int, migratetype: int) -> None:
    """Split a block: hand back the upper halves until the wanted order is left."""
    while high > low:
        high -= 1
        half = page_at(address_of(page) + (PAGE_BYTES << high))
        list_add(half, free_list(zone, high, migratetype))
        add_nr_free(zone, high, 1)
        set_page_order(half, high)


@kernel_function
def __rmqueue_smallest(zone: Any, order: int, migratetype: int) -> int:
    """Take the smallest free block of a type that is large enough; 0 if there is none."""
    current = order
    while current < MAX_ORDER:
        head = free_list(zone, current, migratetype)
        if list_at(head).next != head:
            page = page_of(list_at(head).next)
            list_del(page)
            rmv_page_order(page)
            add_nr_free(zone, current, -1)
            expand(page, zone, order, current, migratetype)
            return address_of(page)
        current += 1
    return 0


@kernel_function
def __rmqueue(zone: Any, order: int, migratetype: int) -> int:
    """Take a block, of the wanted type if possible, else of the next that has one."""
    page = __rmqueue_smallest(zone, order, migratetype)
    other = 0
    while page == 0 and other < MIGRATE_PCPTYPES:
        page = __rmqueue_smallest(zone, order, other)
        other += 1
    if page != 0:
        # Where a drain will put it back: the wanted type, also when another type's block was split.
        page_at(page).index = migratetype
    return page


@kernel_function
def rmqueue_bulk(zone: Any, count: int, head: int, migratetype: int) -> int:
    """Refill a per-CPU list; returns how many pages came."""
    lock_zone(zone)
    taken = 0
    while taken < count:
        address = __rmqueue(zone, 0, migratetype)
        if address == 0:
            break
        list_add_tail(page_at(address), head)
        taken += 1
    mod_zone_freepage_state(zone, -taken)
    write_once(zone, "lock", 0)
    return taken


@kernel_function
def rmqueue_pcp(zone: Any, migratetype: int) -> int:
    """One page from this CPU's list, refilled by `batch` when empty; 0 when memory is out."""
    pcp = this_cpu_pcp(zone)
    head = address_of(pcp) + PCP_LISTS + 16 * migratetype
    if list_at(head).next == head:
        pcp.count += rmqueue_bulk(zone, as_long(read_once(pcp, "batch")), head, migratetype)
        if list_at(head).next == head:
            return 0
    page = page_of(list_at(head).next)
    list_del(page)
    pcp.count -= 1
    return address_of(page)


@kernel_function
def rmqueue_buddy(zone: Any, order: int, migratetype: int) -> int:
    """A block of order > 0 straight from the buddy; 0 when there is none."""
    lock_zone(zone)
    address = __rmqueue(zone, order, migratetype)
    if address != 0:
        mod_zone_freepage_state(zone, -(1 << order))
    write_once(zone, "lock", 0)
    return address


@kernel_function
def alloc_pages(order: int, migratetype: int, compound: int) -> int:
    """Allocate a block of 1 << order pages; its address, or 0 when there is none."""
    zone = zone_at(global_read("node_data", 0) + ZONE_NORMAL * ZONE_BYTES)
    flags = local_irq_save()
    address = 0
    if order == 0:
        address = rmqueue_pcp(zone, migratetype)
    else:
        address = rmqueue_buddy(zone, order, migratetype)
    local_irq_restore(flags)
    if address != 0:
        page = page_at(address)
        page.private = 0
        write_once(page, "_count", 1)
        if compound and order > 0:
            prep_compound_page(page, order)
    return address


@kernel_function
def prep_compound_page(page: Any, order: int) -> None:
    """Mark a block as one compound page: its head, its order, and each tail's way to the head."""
    page.flags |= PG_HEAD
    page_at(address_of(page) + PAGE_BYTES).lru_prev = order
    tail = 1
    while tail < (1 << order):
        part = page_at(address_of(page) + tail * PAGE_BYTES)
        part.private = address_of(page)
        part.flags |= PG_TAIL
        tail += 1


@kernel_function
def alloc_kmem_pages(order: int, compound: int) -> int:
    """Allocate kernel memory: charge first, then allocate, then mark as the variant does."""
    owner = memcg_kmem_charge(order)
    if owner == -1:
        return 0
    address = alloc_pages(order, 0, compound)
    if address == 0:
        if owner != 0:
            cancel_charge(owner, order)
        return 0
    page = page_at(address)
    if owner != 0:
        page.mem_cgroup = owner
    kernel.mark_kmem(page, owner)
    return address


@kernel_function
def cancel_charge(owner: int, order: int) -> None:
    """Give the charge back when the allocation failed."""
    pages = 1 << order
    uncharge_memory(owner, pages)
    page_counter_uncharge(owner + KMEM, pages)
    css_put_many(mem_cgroup_at(owner), pages)
