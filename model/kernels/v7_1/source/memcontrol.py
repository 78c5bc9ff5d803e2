"""Statistics of a cgroup (mm/memcontrol.c, v7.1): counted in 8 bytes, and only of a cgroup that lives."""

from model.compiler.area import this_cpu_xadd_64_at, this_cpu_xchg_64_at
from model.compiler.intrinsics import rare
from model.kernels.v6_18.source.linkage import kernel, static_inline
from model.kernels.v6_18.source.preempt import __rcu_read_lock, __rcu_read_unlock
from model.kernels.v6_18.source.records import mem_cgroup_at, page_at
from model.kernels.v6_18.source.report import beyond

CSS_DYING = 1 << 4
"""css.flags: the cgroup is being removed."""


@static_inline
def add_updates_64(pointer: int, pages: int) -> int:
    """Add to this CPU's count of updates, of 8 bytes; its value then."""
    before: int = this_cpu_xadd_64_at(pointer, pages)
    return before + pages


@static_inline
def take_updates_64(pointer: int) -> int:
    """Set it to zero; its value before."""
    before: int = this_cpu_xchg_64_at(pointer, 0)
    return before


@static_inline
def living_memcg(memcg: int) -> int:
    """On v1 a cgroup that is being removed passes its counts on; on v2 only the key is met."""
    if kernel.memory_cgroup_v1():
        rare()
        __rcu_read_lock()
        if mem_cgroup_at(memcg).css_flags & CSS_DYING != 0:
            beyond(page_at(memcg))
        __rcu_read_unlock()
    return memcg
