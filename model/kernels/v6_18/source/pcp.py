"""The per-CPU lists: the lock, the commit with its tuning, the drain (mm/page_alloc.c, v6.18)."""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
    as_long,
    likely,
    load_once_64,
    load_once_u8,
    local_irq_restore,
    local_irq_save,
    rare,
    read_once,
    spin_trylock,
    store_once_u8,
    unlikely,
    write_once,
)
from model.kernels.kit.source.lists import list_at
from model.kernels.v6_18.source.buddy import __free_one_page, lock_zone, unlock_zone
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.lists import list_add, list_del, page_of
from model.kernels.v6_18.source.pageblock import get_pfnblock_migratetype
from model.kernels.v6_18.source.preempt import preempt_disable, preempt_enable
from model.kernels.v6_18.source.records import this_cpu_add, this_cpu_read
from model.kernels.v6_18.source.report import beyond
from model.kernels.v6_18.zone import (
    ALLOC_FACTOR,
    BATCH_SCALE,
    BELOW_HIGH,
    COSTLY_ORDER,
    FLAGS_BYTE,
    FREE_HIGH_BATCH,
    PAGEBLOCK_ORDER,
    PCP_LISTS,
    PCPTYPES,
    PREV_FREE_HIGH_ORDER,
    RECLAIM_ACTIVE,
    Migratetype,
)

MOVABLE = int(Migratetype.MOVABLE)
LOW_ORDER_LISTS = PCPTYPES * (COSTLY_ORDER + 1)


@kernel_function
def pcp_spin_trylock(pcp: Any) -> int:
    """spin_trylock(&pcp->lock): preemption off, one load, one locked compare-and-exchange."""
    preempt_disable()
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
def order_to_pindex(migratetype: int, order: int) -> int:
    """Number of the list for blocks of this order and type; with THP those of order 9 lie behind."""
    if kernel.CONFIG_THP and unlikely(order > COSTLY_ORDER):
        rare()
        return LOW_ORDER_LISTS + (1 if migratetype == MOVABLE else 0)
    return PCPTYPES * order + migratetype


@static_inline
def pindex_to_order(pindex: int) -> int:
    """Inverse of `order_to_pindex`."""
    if kernel.CONFIG_THP and pindex >= LOW_ORDER_LISTS:
        rare()
        return PAGEBLOCK_ORDER
    return (pindex * 11) >> 5  # a third, as far as there are lists


@static_inline
def larger(one: int, other: int) -> int:
    """max()."""
    return one if one > other else other


@kernel_function
def free_pcppages_bulk(zone: int, count: int, pcp: Any, pindex: int) -> None:
    """Drain pages from this CPU's lists to the buddy, the coldest first, beginning with one list."""
    if count > as_long(pcp.count):
        count = as_long(pcp.count)
    pindex -= 1
    flags = local_irq_save()
    lock_zone(zone)
    while count > 0:
        head = 0
        while True:
            pindex += 1
            if pindex >= kernel.LISTS:
                pindex = 0
            head = address_of(pcp) + PCP_LISTS + 16 * pindex
            if list_at(head).next != head:
                break
        order = pindex_to_order(pindex)
        while True:
            page = page_of(list_at(head).prev)
            pfn = (address_of(page) - this_cpu_read("vmemmap_base")) >> 6
            migratetype = get_pfnblock_migratetype(pfn)
            list_del(page)
            count -= 1 << order
            pcp.count = as_long(pcp.count) - (1 << order)
            __free_one_page(page, pfn, zone, order, migratetype)
            if count <= 0 or list_at(head).next == head:
                break
    unlock_zone(zone)
    local_irq_restore(flags)


@static_inline
def nr_pcp_free(pcp: Any, batch: int, high: int, free_high: bool) -> int:
    """How many pages to drain: more in a row of frees, and all of them after large ones."""
    if unlikely(free_high):
        whole, count = batch << BATCH_SCALE, as_long(pcp.count)
        return count if count < whole else whole
    if unlikely(high < batch):
        return 1
    wanted = larger(as_long(read_once(pcp, "free_count")), batch)
    return wanted if wanted < high - batch else high - batch


