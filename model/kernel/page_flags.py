"""PageKmem and its setters (include/linux/page-flags.h plus patch 1/5), and what each variant marks."""

from collections.abc import Callable
from typing import Any

from model.kernel.function import static_inline
from model.kernel.namespace import kernel
from model.kernel.primitives import read_once, write_once
from model.page import MEMCG_DATA_KMEM, Mapcount
from model.variants import Marks

IDLE, KMEM = int(Mapcount.IDLE), int(Mapcount.KMEM)


def PageKmem(page: Any) -> bool:
    """Whether the page came from alloc_kmem_pages: one volatile load, one comparison."""
    return read_once(page, "_mapcount") == KMEM


def SetPageKmem(page: Any) -> None:
    """Mark an idle page."""
    if kernel.CONFIG_DEBUG_VM:
        kernel.vm_bug_on_page(page, read_once(page, "_mapcount") != IDLE)
    write_once(page, "_mapcount", KMEM)


def ClearPageKmem(page: Any) -> None:
    """Take the mark off."""
    if kernel.CONFIG_DEBUG_VM:
        kernel.vm_bug_on_page(page, read_once(page, "_mapcount") != KMEM)
    write_once(page, "_mapcount", IDLE)


def page_memcg(page: Any) -> int:
    """The page's cgroup, or 0."""
    return page.mem_cgroup


def page_memcg_data(page: Any) -> int:
    """The page's cgroup in a word whose two low bits are flags (v5.11)."""
    return page.mem_cgroup & ~3


def _never(page: Any, owner: int) -> None:
    pass


def _always(page: Any, owner: int) -> None:
    kernel.SetPageKmem(page)


def _charged(page: Any, owner: int) -> None:
    if owner != 0:
        kernel.SetPageKmem(page)


def _memcg_data(page: Any, owner: int) -> None:
    if owner != 0:
        page.mem_cgroup = owner | MEMCG_DATA_KMEM


MARK_KMEM: dict[Marks, Callable[[Any, int], None]] = {
    "never": _never,
    "always": _always,
    "charged": _charged,
    "memcg-data": _memcg_data,
}


def link_page_flags(marks: Marks) -> None:
    """Make PageKmem and its setters, and what alloc_kmem_pages does with them."""
    for function in (PageKmem, SetPageKmem, ClearPageKmem):
        setattr(kernel, function.__name__, static_inline(function))
    kernel.page_memcg = static_inline(page_memcg_data if marks == "memcg-data" else page_memcg)
    kernel.mark_kmem = static_inline(MARK_KMEM[marks])
