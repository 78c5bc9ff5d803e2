"""The buddy allocator's free lists: a block enters and merges (mm/page_alloc.c, v6.18)."""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
    load_64,
    load_once_64,
    load_once_u8,
    local_irq_restore,
    local_irq_save,
    rare,
    spin_lock_at,
    store_64,
    store_once_u8,
    unlikely,
    write_once,
)
from model.kernels.kit.memory import MAX_ORDER
from model.kernels.v6_18.memcg import CAPTURE_CONTROL
from model.kernels.v6_18.page import BUDDY, BUDDY_TYPE, NO_TYPE, PAGE_BYTES, TYPE_BYTE
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.lists import list_add, list_add_tail, list_del
from model.kernels.v6_18.source.pageblock import CMA, HIGHATOMIC, ISOLATE, get_pfnblock_migratetype
from model.kernels.v6_18.source.records import page_at, this_cpu_add, this_cpu_read
from model.kernels.v6_18.source.report import beyond
from model.kernels.v6_18.source.vmstat import __mod_zone_page_state
from model.kernels.v6_18.zone import NR_FREE_PAGES, NR_FREE_PAGES_BLOCKS, PAGEBLOCK_ORDER


@static_inline
def lock_zone(zone: int) -> None:
    """spin_lock(&zone->lock): one locked compare-and-exchange."""
    spin_lock_at(zone + kernel.ZONE_LOCK)


@static_inline
def unlock_zone(zone: int) -> None:
    """A plain store of one byte."""
    store_once_u8(zone + kernel.ZONE_LOCK, 0)


@static_inline
def free_list(zone: int, order: int, migratetype: int) -> int:
    """Address of the list head of free blocks of one order and type."""
    return zone + kernel.FREE_AREA + order * kernel.FREE_AREA_BYTES + migratetype * 16


@static_inline
def add_nr_free(zone: int, order: int, change: int) -> None:
    """free_area[order].nr_free += change; one plain addition."""
    counter = zone + kernel.FREE_AREA + (order + 1) * kernel.FREE_AREA_BYTES - 8
    store_64(counter, load_64(counter) + change)


@static_inline
def page_is_buddy(page: Any, buddy: Any, order: int) -> bool:
    """Whether the buddy is a free block of the same order in the same zone, by its type's byte first."""
    if load_once_u8(address_of(buddy) + TYPE_BYTE) != BUDDY:
        return False
    if buddy.private != order:
        return False
    return ((page.flags ^ buddy.flags) >> kernel.ZONE_SHIFT) == 0


@static_inline
def set_buddy_order(page: Any, order: int) -> None:
    """Make the page the head of a free block."""
    page.private = order
    if load_once_u8(address_of(page) + TYPE_BYTE) != BUDDY:
        write_once(page, "page_type", BUDDY_TYPE)


@static_inline
def count_free(zone: int, pages: int, migratetype: int) -> None:
    """account_freepages(): isolated pages are not counted, two types are counted twice."""
    if unlikely(migratetype == ISOLATE):
        rare()
        return
    __mod_zone_page_state(zone, NR_FREE_PAGES, pages)
    if unlikely((kernel.CONFIG_ISOLATION and migratetype == CMA) or migratetype == HIGHATOMIC):
        rare()
        beyond(page_at(zone))


@static_inline
def take_from_free_list(buddy: Any, zone: int, order: int) -> None:
    """__del_page_from_free_list(): unlink a block that another one merges with."""
    if kernel.CONFIG_ISOLATION and kernel.page_reporting_enabled():
        beyond(buddy)
    list_del(buddy)
    write_once(buddy, "page_type", NO_TYPE)
    buddy.private = 0
    add_nr_free(zone, order, -1)
    if unlikely(order >= PAGEBLOCK_ORDER):
        rare()
        __mod_zone_page_state(zone, NR_FREE_PAGES_BLOCKS, -(1 << order))


@static_inline
def buddy_merge_likely(page: Any, pfn: int, buddy_pfn: int, order: int) -> bool:
    """Whether the next larger buddy is free: then this block may merge soon, so it goes to the tail."""
    if order >= MAX_ORDER - 1:
        return False
    combined = buddy_pfn & pfn
    higher = page_at(address_of(page) + (combined - pfn) * PAGE_BYTES)
    other = combined ^ (1 << (order + 1))
    return page_is_buddy(higher, page_at(address_of(higher) + (other - combined) * PAGE_BYTES), order + 1)


@kernel_function
def __free_one_page(page: Any, pfn: int, zone: int, order: int, migratetype: int) -> None:
    """Merge a block with its free buddies, up to order 10, and put it on its list."""
    if unlikely(load_once_64(this_cpu_read("current") + CAPTURE_CONTROL) != 0):
        rare()
        beyond(page)
    count_free(zone, 1 << order, migratetype)
    buddy_pfn = pfn ^ (1 << order)
    while order < MAX_ORDER:
        buddy_pfn = pfn ^ (1 << order)
        buddy = page_at(address_of(page) + (buddy_pfn - pfn) * PAGE_BYTES)
        if not page_is_buddy(page, buddy, order):
            break
        if unlikely(order >= PAGEBLOCK_ORDER):
            rare()
            if get_pfnblock_migratetype(buddy_pfn) != migratetype:
                beyond(page)
                break
        take_from_free_list(buddy, zone, order)
        combined = buddy_pfn & pfn
        page = page_at(address_of(page) + (combined - pfn) * PAGE_BYTES)
        pfn = combined
        order += 1
    set_buddy_order(page, order)
    head = free_list(zone, order, migratetype)
    if buddy_merge_likely(page, pfn, buddy_pfn, order):
        list_add_tail(page, head)
    else:
        list_add(page, head)
    add_nr_free(zone, order, 1)
    if unlikely(order >= PAGEBLOCK_ORDER):
        rare()
        if migratetype != ISOLATE:
            __mod_zone_page_state(zone, NR_FREE_PAGES_BLOCKS, 1 << order)
    if kernel.CONFIG_ISOLATION and kernel.page_reporting_enabled():
        beyond(page)


@kernel_function
def free_one_page(zone: int, page: Any, pfn: int, order: int) -> None:
    """Free a block straight to the buddy: too large for a list, isolated, or the list's lock was taken."""
    flags = local_irq_save()
    lock_zone(zone)
    if unlikely(load_once_64(zone + kernel.TRYLOCK_FREE_PAGES) != 0):
        rare()
        beyond(page)
    if unlikely(order > PAGEBLOCK_ORDER):
        rare()
        beyond(page)
    __free_one_page(page, pfn, zone, order, get_pfnblock_migratetype(pfn))
    unlock_zone(zone)
    local_irq_restore(flags)
    this_cpu_add("pgfree", 1 << order)
