"""The steps of free_pages_prepare that variants replace, as v6.18 has them (mm/page_alloc.c)."""

from typing import Any

from model.compiler.intrinsics import address_of, load_once_u8, rare, read_once, unlikely, write_once
from model.kernels.v6_18.page import FIRST_UNTYPED, MEMCG_DATA, MEMCG_DATA_KMEM, NO_TYPE, PAGE_BYTES, PG
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.memcontrol import __memcg_kmem_uncharge_page
from model.kernels.v6_18.source.records import page_at

HEAD = int(PG.HEAD)


@kernel_function
def first_of_a_slice(page: Any) -> Any:
    """With HVO the first of the struct pages in 4 KiB may be a copy of a head (page_fixed_fake_head)."""
    if read_once(page, "flags") & HEAD != 0:
        head = read_once(page_at(address_of(page) + PAGE_BYTES), "compound_head")
        if head & 1 != 0:
            return page_at(head - 1)
    return page


@static_inline
def page_folio(page: Any) -> Any:
    """The head of the page's compound page; `compound_head` is loaded anew each time."""
    head = read_once(page, "compound_head")
    if unlikely(head & 1 != 0):
        rare()
        return page_at(head - 1)
    if kernel.hugetlb_optimize_vmemmap() and address_of(page) & 4095 == 0:
        return first_of_a_slice(page)
    return page


@static_inline
def first_look_at_flags(page: Any, folio: Any) -> Any:
    """Whose flags say "mlocked": the page's own; its folio is the page itself, by a branch."""
    return page


@static_inline
def head_of_tail(page: Any) -> int:
    """Address of the head to which a tail page points."""
    pointer: int = read_once(page, "compound_head")
    return pointer - 1


@static_inline
def memcg_data_says_kmem(folio: Any) -> bool:
    """Bit 1 of memcg_data, by a load of one byte."""
    return load_once_u8(address_of(folio) + MEMCG_DATA) & MEMCG_DATA_KMEM != 0


@static_inline
def uncharge(page: Any, order: int) -> None:
    """Uncharge a charged page: a call of __memcg_kmem_uncharge_page."""
    rare()
    __memcg_kmem_uncharge_page(page, order)


@static_inline
def page_has_type(page: Any) -> bool:
    """One signed comparison with memory."""
    return read_once(page, "page_type") < FIRST_UNTYPED


@static_inline
def clear_page_type(page: Any) -> None:
    """Store -1."""
    write_once(page, "page_type", NO_TYPE)


@static_inline
def memcg_kmem_if_online(page: Any, order: int) -> None:
    """Key first, then the folio's memcg_data: memcg_kmem_online() && folio_memcg_kmem()."""
    if not kernel.CONFIG_MEMCG or kernel.memcg_kmem_offline():
        return
    if unlikely(memcg_data_says_kmem(kernel.page_folio(page))):
        uncharge(page, order)


@static_inline
def reset_page_type_if_any(page: Any, order: int) -> None:
    """The test of 2025: clear a page type that the owner left behind."""
    if unlikely(page_has_type(page)):
        rare()
        clear_page_type(page)


@static_inline
def leave_private(page: Any) -> None:
    """v6.18.2 leaves page->private to the allocation side."""


@static_inline
def clear_private(page: Any) -> None:
    """v7.0 and every stable series since 2026: one store on every free."""
    write_once(page, "private", 0)


@static_inline
def clear_private_if_set(page: Any) -> None:
    """A test first, and the store for the few pages that need it."""
    if unlikely(read_once(page, "private") != 0):
        rare()
        write_once(page, "private", 0)
