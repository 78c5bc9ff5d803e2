"""Charging and uncharging kernel pages (mm/memcontrol.c, v4.3)."""

from typing import Any

from model.compiler.area import this_cpu_sub_at
from model.compiler.intrinsics import address_of, atomic_long_sub_return, rare
from model.kernels.v4_3.memcg import CHARGE_BATCH, CSS_NO_REF, KMEM, MEMORY, MEMSW, PERCPU_DEAD
from model.kernels.v4_3.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v4_3.source.page_counter import page_counter_try_charge, page_counter_uncharge
from model.kernels.v4_3.source.records import mem_cgroup_at, this_cpu_add, this_cpu_read, this_cpu_write

CSS_COUNT = 16


@static_inline
def css_put_many(memcg: Any, pages: int) -> None:
    """Drop references: one unlocked %gs subtraction while the count is per CPU, else a locked one."""
    if memcg.css_flags & CSS_NO_REF:
        return
    percpu = memcg.css_percpu
    if percpu & PERCPU_DEAD:
        rare()
        atomic_long_sub_return(address_of(memcg) + CSS_COUNT, pages)
    else:
        this_cpu_sub_at(percpu, pages)


@static_inline
def uncharge_memory(owner: int, pages: int) -> None:
    """Take pages off the counters: memory, and where swap is accounted memory and swap as well."""
    page_counter_uncharge(owner + MEMORY, pages)
    if this_cpu_read("do_swap_account") != 0:
        page_counter_uncharge(owner + MEMSW, pages)


@kernel_function
def __memcg_kmem_uncharge(page: Any, order: int) -> None:
    """Take a kmem page's block off its cgroup's counters, if it was charged at all."""
    owner = kernel.page_memcg(page)
    if owner == 0:
        return
    pages = 1 << order
    uncharge_memory(owner, pages)
    page_counter_uncharge(owner + KMEM, pages)
    page.mem_cgroup = 0
    css_put_many(mem_cgroup_at(owner), pages)


@kernel_function
def mem_cgroup_uncharge(page: Any) -> None:
    """Take a user page off its cgroup's counters; kmem pages have their own helper."""
    if this_cpu_read("mem_cgroup_disabled") != 0:
        return
    owner = page.mem_cgroup
    if owner == 0:
        return
    uncharge_memory(owner, 1)
    page.mem_cgroup = 0
    css_put_many(mem_cgroup_at(owner), 1)


@kernel_function
def try_charge(owner: int, pages: int) -> int:
    """Charge memory (and memsw) from this CPU's stock, else a batch of 32 pages for the hierarchy.

    Over the limit the kernel reclaims and may kill; the model refuses.
    """
    if this_cpu_read("stock_memcg") == owner and this_cpu_read("stock_pages") >= pages:
        this_cpu_add("stock_pages", -pages)
        return 1
    batch = CHARGE_BATCH
    if pages > batch:
        batch = pages
    if not charge_memory(owner, batch):
        batch = pages
        if not charge_memory(owner, batch):
            return 0
    css_put_many(mem_cgroup_at(owner), -batch)
    if batch > pages:
        refill_stock(owner, batch - pages)
    return 1


@static_inline
def refill_stock(owner: int, pages: int) -> None:
    """Keep charged pages for the next charge of the same cgroup; those of another are drained first."""
    if this_cpu_read("stock_memcg") != owner:
        drain_stock()
        this_cpu_write("stock_memcg", owner)
    this_cpu_add("stock_pages", pages)


@kernel_function
def drain_stock() -> None:
    """Give this CPU's stock back to its cgroup."""
    owner = this_cpu_read("stock_memcg")
    pages = this_cpu_read("stock_pages")
    if owner != 0:
        if pages != 0:
            uncharge_memory(owner, pages)
            css_put_many(mem_cgroup_at(owner), pages)
        this_cpu_write("stock_memcg", 0)
        this_cpu_write("stock_pages", 0)


@kernel_function
def charge_memory(owner: int, pages: int) -> int:
    """Charge memsw first, then memory, so that the wider limit is tested first."""
    if this_cpu_read("do_swap_account") != 0 and not page_counter_try_charge(owner + MEMSW, pages):
        return 0
    if page_counter_try_charge(owner + MEMORY, pages):
        return 1
    if this_cpu_read("do_swap_account") != 0:
        page_counter_uncharge(owner + MEMSW, pages)
    return 0


@kernel_function
def memcg_kmem_charge(order: int) -> int:
    """Charge the current task's cgroup before the allocation.

    Returns
    -------
    The cgroup's address; 0 when the page is not accounted (key off, root, or no kmem limit ever
    set); -1 when a limit forbids it.
    """
    if not kernel.memcg_kmem_enabled():
        return 0
    owner = this_cpu_read("current_memcg")
    if owner == 0 or not mem_cgroup_at(owner).kmem_active:
        return 0
    pages = 1 << order
    if not page_counter_try_charge(owner + KMEM, pages):
        return -1
    if not try_charge(owner, pages):
        page_counter_uncharge(owner + KMEM, pages)
        return -1
    return owner
