"""The buddy allocator's free lists: a block enters and merges (mm/page_alloc.c, v4.3)."""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
    atomic_long_add_return,
    cpu_relax,
    load_64,
    rare,
    read_once,
    spin_lock,
    spin_trylock,
    store_64,
    unlikely,
    write_once,
)
from model.kernels.v4_3.page import PAGE_BYTES, ZONE_SHIFT, Mapcount
from model.kernels.v4_3.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v4_3.source.lists import list_add, list_add_tail, list_del
from model.kernels.v4_3.source.records import page_at, pcp_at, this_cpu_read
from model.kernels.v4_3.zone import FREE_AREA, FREE_AREA_BYTES, MAX_ORDER, MIGRATE_TYPES

# Numba types an IntEnum member as an enum; the path wants the plain number.
IDLE, BUDDY = int(Mapcount.IDLE), int(Mapcount.BUDDY)
NR_FREE_PAGES = 1088
NR_FREE = 16 * MIGRATE_TYPES
LAST_BLOCK = (1 << MAX_ORDER) - 1


@static_inline
def page_to_pfn(page: Any) -> int:
    """The page's frame number; the memory map's base is a variable since v4.9, a constant before."""
    return (address_of(page) - this_cpu_read("vmemmap_base")) >> 6


@static_inline
def lock_zone(zone: Any) -> None:
    """spin_lock(&zone->lock): one locked compare-and-exchange; where others free too, wait until it is free.

    As virt_spin_lock() in a guest: poll until it is free, then try again. The queue of bare metal is fairer.
    """
    if not kernel.CONFIG_CONTENDED:
        spin_lock(zone)
        return
    while not spin_trylock(zone):
        rare()
        while read_once(zone, "lock") != 0:
            cpu_relax()


@static_inline
def this_cpu_pcp(zone: Any) -> Any:
    """The lists of this CPU for the zone: this_cpu_ptr(zone->pageset)->pcp."""
    return pcp_at(zone.pageset + this_cpu_read("this_cpu_off"))


@static_inline
def free_list(zone: Any, order: int, migratetype: int) -> int:
    """Address of the list head of free blocks of one order and type."""
    return address_of(zone) + FREE_AREA + order * FREE_AREA_BYTES + migratetype * 16


@static_inline
def add_nr_free(zone: Any, order: int, change: int) -> None:
    """free_area[order].nr_free += change; one plain addition."""
    counter = address_of(zone) + FREE_AREA + order * FREE_AREA_BYTES + NR_FREE
    store_64(counter, load_64(counter) + change)


@static_inline
def mod_zone_freepage_state(zone: Any, change: int) -> None:
    """Count free pages in a signed byte per CPU; spill to the zone beyond the threshold."""
    pcp = this_cpu_pcp(zone)
    total = pcp.vm_stat_free + change
    threshold = pcp.stat_threshold
    if unlikely(total > threshold or total < -threshold):
        atomic_long_add_return(address_of(zone) + NR_FREE_PAGES, total)
        total = 0
    pcp.vm_stat_free = total


@static_inline
def page_is_buddy(page: Any, buddy: Any, order: int) -> bool:
    """Whether the buddy is a free block of the same order in the same zone."""
    if read_once(buddy, "_mapcount") != BUDDY:
        return False
    if buddy.private != order:
        return False
    return (page.flags >> ZONE_SHIFT) == (buddy.flags >> ZONE_SHIFT)


@static_inline
def set_page_order(page: Any, order: int) -> None:
    """Make the page the head of a free block."""
    page.private = order
    write_once(page, "_mapcount", BUDDY)


@static_inline
def rmv_page_order(page: Any) -> None:
    """The page no longer heads a free block."""
    write_once(page, "_mapcount", IDLE)
    page.private = 0


@kernel_function
def __free_one_page(page: Any, pfn: int, zone: Any, order: int, migratetype: int) -> None:
    """Merge a block with its free buddies, up to order 10, and put it on its list."""
    mod_zone_freepage_state(zone, 1 << order)
    index = pfn & LAST_BLOCK
    while order < MAX_ORDER - 1:
        other = index ^ (1 << order)
        buddy = page_at(address_of(page) + (other - index) * PAGE_BYTES)
        if not page_is_buddy(page, buddy, order):
            break
        list_del(buddy)
        add_nr_free(zone, order, -1)
        rmv_page_order(buddy)
        page = page_at(address_of(page) + ((other & index) - index) * PAGE_BYTES)
        index = other & index
        order += 1
    set_page_order(page, order)
    head = free_list(zone, order, migratetype)
    if next_order_may_merge(page, index, order):
        list_add_tail(page, head)
    else:
        list_add(page, head)
    add_nr_free(zone, order, 1)


@static_inline
def next_order_may_merge(page: Any, index: int, order: int) -> bool:
    """Whether the next larger buddy is free: then this block may merge soon, so it goes to the tail."""
    if order >= MAX_ORDER - 2:
        return False
    combined = index & ~(1 << order)
    higher = page_at(address_of(page) + (combined - index) * PAGE_BYTES)
    other = combined ^ (1 << (order + 1))
    buddy = page_at(address_of(higher) + (other - combined) * PAGE_BYTES)
    return page_is_buddy(higher, buddy, order + 1)
