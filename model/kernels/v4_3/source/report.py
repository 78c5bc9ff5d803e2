"""What the kernel would print: bad pages and failed assertions (mm/page_alloc.c, include/linux/mmdebug.h)."""

from typing import Any

from model.compiler.intrinsics import address_of, unlikely, write_once
from model.kernels.v4_3.page import Mapcount
from model.kernels.v4_3.source.linkage import kernel_function, static_inline
from model.kernels.v4_3.source.records import this_cpu_add, this_cpu_write

IDLE = int(Mapcount.IDLE)


@kernel_function
def bad_page(page: Any, reason: int) -> None:
    """Report a page that must not be freed, and keep it from looking like a buddy."""
    this_cpu_add("bad_pages", 1)
    this_cpu_write("bad_page", address_of(page))
    this_cpu_write("bad_reason", reason)
    write_once(page, "_mapcount", IDLE)


@kernel_function
def vm_bug(page: Any) -> None:
    """A VM_BUG_ON_PAGE that fired. The kernel stops here; the model records it and goes on."""
    this_cpu_add("vm_bugs", 1)
    this_cpu_write("vm_bug_page", address_of(page))


@static_inline
def vm_bug_on_page(page: Any, condition: bool) -> None:
    """VM_BUG_ON_PAGE of a kernel with CONFIG_DEBUG_VM."""
    if unlikely(condition):
        vm_bug(page)
