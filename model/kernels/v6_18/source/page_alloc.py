"""The page free path (mm/page_alloc.c, v6.18): what every freed page of order 0 goes through."""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
    as_long,
    dec_and_test,
    likely,
    load_64,
    load_once_u8,
    local_irq_restore,
    local_irq_save,
    rare,
    read_once,
    unlikely,
    write_once,
)
from model.kernels.v6_18.page import ANON, MAPPING, NO_TYPE, PG, POOL_MASK, POOL_SIGNATURE, Bad
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.pcp import (
    free_frozen_page_commit,
    get_pfnblock_migratetype,
    pcp_spin_trylock,
    pcp_spin_unlock,
    preempt_enable,
)
from model.kernels.v6_18.source.records import global_read, pcp_at, preempt_inc, this_cpu_add, this_cpu_read
from model.kernels.v6_18.source.report import bad_page, beyond
from model.kernels.v6_18.source.steps import page_folio
from model.kernels.v6_18.zone import PCPTYPES, Migratetype

HEAD, MLOCKED, HWPOISON = int(PG.HEAD), int(PG.MLOCKED), int(PG.HWPOISON)
MOVABLE = int(Migratetype.MOVABLE)
BAD_TYPE, BAD_OTHER = int(Bad.TYPE), int(Bad.OTHER)


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
def free_pages_prepare(page: Any, order: int) -> int:
    """Make a page fit to be freed; its new flags, or 0 when it is bad and must not be.

    Every step loads `flags` and `compound_head` for itself, as the kernel's accessors do.
    """
    if kernel.init_on_free():
        beyond(page)
    compound = read_once(page, "flags") & HEAD
    if likely(compound == 0):
        compound = read_once(page, "compound_head") & 1
    page_folio(page)
    if kernel.trace_mm_page_free():
        this_cpu_add("traced", 1)
    kernel.memcg_step(page, order)
    if unlikely(read_once(page, "flags") & MLOCKED != 0):
        rare()
        write_once(page, "flags", read_once(page, "flags") & ~MLOCKED)
    if kernel.CONFIG_MEMORY_FAILURE and unlikely(read_once(page, "flags") & HWPOISON != 0) and order == 0:
        rare()
        return 0
    if unlikely(order != 0):
        rare()
        beyond(page)
        return as_long(compound & 0)
    if load_once_u8(address_of(page) + MAPPING) & ANON != 0:
        rare()
        page.mapping = 0
    kernel.type_step(page, order)
    kernel.patch_point(page, order)
    if kernel.check_pages_enabled():
        reason = page_is_bad(page)
        if unlikely(reason != 0):
            bad_page(page, reason)
            return 0
    flags = (read_once(page, "flags") & ~kernel.WIPED) | kernel.LAST_CPUPID
    if kernel.WIPED != 0 or kernel.LAST_CPUPID != 0:
        write_once(page, "flags", flags)
    return flags


@static_inline
def __free_frozen_pages(page: Any, order: int) -> None:
    """Free a page without references: prepare it, find its list, and put it there under the list's guard."""
    pfn = (address_of(page) - this_cpu_read("vmemmap_base")) >> 6
    flags = free_pages_prepare(page, order)
    if unlikely(flags == 0):
        return
    node = global_read("node_data", (flags >> kernel.NODE_SHIFT) & kernel.NODE_MASK)
    zone = node + ((flags >> kernel.ZONE_SHIFT) & kernel.ZONE_MASK) * kernel.ZONE_BYTES
    migratetype = get_pfnblock_migratetype(pfn)
    if unlikely(migratetype >= PCPTYPES):
        rare()
        if kernel.CONFIG_ISOLATION and migratetype > PCPTYPES:
            beyond(page)
            return
        migratetype = MOVABLE
    interrupts = 0
    if kernel.CONFIG_IRQ_OFF:
        interrupts = local_irq_save()
    else:
        preempt_inc("preempt_count")
    pcp = pcp_at(load_64(zone + kernel.PAGESET) + this_cpu_read("this_cpu_off"))
    if not kernel.CONFIG_TRYLOCK:
        free_frozen_page_commit(zone, pcp, page, migratetype, order)
    elif likely(pcp_spin_trylock(pcp) != 0):
        free_frozen_page_commit(zone, pcp, page, migratetype, order)
        pcp_spin_unlock(pcp)
    else:
        beyond(page)
    if kernel.CONFIG_IRQ_OFF:
        local_irq_restore(interrupts)
    else:
        preempt_enable()


@kernel_function
def __free_pages(page: Any, order: int) -> None:
    """Drop a reference and free the page when it was the last.

    The head bit is read before: after the drop the page may be another's.
    """
    head = read_once(page, "flags") & HEAD
    if dec_and_test(page, "_refcount"):
        __free_frozen_pages(page, order)
    elif unlikely(head == 0 and order > 0):
        rare()
        beyond(page)
