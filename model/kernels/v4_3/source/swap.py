"""The other ways into the free path: one reference dropped, or a batch of them (mm/swap.c, v4.3)."""

from typing import Any

from model.compiler.intrinsics import address_of, list_head_on_stack, load_64, rare, unlikely, write_once
from model.kernels.kit.source.lists import list_at
from model.kernels.v4_3.page import COMPOUND, PAGE_BYTES, PG
from model.kernels.v4_3.source.buddy import lock_zone
from model.kernels.v4_3.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v4_3.source.lists import list_add, list_del, page_of
from model.kernels.v4_3.source.page_alloc import (
    __free_pages_ok,
    free_hot_cold_page,
    page_zone,
    put_page_testzero,
)
from model.kernels.v4_3.source.records import page_at

PG_LRU, PG_ACTIVE, PG_TAIL = int(PG.LRU), int(PG.ACTIVE), int(PG.TAIL)


@static_inline
def compound_order(page: Any) -> int:
    """The order of a compound page, which its first tail page keeps."""
    return page_at(address_of(page) + PAGE_BYTES).lru_prev


@static_inline
def remove_from_lru(page: Any) -> None:
    """Unlink a page that is still on an LRU list, under the zone's lock."""
    if unlikely((page.flags & PG_LRU) != 0):
        rare()
        zone = page_zone(page)
        lock_zone(zone)
        list_del(page)
        page.flags &= ~PG_LRU
        write_once(zone, "lock", 0)


@kernel_function
def __page_cache_release(page: Any) -> None:
    """Leave the LRU list, then take the page off its owner's counters."""
    remove_from_lru(page)
    kernel.release_uncharge(page)


@kernel_function
def put_compound_page(page: Any) -> None:
    """Drop a reference to a compound page through its head or a tail."""
    if (page.flags & PG_TAIL) != 0:
        page = page_at(page.private)
    if put_page_testzero(page):
        __free_pages_ok(page, compound_order(page))


@kernel_function
def put_page(page: Any) -> None:
    """Drop a reference; the last one frees the page."""
    if unlikely((page.flags & COMPOUND) != 0):
        put_compound_page(page)
    elif put_page_testzero(page):
        __page_cache_release(page)
        free_hot_cold_page(page, 0)


@kernel_function
def mem_cgroup_uncharge_list(head: int) -> None:
    """PageCursor the batch once and take its pages off their owners' counters."""
    link = list_at(head).next
    while link != head:
        kernel.release_uncharge(page_of(link))
        link = list_at(link).next


@kernel_function
def free_hot_cold_page_list(head: int) -> None:
    """Free each page of a list."""
    while list_at(head).next != head:
        page = page_of(list_at(head).next)
        list_del(page)
        free_hot_cold_page(page, 0)


@kernel_function
def release_pages(pages: int, n: int) -> None:
    """Drop a reference to each page of an array; uncharge and free what came free as one batch."""
    freed = list_head_on_stack()
    list_at(freed).next = freed
    list_at(freed).prev = freed
    end = pages + 8 * n
    while pages < end:
        page = page_at(load_64(pages))
        pages += 8
        if unlikely((page.flags & COMPOUND) != 0):
            put_compound_page(page)
        elif put_page_testzero(page):
            remove_from_lru(page)
            page.flags &= ~PG_ACTIVE
            list_add(page, freed)
    mem_cgroup_uncharge_list(freed)
    free_hot_cold_page_list(freed)
