"""Uncharging a kernel page: obj_cgroup, statistics, the stock of seven slots (mm/memcontrol.c, v6.18)."""

from typing import Any

from model.compiler.area import this_cpu_add_at, this_cpu_xadd_32_at, this_cpu_xchg_32_at
from model.compiler.intrinsics import (
    atomic_long_add_return,
    likely,
    load_64,
    load_once_64,
    load_once_u8,
    rare,
    read_once,
    store_64,
    store_once_u8,
    unlikely,
)
from model.kernels.v6_18.memcg import (
    CHARGE_BATCH,
    CSS_NO_REF,
    CSS_REFCNT,
    KMEM,
    KMEM_ITEM,
    MEMORY,
    MEMSW,
    REF_DEAD_OR_ATOMIC,
    SLOTS,
    STATE,
    STOCK_CACHED,
    STOCK_PAGES,
)
from model.kernels.v6_18.page import MEMCG_DATA_KMEM
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.page_counter import page_counter_uncharge
from model.kernels.v6_18.source.preempt import (
    __rcu_read_lock,
    __rcu_read_unlock,
    preempt_disable,
    preempt_enable,
)
from model.kernels.v6_18.source.records import (
    global_read,
    mem_cgroup_at,
    obj_cgroup_at,
    this_cpu_read,
    this_cpu_write,
    vmstats_percpu_at,
)
from model.kernels.v6_18.source.report import beyond

OWNER_FLAGS = 3
"""Low bits of memcg_data."""


@static_inline
def percpu_ref_add(ref: int, change: int) -> None:
    """Change a reference count: one unlocked addition while it is per CPU, else a locked one."""
    __rcu_read_lock()
    counter = load_once_64(ref)
    if likely(counter & REF_DEAD_OR_ATOMIC == 0):
        this_cpu_add_at(counter, change)
    else:
        rare()
        atomic_long_add_return(load_64(ref + 8), change)
    __rcu_read_unlock()


@static_inline
def css_ref_add(memcg: int, change: int) -> None:
    """css_get(), css_tryget() and css_put(); the root has no count."""
    if mem_cgroup_at(memcg).css_flags & CSS_NO_REF == 0:
        percpu_ref_add(memcg + CSS_REFCNT, change)


@static_inline
def get_mem_cgroup_from_objcg(objcg: int) -> int:
    """The charged cgroup, with a reference."""
    __rcu_read_lock()
    memcg = read_once(obj_cgroup_at(objcg), "memcg")
    css_ref_add(memcg, 1)
    __rcu_read_unlock()
    return memcg


@static_inline
def add_updates_32(pointer: int, pages: int) -> int:
    """Add to this CPU's count of updates, of 4 bytes; its value then."""
    before: int = this_cpu_xadd_32_at(pointer, pages)
    return before + pages


@static_inline
def take_updates_32(pointer: int) -> int:
    """Set it to zero; its value before."""
    before: int = this_cpu_xchg_32_at(pointer, 0)
    return before


@static_inline
def any_hierarchy(memcg: int) -> int:
    """v6.18 counts at a cgroup on either hierarchy, also when it is being removed."""
    return memcg


@kernel_function
def css_rstat_updated(memcg: int) -> None:
    """Put the cgroup on this CPU's list of those that changed, unless it is there."""
    node = this_cpu_read("this_cpu_off") + mem_cgroup_at(memcg).rstat_cpu
    if unlikely(load_once_64(node) == node):
        rare()
        atomic_long_add_return(node, 1)


@kernel_function
def memcg_rstat_updated(memcg: int, pages: int) -> None:
    """Add a change to each level's per-CPU count of updates; from 64 on it goes to the shared count."""
    css_rstat_updated(memcg)
    pointer = mem_cgroup_at(memcg).vmstats_percpu
    while pointer != 0:
        level = vmstats_percpu_at(this_cpu_read("this_cpu_off") + pointer)
        shared = level.vmstats
        if unlikely(load_once_64(shared) > CHARGE_BATCH * this_cpu_read("online_cpus")):
            rare()
            break  # a flush is due already
        updates = kernel.add_updates(pointer, pages)
        if unlikely(updates >= CHARGE_BATCH):
            rare()
            atomic_long_add_return(shared, kernel.take_updates(pointer))
        pointer = level.parent


