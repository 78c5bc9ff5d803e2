"""The tail pages of a block, and the words that they hold for the whole block (mm/page_alloc.c, v6.18)."""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
    as_long,
    load_once_64,
    load_once_u32,
    rare,
    read_once,
    store_once_u32,
    unlikely,
    write_once,
)
from model.kernels.v6_18.page import (
    DEFERRED_LIST,
    ENTIRE_MAPCOUNT,
    LARGE_MAPCOUNT,
    NO_MAPCOUNT,
    NO_TYPE,
    NR_PAGES,
    NR_PAGES_MAPPED,
    PAGE_BYTES,
    PG,
    PINCOUNT,
    POOL_MASK,
    POOL_SIGNATURE,
    SECOND_FLAGS,
    TAIL_MAPPING,
    Bad,
)
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.records import page_at
from model.kernels.v6_18.source.report import bad_page

HEAD = int(PG.HEAD)
BAD_TYPE, BAD_OTHER, BAD_TAIL = (int(bad) for bad in Bad)


@static_inline
def page_is_bad(page: Any) -> int:
    """free_page_is_bad(): the type, then all that must be zero at once, then a page_pool's signature."""
    if unlikely(read_once(page, "page_type") != NO_TYPE):
        rare()
        return BAD_TYPE
    other = read_once(page, "mapping") | as_long(read_once(page, "_refcount"))
    other |= read_once(page, "memcg_data") if kernel.CONFIG_MEMCG else 0
    other |= read_once(page, "flags") & kernel.MUST_BE_CLEAR
    if unlikely(other != 0):
        rare()
        return BAD_OTHER
    if kernel.CONFIG_MEMCG and unlikely(read_once(page, "compound_head") & POOL_MASK == POOL_SIGNATURE):
        rare()
        return BAD_OTHER
    return 0


@static_inline
def compound_order(page: Any) -> int:
    """The order of a compound page, which its first tail page keeps."""
    return read_once(page_at(address_of(page) + PAGE_BYTES), "flags") & 0xFF


@static_inline
def folio_order(page: Any) -> int:
    """0 of a page that heads no compound page."""
    if read_once(page, "flags") & HEAD == 0:
        return 0
    rare()
    return compound_order(page)


@static_inline
def tail_is_bad(head: Any, page: Any) -> bool:
    """Checks of a tail page, by its place: mapped nowhere, on no list, with its mark, of this head."""
    at, place = address_of(page), address_of(page) - address_of(head)
    if place == PAGE_BYTES:
        counts = (load_once_u32(at + LARGE_MAPCOUNT) ^ NO_MAPCOUNT) | load_once_u32(at + NR_PAGES_MAPPED)
        if unlikely(counts != 0):
            rare()
            return True
        if unlikely(load_once_u32(at + ENTIRE_MAPCOUNT) != NO_MAPCOUNT):
            rare()
            return True
        if unlikely(load_once_u32(at + PINCOUNT) != 0):
            rare()
            return True
    elif place == 2 * PAGE_BYTES:
        if unlikely(load_once_64(at + DEFERRED_LIST) != at + DEFERRED_LIST):
            rare()
            return True
    elif unlikely(read_once(page, "mapping") != TAIL_MAPPING):
        rare()
        return True
    if unlikely(read_once(page, "compound_head") & 1 == 0):
        rare()
        return True
    return kernel.head_of_tail(page) != address_of(head)


@kernel_function
def free_tail_page_prepare(head: Any, page: Any) -> int:
    """Clear the tail page's words; 1 when it is a bad tail page."""
    bad = 0
    if kernel.check_pages_enabled() and unlikely(tail_is_bad(head, page)):
        bad_page(page, BAD_TAIL)
        bad = 1
    write_once(page, "mapping", 0)
    write_once(page, "compound_head", 0)
    return bad


@static_inline
def prepare_tails(page: Any, order: int, compound: int) -> int:
    """Prepare every page but the first: its flags are always wiped; returns how many are bad."""
    bad = 0
    first = page_at(address_of(page) + PAGE_BYTES)
    if compound != 0:
        rare()
        write_once(first, "flags", read_once(first, "flags") & ~SECOND_FLAGS)
        if kernel.CONFIG_MEMCG:
            store_once_u32(address_of(first) + NR_PAGES, 0)
    at = address_of(first)
    end = address_of(page) + (PAGE_BYTES << order)
    while at < end:
        tail = page_at(at)
        at += PAGE_BYTES
        if compound != 0:
            bad += free_tail_page_prepare(page, tail)
        if kernel.check_pages_enabled():
            reason = page_is_bad(tail)
            if unlikely(reason != 0):
                bad_page(tail, reason)
                bad += 1
                continue
        write_once(tail, "flags", read_once(tail, "flags") & ~kernel.WIPED)
    return bad