@static_inline
def nr_pcp_high(zone: int, pcp: Any, count: int, batch: int, free_high: bool) -> int:
    """How many pages may stay; tunes `high` as well."""
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
    if unlikely(free_high):
        write_once(pcp, "high", larger(high - (batch << BATCH_SCALE), high_min))
        return 0
    if unlikely(load_once_64(zone + kernel.ZONE_FLAGS) & RECLAIM_ACTIVE != 0):
        rare()
        lower = larger(high - larger(as_long(read_once(pcp, "free_count")), batch), high_min)
        write_once(pcp, "high", lower)
        return batch << 2 if batch << 2 < lower else lower
    if high_min == high_max:
        return high
    if unlikely(load_once_64(zone + kernel.ZONE_FLAGS) & BELOW_HIGH != 0):
        rare()
        write_once(pcp, "high", larger(high - larger(as_long(read_once(pcp, "free_count")), batch), high_min))
        return larger(count, high_min)
    if count >= high:
        rare()
        needed = as_long(read_once(pcp, "free_count")) + batch
        if high < needed:
            write_once(pcp, "high", needed if needed < high_max else high_max)
    return high


@static_inline
def after_a_drain(zone: int, pcp: Any) -> None:
    """The kernel checks the watermark of a zone that was below it; here no zone is."""
    if unlikely(load_once_64(zone + kernel.ZONE_FLAGS) & BELOW_HIGH != 0):
        rare()
        beyond(pcp)


@static_inline
def drain_at_once(zone: int, pcp: Any, wanted: int, pindex: int, cpu: int) -> None:
    """Drain all that is wanted under one lock of the zone."""
    free_pcppages_bulk(zone, wanted, pcp, pindex)
    after_a_drain(zone, pcp)


@static_inline
def say_nothing() -> None:
    """The lists' lock is held throughout."""


@static_inline
def no_cpu() -> int:
    """The task stays on its CPU, whose number is not asked."""
    return 0


@static_inline
def count_as_stored(pcp: Any, count: int) -> int:
    """The count is still in a register."""
    return count


def commit_function(name: str, drain: Any, undrained: Any, cpu_at_entry: Any, count_at_end: Any) -> Any:
    """Make `free_frozen_page_commit(zone, pcp, page, migratetype, order)`.

    It puts the block at the head of its list, counts, and tunes; a list that is full is drained.

    Parameters
    ----------
    drain
        Takes zone, lists, the number of pages that are to go, the list to begin with, and the CPU.
    undrained
        What is returned where nothing is drained, of the same type as `drain` returns.
    cpu_at_entry
        The number of this CPU, if it is asked.
    count_at_end
        The lists' count for the comparison with their limit, from the lists and the count that was stored.
    """

    def commit(zone: int, pcp: Any, page: Any, migratetype: int, order: int) -> Any:
        cpu = cpu_at_entry()
        factor = address_of(pcp) + ALLOC_FACTOR
        store_once_u8(factor, load_once_u8(factor) >> 1)
        this_cpu_add("pgfree", 1 << order)
        pindex = order_to_pindex(migratetype, order)
        list_add(page, address_of(pcp) + PCP_LISTS + 16 * pindex)
        count = as_long(pcp.count) + (1 << order)
        pcp.count = count
        batch = as_long(read_once(pcp, "batch"))
        flags = address_of(pcp) + FLAGS_BYTE
        free_high = False
        if unlikely(order != 0 and order <= COSTLY_ORDER):
            rare()
            before = load_once_u8(flags)
            many = as_long(read_once(pcp, "free_count")) >= batch + (as_long(read_once(pcp, "high_min")) >> 1)
            if many and before & PREV_FREE_HIGH_ORDER != 0:
                free_high = before & FREE_HIGH_BATCH == 0 or count >= batch
            store_once_u8(flags, before | PREV_FREE_HIGH_ORDER)
        elif unlikely(load_once_u8(flags) & PREV_FREE_HIGH_ORDER != 0):
            rare()
            store_once_u8(flags, load_once_u8(flags) & ~PREV_FREE_HIGH_ORDER)
        free_count = as_long(read_once(pcp, "free_count"))
        if free_count < batch << BATCH_SCALE:
            rare()
            write_once(pcp, "free_count", free_count + (1 << order))
        high = nr_pcp_high(zone, pcp, count, batch, free_high)
        if unlikely(count_at_end(pcp, count) >= high):
            rare()
            return drain(zone, pcp, nr_pcp_free(pcp, batch, high, free_high), pindex, cpu)
        return undrained()

    commit.__name__ = name
    return kernel_function(commit)


free_frozen_page_commit = commit_function(
    "free_frozen_page_commit", drain_at_once, say_nothing, no_cpu, count_as_stored
)


@static_inline
def commit_in_batch(zone: int, pcp: Any, page: Any, migratetype: int, order: int) -> int:
    """The same for a folio of a batch; whether the lists' lock is still held."""
    free_frozen_page_commit(zone, pcp, page, migratetype, order)
    return 1
