"""Hierarchical counters (mm/page_counter.c, v4.3)."""

from model.compiler.intrinsics import atomic_long_add_return, atomic_long_sub_return, rare, unlikely
from model.kernels.v4_3.source.linkage import kernel_function
from model.kernels.v4_3.source.records import page_counter_at, this_cpu_add


@kernel_function
def page_counter_uncharge(counter: int, pages: int) -> None:
    """Subtract at this level and every level above: one locked xadd each."""
    while counter != 0:
        if unlikely(atomic_long_sub_return(counter, pages) < 0):
            rare()
            this_cpu_add("counter_warnings", 1)
        counter = page_counter_at(counter).parent


@kernel_function
def page_counter_try_charge(counter: int, pages: int) -> int:
    """Add at every level; where a limit is exceeded, undo and return 0.

    v4.3 raises the watermark with a plain store and counts a failure with a plain increment.
    """
    level = counter
    while level != 0:
        record = page_counter_at(level)
        total = atomic_long_add_return(level, pages)
        if total > record.limit:
            atomic_long_sub_return(level, pages)
            record.failcnt += 1
            undo = counter
            while undo != level:
                atomic_long_sub_return(undo, pages)
                undo = page_counter_at(undo).parent
            return 0
        if total > record.watermark:
            record.watermark = total
        level = record.parent
    return 1
