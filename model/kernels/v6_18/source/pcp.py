"""The per-CPU lists: where a page's block says it belongs, the lock, the commit (mm/page_alloc.c)."""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
    as_long,
    likely,
    load_64,
    load_once_64,
    load_once_u8,
    rare,
    read_once,
    spin_trylock,
    store_once_u8,
    unlikely,
    write_once,
)
from model.kernels.v6_18.page import LRU
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.records import (
    list_at,
    preempt_dec_and_test,
    preempt_inc,
    this_cpu_add,
    this_cpu_read,
)
from model.kernels.v6_18.source.report import beyond, preempt_schedule
from model.kernels.v6_18.zone import (
    ALLOC_FACTOR,
    BATCH_SCALE,
    BELOW_HIGH,
    FLAGS_BYTE,
    ISOLATED,
    PCP_LISTS,
    PREV_FREE_HIGH_ORDER,
    RECLAIM_ACTIVE,
    SECTION_BYTES,
    SECTION_ROOTS,
    SECTION_SHIFT,
    SECTIONS_PER_ROOT_SHIFT,
    USAGE_BITMAP,
)

ISOLATE = 5
"""MIGRATE_ISOLATE."""
ROOT_MASK = (1 << SECTIONS_PER_ROOT_SHIFT) - 1


@kernel_function
def get_pfnblock_migratetype(pfn: int) -> int:
    """The pageblock's type: four dependent loads, none of them in the page's line."""
    roots = this_cpu_read("mem_section")
    number = pfn >> SECTION_SHIFT
    usage = 0
    if likely(number >> SECTIONS_PER_ROOT_SHIFT < SECTION_ROOTS and roots != 0):
        root = load_64(roots + (number >> SECTIONS_PER_ROOT_SHIFT) * 8)
        if likely(root != 0):
            usage = load_64(root + (number & ROOT_MASK) * SECTION_BYTES + 8)
    bit = ((pfn >> 9) & 63) * kernel.BLOCK_BITS
    word = load_64(usage + USAGE_BITMAP + (bit >> 6) * 8) >> (bit & 63)
    if kernel.CONFIG_ISOLATION and unlikely(word & ISOLATED != 0):
        rare()
        return ISOLATE
    return word & 7


@kernel_function
def pcp_spin_trylock(pcp: Any) -> int:
    """spin_trylock(&pcp->lock): preemption off, look, one locked compare-and-exchange."""
    preempt_inc("preempt_count")
    if likely(read_once(pcp, "lock") == 0 and spin_trylock(pcp)):
        return 1
    preempt_enable()
    return 0


@kernel_function
def pcp_spin_unlock(pcp: Any) -> None:
    """spin_unlock(&pcp->lock): a plain store of one byte."""
    store_once_u8(address_of(pcp), 0)
    preempt_enable()


@static_inline
def preempt_enable() -> None:
    """Decrement, and call the scheduler when it became zero."""
    if unlikely(preempt_dec_and_test("preempt_count")):
        preempt_schedule()


@static_inline
def list_add(page: Any, head: int) -> None:
    """Link a page behind the head: the hot end. Writes the line of the page that was first."""
    link = address_of(page) + LRU
    first = list_at(head).next
    list_at(first).prev = link
    page.compound_head = first
    page.lru_prev = head
    list_at(head).next = link


@static_inline
def nr_pcp_high(zone: int, pcp: Any, count: int, batch: int, free_count: int) -> int:
    """nr_pcp_high() of an order-0 free: how many pages may stay; tunes `high` on its way."""
    high_min = as_long(read_once(pcp, "high_min"))
    high_max = as_long(read_once(pcp, "high_max"))
    high = as_long(read_once(pcp, "high"))
    if high < high_min:
        high = high_min
    if high > high_max:
        high = high_max
    write_once(pcp, "high", high)
    if unlikely(high == 0):
        return 0
    if unlikely(load_once_64(zone + kernel.ZONE_FLAGS) & RECLAIM_ACTIVE != 0):
        rare()
        beyond(pcp)
        return high
    if high_min == high_max:
        return high
    if unlikely(load_once_64(zone + kernel.ZONE_FLAGS) & BELOW_HIGH != 0):
        rare()
        beyond(pcp)
        return high
    if count >= high and high < free_count + batch:
        rare()
        beyond(pcp)
    return high


@kernel_function
def free_frozen_page_commit(zone: int, pcp: Any, page: Any, migratetype: int, order: int) -> None:
    """Put the page at the head of its list, count, and tune; a list that is full would be drained."""
    factor = address_of(pcp) + ALLOC_FACTOR
    store_once_u8(factor, load_once_u8(factor) >> 1)
    this_cpu_add("pgfree", 1 << order)
    list_add(page, address_of(pcp) + PCP_LISTS + 16 * (3 * order + migratetype))
    count = as_long(pcp.count) + (1 << order)
    pcp.count = count
    batch = as_long(read_once(pcp, "batch"))
    flags = address_of(pcp) + FLAGS_BYTE
    if unlikely(load_once_u8(flags) & PREV_FREE_HIGH_ORDER != 0):
        rare()
        store_once_u8(flags, load_once_u8(flags) & ~PREV_FREE_HIGH_ORDER)
    free_count = as_long(read_once(pcp, "free_count"))
    if free_count < batch << BATCH_SCALE:
        rare()
        write_once(pcp, "free_count", free_count + (1 << order))
    if unlikely(count >= nr_pcp_high(zone, pcp, count, batch, free_count)):
        rare()
        beyond(page)
