"""What the kernel would print, and what is not modelled."""

from typing import Any

from model.compiler.intrinsics import address_of, write_once
from model.kernels.v6_18.page import NO_TYPE
from model.kernels.v6_18.source.linkage import kernel_function
from model.kernels.v6_18.source.records import this_cpu_add, this_cpu_write


@kernel_function
def bad_page(page: Any, reason: int) -> None:
    """Report a page that must not be freed, and take its type away."""
    this_cpu_add("bad_pages", 1)
    this_cpu_write("bad_page", address_of(page))
    this_cpu_write("bad_reason", reason)
    write_once(page, "page_type", NO_TYPE)


@kernel_function
def beyond(page: Any) -> None:
    """Count unmodelled code that was reached, such as hugetlb, compaction or page reporting."""
    this_cpu_add("beyond", 1)


@kernel_function
def preempt_schedule() -> None:
    """Count that the scheduler would have been called."""
    this_cpu_add("rescheduled", 1)
