"""The page free path (mm/page_alloc.c, v4.3): what every freed page goes through."""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
    as_long,
    dec_and_test,
    likely,
    load_64,
    local_irq_restore,
    local_irq_save,
    rare,
    read_once,
    unlikely,
    write_once,
)
from model.kernels.kit.memory import SECTION_BYTES, SECTION_SHIFT
from model.kernels.kit.source.lists import list_at
from model.kernels.v4_3.page import (
    ANON,
    CLEAR_FOR_NEXT,
    MUST_BE_CLEAR,
    NODE_SHIFT,
    PAGE_BYTES,
    ZONE_SHIFT,
    Bad,
    Mapcount,
)
from model.kernels.v4_3.source.buddy import __free_one_page, lock_zone, page_to_pfn, this_cpu_pcp
from model.kernels.v4_3.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v4_3.source.lists import list_add, list_add_tail, list_del, page_of
from model.kernels.v4_3.source.memcontrol import __memcg_kmem_uncharge
from model.kernels.v4_3.source.records import global_read, page_at, this_cpu_add, zone_at
from model.kernels.v4_3.source.report import bad_page, vm_bug_on_page
from model.kernels.v4_3.zone import MIGRATE_PCPTYPES, PCP_LISTS, ZONE_BYTES, Migratetype

IDLE = int(Mapcount.IDLE)
MOVABLE = int(Migratetype.MOVABLE)
BAD_MAPCOUNT, BAD_MAPPING, BAD_COUNT, BAD_FLAGS, BAD_MEM_CGROUP = (int(bad) for bad in Bad)
ROOT_SHIFT = SECTION_SHIFT + 8


@static_inline
def page_zone(page: Any) -> Any:
    """The page's zone: node and zone number from the top of `flags`, then the node table."""
    flags = page.flags
    node = global_read("node_data", as_long(flags >> NODE_SHIFT))
    return zone_at(node + as_long((flags >> ZONE_SHIFT) & 3) * ZONE_BYTES)


@kernel_function
def get_pfnblock_flags_mask(pfn: int) -> int:
    """The pageblock's migratetype: three dependent loads, none of them in the page's line."""
    root = global_read("mem_section", pfn >> ROOT_SHIFT)
    usemap = load_64(root + ((pfn >> SECTION_SHIFT) & 255) * SECTION_BYTES + 8)
    bit = ((pfn >> 9) & 63) * 4
    word = load_64(usemap + (bit >> 6) * 8)
    return (word >> (bit & 63)) & 7


@static_inline
def put_page_testzero(page: Any) -> bool:
    """Drop a reference: one locked decrement; true for the last one."""
    if kernel.CONFIG_DEBUG_VM:
        vm_bug_on_page(page, read_once(page, "_count") == 0)
    return dec_and_test(page, "_count")


@static_inline
def unlike_idle(page: Any) -> int:
    """The words of the five tests, ORed: 0 for the common page (page_expected_state of v4.7)."""
    unlike = (as_long(read_once(page, "_mapcount")) - IDLE) | read_once(page, "mapping")
    unlike |= as_long(read_once(page, "_count")) | as_long(page.flags & MUST_BE_CLEAR)
    return unlike | (page.mem_cgroup if kernel.CONFIG_MEMCG else 0)


@static_inline
def page_is_bad(page: Any) -> int:
    """The five tests of free_pages_check, of which the common page fails none."""
    if kernel.CONFIG_SINGLE_CHECK and likely(unlike_idle(page) == 0):
        return 0
    reason = 0
    if unlikely(read_once(page, "_mapcount") != IDLE):
        rare()
        reason = BAD_MAPCOUNT
    # A compiler may reuse the value loaded for the anonymous test; whether LLVM did depended on the
    # arm. So all arms load it twice.
    if unlikely(read_once(page, "mapping") != 0):
        rare()
        reason = BAD_MAPPING
    if unlikely(read_once(page, "_count") != 0):
        rare()
        reason = BAD_COUNT
    if unlikely((page.flags & MUST_BE_CLEAR) != 0):
        rare()
        reason = BAD_FLAGS
    if kernel.CONFIG_MEMCG and unlikely(page.mem_cgroup != 0):
        rare()
        reason = BAD_MEM_CGROUP
    return reason


@static_inline
def wipe_flags(page: Any) -> None:
    """Clear all PG bits for the next owner; the store happens only if one is set."""
    if (page.flags & CLEAR_FOR_NEXT) != 0:
        rare()
        page.flags &= ~CLEAR_FOR_NEXT


@static_inline
def free_pages_check(page: Any) -> int:
    """Report a bad page and return 1; else wipe its flags and return 0."""
    reason = page_is_bad(page)
    if unlikely(reason != 0):
        bad_page(page, reason)
        return 1
    wipe_flags(page)
    return 0


