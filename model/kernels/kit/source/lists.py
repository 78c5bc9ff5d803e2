"""Doubly linked lists of pages, by address (include/linux/list.h), alike on every version."""

from typing import Any, Final

import numpy as np

from model.compiler.function import Linkage
from model.compiler.intrinsics import address_of, record_at, unlikely

LIST_HEAD: Final = np.dtype([("next", "i8"), ("prev", "i8")])
list_at = record_at(LIST_HEAD, "list_at")


def add_unchecked(new: int, before: int, following: int) -> bool:
    """Without CONFIG_DEBUG_LIST nothing is compared."""
    return True


def del_unchecked(entry: int) -> bool:
    """Without CONFIG_DEBUG_LIST nothing is compared."""
    return True


def list_functions(
    linkage: Linkage,
    page_at: Any,
    lru: int,
    following: str,
    poison: tuple[int, int],
    add_valid: Any = None,
    del_valid: Any = None,
) -> tuple[Any, Any, Any, Any]:
    """Make `page_of(link)`, `list_add(page, head)`, `list_add_tail(page, head)` and `list_del(page)`.

    Parameters
    ----------
    page_at
        The view of a struct page.
    lru, following
        Offset of its links, bytes, and the name that the first of them has; the second is `lru_prev`.
    poison
        What `next` and `prev` of an unlinked page hold.
    add_valid, del_valid
        The checks of CONFIG_DEBUG_LIST: of a new link and those that it goes between; of a link that goes.
    """
    list_add_valid = add_valid or linkage.static_inline(add_unchecked)
    list_del_valid = del_valid or linkage.static_inline(del_unchecked)
    poison1, poison2 = poison

    @linkage.static_inline
    def page_of(link: int) -> Any:
        """The page whose `lru` is at this address."""
        return page_at(link - lru)

    @linkage.static_inline
    def list_add(page: Any, head: int) -> None:
        """Link a page behind the head: the hot end. Writes the line of the page that was first."""
        link = address_of(page) + lru
        first = list_at(head).next
        if unlikely(not list_add_valid(link, head, first)):
            return
        list_at(first).prev = link
        page[following] = first
        page.lru_prev = head
        list_at(head).next = link

    @linkage.static_inline
    def list_add_tail(page: Any, head: int) -> None:
        """Link a page before the head: the cold end."""
        link = address_of(page) + lru
        last = list_at(head).prev
        if unlikely(not list_add_valid(link, last, head)):
            return
        list_at(head).prev = link
        page[following] = head
        page.lru_prev = last
        list_at(last).next = link

    @linkage.static_inline
    def list_del(page: Any) -> None:
        """Unlink a page and poison its links."""
        if list_del_valid(address_of(page) + lru):
            after = page[following]
            before = page.lru_prev
            list_at(after).prev = before
            list_at(before).next = after
        page[following] = poison1
        page.lru_prev = poison2

    return page_of, list_add, list_add_tail, list_del
