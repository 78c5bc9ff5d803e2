"""Doubly linked lists of pages, by address (include/linux/list.h), and their checks (lib/list_debug.c)."""

from typing import Any

from model.compiler.intrinsics import address_of, rare, unlikely
from model.kernels.v6_18.page import LIST_POISON1, LIST_POISON2, LRU
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.records import list_at, page_at
from model.kernels.v6_18.source.report import beyond


@static_inline
def page_of(link: int) -> Any:
    """The page whose `lru` is at this address."""
    return page_at(link - LRU)


@kernel_function
def __list_add_valid_or_report(new: int, before: int, following: int) -> int:
    """Whether the two between which a link is to be put are neighbours, and it is neither of them."""
    if unlikely(before == 0):
        rare()
    elif unlikely(following == 0):
        rare()
    elif unlikely(list_at(following).prev != before):
        rare()
    elif unlikely(list_at(before).next != following):
        rare()
    elif unlikely(new == before):
        rare()
    elif unlikely(new == following):
        rare()
    else:
        return 1
    beyond(page_of(new))
    return 0


@kernel_function
def __list_del_entry_valid_or_report(entry: int) -> int:
    """Whether a link is on a list, and its neighbours know it."""
    before, following = list_at(entry).prev, list_at(entry).next
    if unlikely(following == 0):
        rare()
    elif unlikely(before == 0):
        rare()
    elif unlikely(following == LIST_POISON1):
        rare()
    elif unlikely(before == LIST_POISON2):
        rare()
    elif unlikely(list_at(before).next != entry):
        rare()
    elif unlikely(list_at(following).prev != entry):
        rare()
    else:
        return 1
    beyond(page_of(entry))
    return 0


@static_inline
def list_add_valid(new: int, before: int, following: int) -> bool:
    """True without CONFIG_DEBUG_LIST."""
    return not kernel.CONFIG_DEBUG_LIST or __list_add_valid_or_report(new, before, following) != 0


@static_inline
def list_add(page: Any, head: int) -> None:
    """Link a page behind the head: the hot end. Writes the line of the page that was first."""
    link = address_of(page) + LRU
    first = list_at(head).next
    if unlikely(not list_add_valid(link, head, first)):
        return
    list_at(first).prev = link
    page.compound_head = first
    page.lru_prev = head
    list_at(head).next = link


@static_inline
def list_add_tail(page: Any, head: int) -> None:
    """Link a page before the head: the cold end."""
    link = address_of(page) + LRU
    last = list_at(head).prev
    if unlikely(not list_add_valid(link, last, head)):
        return
    list_at(head).prev = link
    page.compound_head = head
    page.lru_prev = last
    list_at(last).next = link


@static_inline
def list_del(page: Any) -> None:
    """Unlink a page and poison its links."""
    if not kernel.CONFIG_DEBUG_LIST or __list_del_entry_valid_or_report(address_of(page) + LRU) != 0:
        following = page.compound_head
        before = page.lru_prev
        list_at(following).prev = before
        list_at(before).next = following
    page.compound_head = LIST_POISON1
    page.lru_prev = LIST_POISON2
