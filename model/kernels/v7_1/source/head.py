"""The head of a page's compound page, by a mask instead of a branch (include/linux/page-flags.h, v7.1).

`compound_info` is v6.18's word `compound_head`. A tail page's has bit 0 set and is the mask of its order;
another page's has bit 0 clear. No static key is tested.
"""

from typing import Any

from model.compiler.intrinsics import address_of, read_once
from model.kernels.v6_18.source.linkage import static_inline
from model.kernels.v6_18.source.records import page_at


@static_inline
def head_by_mask(page: Any) -> int:
    """Address of the head: the page's own where bit 0 is clear, since all bits are kept then."""
    info = read_once(page, "compound_head")
    head: int = address_of(page) & (info | ((info & 1) - 1))
    return head


@static_inline
def page_folio_by_mask(page: Any) -> Any:
    """The head, which depends on the load: what is read of it waits for that."""
    return page_at(head_by_mask(page))


@static_inline
def folio_itself(page: Any, folio: Any) -> Any:
    """The flags that say "mlocked" are read through the head."""
    return folio


@static_inline
def page_itself(page: Any) -> Any:
    """No look-up: only a head is freed."""
    return page
