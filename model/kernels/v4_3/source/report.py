"""What the kernel would print: bad pages and failed assertions (mm/page_alloc.c, include/linux/mmdebug.h)."""

from typing import Any, Final

from model.compiler.intrinsics import address_of, unlikely
from model.kernels.kit.source.helpers import bad_page_function
from model.kernels.v4_3.page import Mapcount
from model.kernels.v4_3.source.linkage import LINKAGE, kernel_function, static_inline
from model.kernels.v4_3.source.records import AREA, this_cpu_add, this_cpu_write

bad_page: Final = bad_page_function(LINKAGE, AREA, "_mapcount", int(Mapcount.IDLE))


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
