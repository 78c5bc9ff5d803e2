"""The per-CPU lists, drained in slices, or not used at all (mm/page_alloc.c, v7.1)."""

from typing import Any

from model.compiler.intrinsics import as_long, likely, load_64, rare, read_once, unlikely
from model.kernels.v6_18.source.buddy import free_one_page
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.page_alloc import enter_lists, leave_lists, pcp_of
from model.kernels.v6_18.source.pcp import (
    after_a_drain,
    commit_function,
    free_pcppages_bulk,
    pcp_spin_trylock,
    pcp_spin_unlock,
)
from model.kernels.v6_18.source.preempt import preempt_disable, preempt_enable
from model.kernels.v6_18.source.records import pcp_at, this_cpu_read


@static_inline
def let_others_in(zone: int, pcp: Any, cpu: int) -> int:
    """Release lock and CPU between two slices, and take them again; 0 when they are not held any more."""
    pcp_spin_unlock(pcp)
    preempt_enable()
    preempt_disable()
    again = pcp_at(load_64(zone + kernel.PAGESET) + this_cpu_read("this_cpu_off"))
    if unlikely(pcp_spin_trylock(again) == 0):
        rare()
        preempt_enable()
        return 0
    if unlikely(this_cpu_read("cpu_number") != cpu):
        rare()
        pcp_spin_unlock(again)
        preempt_enable()
        return 0
    return 1


@kernel_function
def drain_in_slices(zone: int, pcp: Any, wanted: int, pindex: int, cpu: int) -> int:
    """Drain at most `batch` pages at a time; 0 when the lists' lock was lost between two slices.

    Part of free_frozen_page_commit in the kernel: a function here, so that LLVM saves no more registers on
    the fast path than for v6.18. Under a guard other than the lock nothing is released in between.
    """
    batch = as_long(read_once(pcp, "batch"))
    held = 1
    while wanted > 0 and as_long(pcp.count) > 0:
        part = wanted if wanted < batch else batch
        free_pcppages_bulk(zone, part, pcp, pindex)
        wanted -= part
        if wanted == 0 or as_long(pcp.count) == 0:
            break
        if kernel.CONFIG_TRYLOCK:
            held = let_others_in(zone, pcp, cpu)
            if unlikely(held == 0):
                rare()
                break
    after_a_drain(zone, pcp)
    return held


@kernel_function
def drain_whole(zone: int, pcp: Any, wanted: int, pindex: int, cpu: int) -> int:
    """Drain all that is wanted under one lock of the zone, as v6.18 does; nothing is released in between."""
    free_pcppages_bulk(zone, wanted, pcp, pindex)
    after_a_drain(zone, pcp)
    return 1


@static_inline
def drain(zone: int, pcp: Any, wanted: int, pindex: int, cpu: int) -> int:
    """As this kernel, or the variant, drains a full list."""
    return kernel.drain_list(zone, pcp, wanted, pindex, cpu)


@static_inline
def still_held() -> int:
    """Nothing was drained, so nothing was released."""
    return 1


@static_inline
def this_cpu() -> int:
    """The CPU's number, read at the top: gcc does not move the load to the drain (kernel file 7.1.13)."""
    cpu: int = this_cpu_read("cpu_number")
    return cpu


@static_inline
def count_anew(pcp: Any, count: int) -> int:
    """The count is loaded once more."""
    return as_long(read_once(pcp, "count"))


free_frozen_page_commit_sliced = commit_function(
    "free_frozen_page_commit_sliced", drain, still_held, this_cpu, count_anew
)


@static_inline
def put_on_list_while_held(zone: int, page: Any, pfn: int, migratetype: int, order: int) -> None:
    """As v6.18's `put_on_list`, but a commit that lost the lock has released everything."""
    interrupts = enter_lists()
    pcp = pcp_of(zone)
    if not kernel.CONFIG_TRYLOCK:
        free_frozen_page_commit_sliced(zone, pcp, page, migratetype, order)
    elif likely(pcp_spin_trylock(pcp) != 0):
        if unlikely(free_frozen_page_commit_sliced(zone, pcp, page, migratetype, order) == 0):
            rare()
            return
        pcp_spin_unlock(pcp)
    else:
        free_one_page(zone, page, pfn, order)
    leave_lists(interrupts)


@static_inline
def commit_in_batch_while_held(zone: int, pcp: Any, page: Any, migratetype: int, order: int) -> int:
    """The same for a folio of a batch; whether the lists' lock is still held."""
    held: int = free_frozen_page_commit_sliced(zone, pcp, page, migratetype, order)
    return held


@static_inline
def put_to_buddy(zone: int, page: Any, pfn: int, migratetype: int, order: int) -> None:
    """A kernel for one CPU: the trylock is the constant NULL, so every block goes to the buddy."""
    free_one_page(zone, page, pfn, order)
