"""The other ways in: one reference dropped, or one of each of a batch (mm/swap.c, v6.18)."""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
    dec_and_test,
    likely,
    load_64,
    load_once_64,
    load_once_u8,
    rare,
    read_once,
    store_64,
    unlikely,
    write_once,
)
from model.kernels.v6_18.page import DEFERRED_LIST, HUGETLB, LARGE_KMALLOC, PAGE_BYTES, PG, SLAB, TYPE_BYTE
from model.kernels.v6_18.source.buddy import free_one_page
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.page_alloc import (
    enter_lists,
    free_frozen_pages,
    free_pages_prepare,
    leave_lists,
    page_to_pfn,
    pcp_allowed_order,
    pcp_of,
    zone_of,
)
from model.kernels.v6_18.source.pageblock import ISOLATE, get_pfnblock_migratetype
from model.kernels.v6_18.source.pcp import MOVABLE, pcp_spin_trylock, pcp_spin_unlock
from model.kernels.v6_18.source.records import page_at, pcp_at, this_cpu_read
from model.kernels.v6_18.source.report import beyond
from model.kernels.v6_18.source.tails import compound_order, folio_order
from model.kernels.v6_18.zone import PCPTYPES, ZONE_DEVICE

HEAD, LRU_FLAG = int(PG.HEAD), int(PG.LRU)


@static_inline
def is_device_memory(folio: Any) -> bool:
    """Whether the folio's zone is ZONE_DEVICE, where that is compiled in."""
    flags = read_once(folio, "flags")
    return kernel.CONFIG_MEMORY_FAILURE and ((flags >> kernel.ZONE_SHIFT) & kernel.ZONE_MASK) == ZONE_DEVICE


@static_inline
def leave_deferred_split(folio: Any) -> None:
    """With THP a folio of several pages may be on the list of deferred splits."""
    if kernel.CONFIG_THP and unlikely(read_once(folio, "flags") & HEAD != 0):
        rare()
        if compound_order(folio) > 1:
            list_head = address_of(folio) + 2 * PAGE_BYTES + DEFERRED_LIST
            if load_once_64(list_head) != list_head:
                beyond(folio)


@static_inline
def mem_cgroup_uncharge(folio: Any) -> None:
    """Uncharge user and kernel pages, where memcg is not disabled; no page is charged here."""
    if not kernel.CONFIG_MEMCG or kernel.memory_cgrp_disabled():
        return
    if unlikely(read_once(folio, "memcg_data") != 0):
        rare()
        beyond(folio)


@kernel_function
def __folio_put(folio: Any) -> None:
    """Test for device memory, hugetlb, an LRU list and a deferred split, and free the folio."""
    if unlikely(is_device_memory(folio)):
        rare()
        beyond(folio)
        return
    if unlikely(load_once_u8(address_of(folio) + TYPE_BYTE) == HUGETLB):
        rare()
        beyond(folio)
        return
    if unlikely(read_once(folio, "flags") & LRU_FLAG != 0):
        rare()
        beyond(folio)
    leave_deferred_split(folio)
    mem_cgroup_uncharge(folio)
    free_frozen_pages(folio, folio_order(folio))


@kernel_function
def put_page(page: Any, order: int) -> None:
    """Drop a reference to the page's folio; slabs and large kmallocs have none to drop."""
    folio = kernel.page_folio(page)
    kind = load_once_u8(address_of(folio) + TYPE_BYTE)
    if unlikely(kind == SLAB):
        rare()
        return
    if unlikely(kind == LARGE_KMALLOC):
        rare()
        return
    if dec_and_test(folio, "_refcount"):
        __folio_put(folio)


@kernel_function
def mem_cgroup_uncharge_folios(folios: int, n: int) -> None:
    """PageCursor the batch once and gather what its folios are charged to; none is charged here."""
    if kernel.memory_cgrp_disabled():
        return
    end = folios + 8 * n
    while folios < end:
        folio = page_at(load_64(folios))
        if unlikely(read_once(folio, "memcg_data") != 0):
            rare()
            beyond(folio)
        folios += 8


@static_inline
def prepare_folios(folios: int, n: int) -> int:
    """Prepare every folio of the batch, and keep those that go to a list; returns how many."""
    kept, end = folios, folios + 8 * n
    while folios < end:
        folio = page_at(load_64(folios))
        order = folio_order(folio)
        pfn = page_to_pfn(folio)
        flags = free_pages_prepare(folio, order)
        if likely(flags != 0):
            if unlikely(not pcp_allowed_order(order)):
                rare()
                free_one_page(zone_of(flags), folio, pfn, order)
            else:
                write_once(folio, "private", order)
                if kept != folios:
                    store_64(kept, address_of(folio))
                kept += 8
        folios += 8
    return kept


@static_inline
def unlock_lists(pcp: Any, interrupts: int) -> None:
    """Release the lists after the last folio of one zone."""
    if kernel.CONFIG_TRYLOCK:
        pcp_spin_unlock(pcp)
    leave_lists(interrupts)


@kernel_function
def free_unref_folios(folios: int, n: int) -> None:
    """Free a batch: prepare all, then put each on its list, under one lock for folios of one zone."""
    end = prepare_folios(folios, n)
    locked, interrupts, pcp = 0, 0, pcp_at(this_cpu_read("this_cpu_off"))
    while folios < end:
        folio = page_at(load_64(folios))
        folios += 8
        zone = zone_of(read_once(folio, "flags"))
        pfn = page_to_pfn(folio)
        order = read_once(folio, "private")
        write_once(folio, "private", 0)
        migratetype = get_pfnblock_migratetype(pfn)
        if zone != locked or migratetype == ISOLATE:
            if locked != 0:
                rare()
                unlock_lists(pcp, interrupts)
                locked = 0
            if migratetype == ISOLATE:
                rare()
                free_one_page(zone, folio, pfn, order)
                continue
            interrupts = enter_lists()
            pcp = pcp_of(zone)
            if kernel.CONFIG_TRYLOCK and unlikely(pcp_spin_trylock(pcp) == 0):
                leave_lists(interrupts)
                free_one_page(zone, folio, pfn, order)
                continue
            locked = zone
        if unlikely(migratetype >= PCPTYPES):
            rare()
            migratetype = MOVABLE
        if kernel.commit_in_batch(zone, pcp, folio, migratetype, order) == 0:
            rare()
            locked = 0
    if likely(locked != 0):
        unlock_lists(pcp, interrupts)


@kernel_function
def folios_put_refs(folios: int, n: int) -> None:
    """Drop a reference to each folio of an array; uncharge and free what came free as one batch."""
    batch, end, kept = folios, folios + 8 * n, folios
    while folios < end:
        folio = page_at(load_64(folios))
        folios += 8
        if unlikely(address_of(folio) == this_cpu_read("huge_zero_folio")):
            rare()
            continue
        if unlikely(is_device_memory(folio)):
            rare()
            beyond(folio)
            continue
        if not dec_and_test(folio, "_refcount"):
            continue
        if unlikely(load_once_u8(address_of(folio) + TYPE_BYTE) == HUGETLB):
            rare()
            beyond(folio)
            continue
        leave_deferred_split(folio)
        if unlikely(read_once(folio, "flags") & LRU_FLAG != 0):
            rare()
            beyond(folio)
        if kept != folios - 8:
            store_64(kept, address_of(folio))
        kept += 8
    n = (kept - batch) >> 3
    if n == 0:
        return
    if kernel.CONFIG_MEMCG:
        mem_cgroup_uncharge_folios(batch, n)
    free_unref_folios(batch, n)