@static_inline
def check_on_free(page: Any) -> int:
    """free_pages_check now (v4.3), or at the drain (v4.7 and later)."""
    if kernel.CONFIG_CHECK_ON_FREE:
        return free_pages_check(page)
    wipe_flags(page)
    return 0


@kernel_function
def free_pages_prepare(page: Any, order: int) -> bool:
    """Make a page, or a block, fit to be freed; false when it is bad and must not be."""
    if kernel.trace_mm_page_free():
        this_cpu_add("traced", 1)
    if (read_once(page, "mapping") & ANON) != 0:
        rare()
        page.mapping = 0
    kernel.patch_point(page, order)
    bad = check_on_free(page)
    tail = 1
    while tail < (1 << order):
        bad += check_on_free(page_at(address_of(page) + tail * PAGE_BYTES))
        tail += 1
    return bad == 0


@kernel_function
def free_pcppages_bulk(zone: Any, count: int, pcp: Any) -> None:
    """Drain pages from this CPU's lists, taking turns and the coldest first, to the buddy."""
    lock_zone(zone)
    if zone.nr_pages_scanned != 0:
        rare()
        zone.nr_pages_scanned = 0
    migratetype = 0
    batch_free = 0
    to_free = count
    while to_free > 0:
        head = 0
        while True:
            batch_free += 1
            migratetype += 1
            if migratetype == MIGRATE_PCPTYPES:
                migratetype = 0
            head = address_of(pcp) + PCP_LISTS + 16 * migratetype
            if list_at(head).next != head:
                break
        if batch_free == MIGRATE_PCPTYPES:
            batch_free = to_free  # this is the only list with pages
        while True:
            free_coldest(zone, head)
            to_free -= 1
            batch_free -= 1
            if to_free == 0 or batch_free == 0 or list_at(head).next == head:
                break
    write_once(zone, "lock", 0)


@static_inline
def free_coldest(zone: Any, head: int) -> None:
    """Move the last page of a per-CPU list to the buddy, under `zone->lock`."""
    page = page_of(list_at(head).prev)
    list_del(page)
    if kernel.CONFIG_CHECK_AT_DRAIN and unlikely(free_pages_check(page) != 0):
        return
    __free_one_page(page, page_to_pfn(page), zone, 0, page.index)


@kernel_function
def free_hot_cold_page(page: Any, cold: int) -> None:
    """Free one page of order 0 to this CPU's list; every `batch`th free drains as many."""
    pfn = page_to_pfn(page)
    zone = page_zone(page)
    if unlikely(not free_pages_prepare(page, 0)):
        return
    migratetype = get_pfnblock_flags_mask(pfn)
    page.index = migratetype
    flags = local_irq_save()
    this_cpu_add("pgfree", 1)
    if unlikely(migratetype >= MIGRATE_PCPTYPES):
        rare()
        migratetype = MOVABLE
    pcp = this_cpu_pcp(zone)
    head = address_of(pcp) + PCP_LISTS + 16 * migratetype
    if likely(cold == 0):
        list_add(page, head)
    else:
        list_add_tail(page, head)
    pcp.count += 1
    if pcp.count >= pcp.high:
        batch = as_long(read_once(pcp, "batch"))
        free_pcppages_bulk(zone, batch, pcp)
        pcp.count -= batch
    local_irq_restore(flags)


@kernel_function
def __free_pages_ok(page: Any, order: int) -> None:
    """Free a block of any order straight to the buddy."""
    pfn = page_to_pfn(page)
    if not free_pages_prepare(page, order):
        return
    migratetype = get_pfnblock_flags_mask(pfn)
    flags = local_irq_save()
    this_cpu_add("pgfree", 1 << order)
    page.index = migratetype
    zone = page_zone(page)
    lock_zone(zone)
    __free_one_page(page, pfn, zone, order, migratetype)
    write_once(zone, "lock", 0)
    local_irq_restore(flags)


@kernel_function
def __free_pages(page: Any, order: int) -> None:
    """Drop a reference and free the block when it was the last."""
    if put_page_testzero(page):
        if order == 0:
            free_hot_cold_page(page, 0)
        else:
            __free_pages_ok(page, order)


@kernel_function
def __free_kmem_pages(page: Any, order: int) -> None:
    """Free what alloc_kmem_pages gave; before the patch this helper did the uncharge itself."""
    if kernel.CONFIG_MEMCG and kernel.OLD_HELPER_UNCHARGES and kernel.memcg_kmem_enabled():
        __memcg_kmem_uncharge(page, order)
    __free_pages(page, order)
