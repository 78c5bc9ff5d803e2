"""Charging and uncharging kernel pages (mm/memcontrol.c, mm/page_counter.c, v4.3)."""

from typing import Any

from model.kernel.function import static_inline
from model.kernel.namespace import kernel
from model.kernel.primitives import (
    address_of,
    atomic_long_add_return,
    atomic_long_sub_return,
    mem_cgroup_at,
    page_counter_at,
    rare,
    this_cpu_add,
    this_cpu_read,
    this_cpu_sub_at,
    this_cpu_write,
    unlikely,
)
from model.memcg import CHARGE_BATCH, CSS_NO_REF, KMEM, MEMORY, MEMSW, PERCPU_DEAD

CSS_COUNT = 16


def page_counter_uncharge(counter: int, pages: int) -> None:
    """Subtract at this level and every level above: one locked xadd each."""
    while counter != 0:
        if unlikely(atomic_long_sub_return(counter, pages) < 0):
            rare()
            this_cpu_add("counter_warnings", 1)
        counter = page_counter_at(counter).parent


def page_counter_try_charge(counter: int, pages: int) -> int:
    """Add at every level; where a limit is exceeded, undo and return 0.

    v4.3 raises the watermark with a plain store and counts a failure with a plain increment.
    """
    level = counter
    while level != 0:
        here = page_counter_at(level)
        total = atomic_long_add_return(level, pages)
        if total > here.limit:
            atomic_long_sub_return(level, pages)
            here.failcnt += 1
            undo = counter
            while undo != level:
                atomic_long_sub_return(undo, pages)
                undo = page_counter_at(undo).parent
            return 0
        if total > here.watermark:
            here.watermark = total
        level = here.parent
    return 1


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


def __memcg_kmem_uncharge(page: Any, order: int) -> None:
    """Take a kmem page's block off its cgroup's counters, if it was charged at all."""
    owner = kernel.page_memcg(page)
    if owner == 0:
        return
    pages = 1 << order
    kernel.page_counter_uncharge(owner + MEMORY, pages)
    if this_cpu_read("do_swap_account") != 0:
        kernel.page_counter_uncharge(owner + MEMSW, pages)
    kernel.page_counter_uncharge(owner + KMEM, pages)
    page.mem_cgroup = 0
    css_put_many(mem_cgroup_at(owner), pages)


def mem_cgroup_uncharge(page: Any) -> None:
    """Take a user page off its cgroup's counters; kmem pages have their own helper."""
    if this_cpu_read("mem_cgroup_disabled") != 0:
        return
    owner = page.mem_cgroup
    if owner == 0:
        return
    kernel.page_counter_uncharge(owner + MEMORY, 1)
    if this_cpu_read("do_swap_account") != 0:
        kernel.page_counter_uncharge(owner + MEMSW, 1)
    page.mem_cgroup = 0
    css_put_many(mem_cgroup_at(owner), 1)


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
    if not kernel.charge_memory(owner, batch):
        batch = pages
        if not kernel.charge_memory(owner, batch):
            return 0
    css_put_many(mem_cgroup_at(owner), -batch)
    if batch > pages:
        refill_stock(owner, batch - pages)
    return 1


@static_inline
def refill_stock(owner: int, pages: int) -> None:
    """Keep charged pages for the next charge of the same cgroup; another's are given back first."""
    if this_cpu_read("stock_memcg") != owner:
        kernel.drain_stock()
        this_cpu_write("stock_memcg", owner)
    this_cpu_add("stock_pages", pages)


def drain_stock() -> None:
    """Give this CPU's stock back to its cgroup."""
    owner = this_cpu_read("stock_memcg")
    pages = this_cpu_read("stock_pages")
    if owner != 0:
        if pages != 0:
            kernel.page_counter_uncharge(owner + MEMORY, pages)
            if this_cpu_read("do_swap_account") != 0:
                kernel.page_counter_uncharge(owner + MEMSW, pages)
            css_put_many(mem_cgroup_at(owner), pages)
        this_cpu_write("stock_memcg", 0)
        this_cpu_write("stock_pages", 0)


def charge_memory(owner: int, pages: int) -> int:
    """Charge memsw first, then memory, so that the wider limit is asked first."""
    if this_cpu_read("do_swap_account") != 0 and not kernel.page_counter_try_charge(owner + MEMSW, pages):
        return 0
    if kernel.page_counter_try_charge(owner + MEMORY, pages):
        return 1
    if this_cpu_read("do_swap_account") != 0:
        kernel.page_counter_uncharge(owner + MEMSW, pages)
    return 0


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
    if not kernel.page_counter_try_charge(owner + KMEM, pages):
        return -1
    if not kernel.try_charge(owner, pages):
        kernel.page_counter_uncharge(owner + KMEM, pages)
        return -1
    return owner
