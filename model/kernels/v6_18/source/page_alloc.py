"""The page free path (mm/page_alloc.c, v6.18): what every freed page, and every block, goes through."""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
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
from model.kernels.v6_18.page import ANON, MAPPING, PG
from model.kernels.v6_18.source.buddy import free_one_page
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.pageblock import ISOLATE, get_pfnblock_migratetype
from model.kernels.v6_18.source.pcp import MOVABLE, free_frozen_page_commit, pcp_spin_trylock, pcp_spin_unlock
from model.kernels.v6_18.source.preempt import preempt_disable, preempt_enable
from model.kernels.v6_18.source.records import global_read, pcp_at, this_cpu_add, this_cpu_read
from model.kernels.v6_18.source.report import bad_page, beyond
from model.kernels.v6_18.source.tails import page_is_bad, prepare_tails
from model.kernels.v6_18.zone import COSTLY_ORDER, PAGEBLOCK_ORDER, PCPTYPES

HEAD, MLOCKED, HWPOISON = int(PG.HEAD), int(PG.MLOCKED), int(PG.HWPOISON)


@static_inline
def free_pages_prepare(page: Any, order: int) -> int:
    """Make a page, or a block, fit to be freed; its new flags, or 0 when it is bad and must not be.

    Every step loads `flags` and `compound_head` for itself, as the kernel's accessors do.
    """
    if kernel.init_on_free():
        beyond(page)
    compound = read_once(page, "flags") & HEAD
    if likely(compound == 0):
        compound = read_once(page, "compound_head") & 1
    looked_at = kernel.first_look_at_flags(page, kernel.page_folio(page))
    if kernel.trace_mm_page_free():
        this_cpu_add("traced", 1)
    kernel.memcg_step(page, order)
    if unlikely(read_once(looked_at, "flags") & MLOCKED != 0):
        rare()
        write_once(page, "flags", read_once(page, "flags") & ~MLOCKED)
    if kernel.CONFIG_MEMORY_FAILURE and unlikely(read_once(page, "flags") & HWPOISON != 0) and order == 0:
        rare()
        return 0
    bad = 0
    if unlikely(order != 0):
        rare()
        bad = prepare_tails(page, order, compound)
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
        if unlikely(bad != 0):
            return 0
    flags = (read_once(page, "flags") & ~kernel.WIPED) | kernel.LAST_CPUPID
    kernel.private_step(page)
    if kernel.WIPED != 0 or kernel.LAST_CPUPID != 0:
        write_once(page, "flags", flags)
    return flags


@static_inline
def zone_of(flags: int) -> int:
    """The zone that the top of `flags` names: the node's table, then a multiplication."""
    node = global_read("node_data", (flags >> kernel.NODE_SHIFT) & kernel.NODE_MASK)
    return node + ((flags >> kernel.ZONE_SHIFT) & kernel.ZONE_MASK) * kernel.ZONE_BYTES


@static_inline
def pcp_of(zone: int) -> Any:
    """The lists of this CPU for the zone."""
    return pcp_at(load_64(zone + kernel.PAGESET) + this_cpu_read("this_cpu_off"))


@static_inline
def enter_lists() -> int:
    """Disable preemption, or save the flags as v4.3 does; returns what `leave_lists` restores."""
    if kernel.CONFIG_IRQ_OFF:
        return local_irq_save()
    preempt_disable()
    return 0


@static_inline
def leave_lists(interrupts: int) -> None:
    """Undo `enter_lists`."""
    if kernel.CONFIG_IRQ_OFF:
        local_irq_restore(interrupts)
    else:
        preempt_enable()


@static_inline
def pcp_allowed_order(order: int) -> bool:
    """Whether the per-CPU lists hold such blocks: up to order 3, and with THP of order 9."""
    return order <= COSTLY_ORDER or (kernel.CONFIG_THP and order == PAGEBLOCK_ORDER)


@static_inline
def page_to_pfn(page: Any) -> int:
    """The page's frame number; the memory map's base is a variable."""
    return (address_of(page) - this_cpu_read("vmemmap_base")) >> 6


@static_inline
def put_on_list(zone: int, page: Any, pfn: int, migratetype: int, order: int) -> None:
    """Take the lists' guard, put the block on its list, and release the guard."""
    interrupts = enter_lists()
    pcp = pcp_of(zone)
    if not kernel.CONFIG_TRYLOCK:
        free_frozen_page_commit(zone, pcp, page, migratetype, order)
    elif likely(pcp_spin_trylock(pcp) != 0):
        free_frozen_page_commit(zone, pcp, page, migratetype, order)
        pcp_spin_unlock(pcp)
    else:
        free_one_page(zone, page, pfn, order)
    leave_lists(interrupts)


@kernel_function
def __free_pages_ok(page: Any, order: int) -> None:
    """Free a block that no list holds, straight to the buddy."""
    pfn = page_to_pfn(page)
    flags = free_pages_prepare(page, order)
    if likely(flags != 0):
        free_one_page(zone_of(flags), page, pfn, order)


@static_inline
def free_large(page: Any, order: int) -> None:
    """Free to the buddy, in images with blocks that no list holds."""
    if kernel.DIRECT_TO_BUDDY:
        __free_pages_ok(page, order)
    else:
        beyond(page)


@static_inline
def __free_frozen_pages(page: Any, order: int) -> None:
    """Free a page without references: prepare it, find its list, and put it there under the list's guard."""
    if unlikely(not pcp_allowed_order(order)):
        rare()
        free_large(page, order)
        return
    pfn = page_to_pfn(page)
    flags = free_pages_prepare(page, order)
    if unlikely(flags == 0):
        return
    zone = zone_of(flags)
    migratetype = get_pfnblock_migratetype(pfn)
    if unlikely(migratetype >= PCPTYPES):
        rare()
        if migratetype == ISOLATE:
            free_one_page(zone, page, pfn, order)
            return
        migratetype = MOVABLE
    kernel.put_on_list(zone, page, pfn, migratetype, order)


@kernel_function
def free_frozen_pages(page: Any, order: int) -> None:
    """Free a block that has no reference, or whose last one went before."""
    __free_frozen_pages(page, order)


@kernel_function
def __free_pages(page: Any, order: int) -> None:
    """Drop a reference and free the block when it was the last.

    The head bit is read before: after the drop the page may have a new owner.
    """
    head = read_once(page, "flags") & HEAD
    if dec_and_test(page, "_refcount"):
        __free_frozen_pages(page, order)
    elif unlikely(head == 0 and order > 0):
        rare()
        beyond(page)
