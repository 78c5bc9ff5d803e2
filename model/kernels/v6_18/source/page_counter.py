"""Hierarchical counters (mm/page_counter.c, v6.18)."""

from model.compiler.intrinsics import (
    atomic_long_add_return,
    atomic_long_sub_return,
    load_once_64,
    rare,
    read_once,
    unlikely,
)
from model.kernels.v6_18.memcg import STRUCT_PAGE_COUNTER
from model.kernels.v6_18.source.linkage import kernel_function, static_inline
from model.kernels.v6_18.source.records import page_counter_at
from model.kernels.v6_18.source.report import beyond

MIN_USAGE, LOW_USAGE, MIN, LOW = (
    int(STRUCT_PAGE_COUNTER.fields[name][1])  # type: ignore[index]
    for name in ("min_usage", "low_usage", "min", "low")
)


@static_inline
def protect(counter: int, usage: int, limit: int, protected: int) -> None:
    """Update the protected part of the usage; without protection it was zero and stays zero."""
    share = load_once_64(counter + limit)
    if unlikely(usage < share):
        share = usage
    if unlikely(share != load_once_64(counter + protected)):
        rare()
        beyond(page_counter_at(counter))


@kernel_function
def page_counter_cancel(counter: int, pages: int) -> None:
    """Subtract at one level: one locked xadd, then the protected part of the rest."""
    usage = atomic_long_sub_return(counter, pages)
    if unlikely(usage < 0):
        rare()
        atomic_long_add_return(counter, pages)
        beyond(page_counter_at(counter))
    record = page_counter_at(counter)
    if record.protection_support != 0 and read_once(record, "parent") != 0:
        protect(counter, usage, MIN, MIN_USAGE)
        protect(counter, usage, LOW, LOW_USAGE)


@kernel_function
def page_counter_uncharge(counter: int, pages: int) -> None:
    """Subtract at this level and every level above."""
    while counter != 0:
        page_counter_cancel(counter, pages)
        counter = page_counter_at(counter).parent