@kernel_function
def mod_memcg_state(memcg: int, item: int, pages: int) -> None:
    """Change one number of a cgroup's statistics, of this CPU."""
    if kernel.memory_cgrp_disabled():
        return
    memcg = kernel.counted_memcg(memcg)
    state = mem_cgroup_at(memcg).vmstats_percpu + STATE + 8 * global_read("stats_index", item)
    preempt_disable()
    this_cpu_add_at(state, pages)
    memcg_rstat_updated(memcg, -pages if pages < 0 else pages)
    preempt_enable()


@static_inline
def memcg_uncharge(memcg: int, pages: int) -> None:
    """Take pages off the counters: memory, and on cgroup v1 memory and swap as well."""
    page_counter_uncharge(memcg + MEMORY, pages)
    if kernel.memory_cgroup_v1():
        page_counter_uncharge(memcg + MEMSW, pages)


@kernel_function
def drain_stock(stock: int, slot: int) -> None:
    """Give back what one slot has, and empty it."""
    memcg = load_once_64(stock + STOCK_CACHED + 8 * slot)
    if memcg == 0:
        return
    pages = load_once_u8(stock + STOCK_PAGES + slot)
    if pages != 0:
        memcg_uncharge(memcg, pages)
        store_once_u8(stock + STOCK_PAGES + slot, 0)
    css_ref_add(memcg, -1)
    store_64(stock + STOCK_CACHED + 8 * slot, 0)


@kernel_function
def random_slot() -> int:
    """get_random_u32_below(7): the slot to drain; a multiplication here, a batch of ChaCha20 there."""
    state = this_cpu_read("random") * 6364136223846793005 + 1442695040888963407
    this_cpu_write("random", state)
    return (((state >> 33) & 0x7FFFFFFF) * SLOTS) >> 31


@static_inline
def next_slot() -> int:
    """Round robin, by one byte of this CPU: v7.1, and v6.18.36 and later."""
    slot: int = this_cpu_read("victim")
    this_cpu_write("victim", 0 if slot == SLOTS - 1 else slot + 1)
    return slot


@kernel_function
def refill_stock(memcg: int, pages: int) -> None:
    """Keep charged pages for the cgroup's next charge, in its slot, an empty one, or a drained one."""
    preempt_disable()
    stock = this_cpu_read("this_cpu_off") + kernel.STOCK
    if unlikely(pages > CHARGE_BATCH or load_once_u8(stock) != 0):
        rare()
        preempt_enable()
        memcg_uncharge(memcg, pages)
        return
    store_once_u8(stock, 1)
    empty, slot = -1, 0
    while slot < SLOTS:
        cached = load_once_64(stock + STOCK_CACHED + 8 * slot)
        if cached == memcg:
            break
        if cached == 0 and empty < 0:
            empty = slot
        slot += 1
    if likely(slot < SLOTS):
        kept = load_once_u8(stock + STOCK_PAGES + slot) + pages
        store_once_u8(stock + STOCK_PAGES + slot, kept)
        if unlikely(kept > CHARGE_BATCH):
            drain_stock(stock, slot)
    else:
        if empty < 0:
            empty = kernel.victim_slot()
            drain_stock(stock, empty)
        css_ref_add(memcg, 1)
        store_64(stock + STOCK_CACHED + 8 * empty, memcg)
        store_once_u8(stock + STOCK_PAGES + empty, pages)
    store_once_u8(stock, 0)
    preempt_enable()


@kernel_function
def obj_cgroup_uncharge_pages(objcg: int, pages: int) -> None:
    """Take pages off the cgroup of an obj_cgroup."""
    memcg = get_mem_cgroup_from_objcg(objcg)
    mod_memcg_state(memcg, KMEM_ITEM, -pages)
    if kernel.memory_cgroup_v1():
        page_counter_uncharge(memcg + KMEM, pages)
    if likely(memcg != this_cpu_read("root_mem_cgroup")):
        refill_stock(memcg, pages)
    css_ref_add(memcg, -1)


@kernel_function
def __memcg_kmem_uncharge_page(page: Any, order: int) -> None:
    """Take a kmem page's block off its cgroup, and clear the page's memcg_data."""
    data = read_once(page, "memcg_data")
    if unlikely(data & OWNER_FLAGS != MEMCG_DATA_KMEM):
        rare()
        beyond(page)
        return
    objcg = data - MEMCG_DATA_KMEM
    obj_cgroup_uncharge_pages(objcg, 1 << order)
    page.memcg_data = 0
    percpu_ref_add(objcg, -1)
