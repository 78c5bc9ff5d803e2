"""Doubly linked lists of pages, by address (include/linux/list.h)."""

from typing import Any

from model.compiler.intrinsics import address_of
from model.kernels.v6_18.page import LIST_POISON1, LIST_POISON2, LRU
from model.kernels.v6_18.source.linkage import static_inline
from model.kernels.v6_18.source.records import list_at, page_at


@static_inline
def page_of(link: int) -> Any:
    """The page whose `lru` is at this address."""
    return page_at(link - LRU)


@static_inline
def list_add(page: Any, head: int) -> None:
    """Link a page behind the head: the hot end. Writes the line of the page that was first."""
    link = address_of(page) + LRU
    first = list_at(head).next
    list_at(first).prev = link
    page.compound_head = first
    page.lru_prev = head
    list_at(head).next = link


@static_inline
def list_add_tail(page: Any, head: int) -> None:
    """Link a page before the head: the cold end."""
    link = address_of(page) + LRU
    last = list_at(head).prev
    list_at(head).prev = link
    page.compound_head = head
    page.lru_prev = last
    list_at(last).next = link


@static_inline
def list_del(page: Any) -> None:
    """Unlink a page and poison its links."""
    following = page.compound_head
    before = page.lru_prev
    list_at(following).prev = before
    list_at(before).next = following
    page.compound_head = LIST_POISON1
    page.lru_prev = LIST_POISON2
