"""What the kernel would print, and what is not modelled."""

from typing import Any, Final

from model.kernels.kit.source.helpers import bad_page_function
from model.kernels.v6_18.page import NO_TYPE
from model.kernels.v6_18.source.linkage import LINKAGE, kernel_function
from model.kernels.v6_18.source.records import AREA, this_cpu_add

bad_page: Final = bad_page_function(LINKAGE, AREA, "page_type", NO_TYPE)


@kernel_function
def beyond(page: Any) -> None:
    """Count unmodelled code that was reached, such as hugetlb, compaction or page reporting."""
    this_cpu_add("beyond", 1)


@kernel_function
def preempt_schedule() -> None:
    """Count that the scheduler would have been called."""
    this_cpu_add("rescheduled", 1)
