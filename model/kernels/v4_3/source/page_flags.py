"""PageKmem and its setters (include/linux/page-flags.h plus patch 1/5), and what each variant marks."""

from collections.abc import Callable
from typing import Any, Final

from model.compiler.intrinsics import read_once, write_once
from model.kernels.v4_3.image import Marks
from model.kernels.v4_3.page import MEMCG_DATA_KMEM, Mapcount
from model.kernels.v4_3.source.linkage import kernel, static_inline
from model.kernels.v4_3.source.report import vm_bug_on_page

IDLE, KMEM = int(Mapcount.IDLE), int(Mapcount.KMEM)


@static_inline
def PageKmem(page: Any) -> bool:
    """Whether the page came from alloc_kmem_pages: one volatile load, one comparison."""
    return read_once(page, "_mapcount") == KMEM


@static_inline
def SetPageKmem(page: Any) -> None:
    """Mark an idle page."""
    if kernel.CONFIG_DEBUG_VM:
        vm_bug_on_page(page, read_once(page, "_mapcount") != IDLE)
    write_once(page, "_mapcount", KMEM)


@static_inline
def ClearPageKmem(page: Any) -> None:
    """Take the mark off."""
    if kernel.CONFIG_DEBUG_VM:
        vm_bug_on_page(page, read_once(page, "_mapcount") != KMEM)
    write_once(page, "_mapcount", IDLE)


@static_inline
def page_memcg(page: Any) -> int:
    """The page's cgroup, or 0."""
    return page.mem_cgroup


@static_inline
def page_memcg_data(page: Any) -> int:
    """The page's cgroup in a word whose two low bits are flags (v5.11)."""
    return page.mem_cgroup & ~3


@static_inline
def mark_never(page: Any, owner: int) -> None:
    """As before the patch: no page is marked."""


@static_inline
def mark_always(page: Any, owner: int) -> None:
    """v1: whether it is charged or not."""
    SetPageKmem(page)


@static_inline
def mark_charged(page: Any, owner: int) -> None:
    """Since the fix in v4.8: only what was charged."""
    if owner != 0:
        SetPageKmem(page)


@static_inline
def mark_memcg_data(page: Any, owner: int) -> None:
    """v5.11: a bit of the owner's word."""
    if owner != 0:
        page.mem_cgroup = owner | MEMCG_DATA_KMEM


MARK_KMEM: Final[dict[Marks, Callable[[Any, int], None]]] = {
    "never": mark_never,
    "always": mark_always,
    "charged": mark_charged,
    "memcg-data": mark_memcg_data,
}
"""How alloc_kmem_pages marks a page."""
