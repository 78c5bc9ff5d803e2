"""Doubly linked lists of pages (include/linux/list.h), and their checks (lib/list_debug.c)."""

from model.compiler.intrinsics import rare, unlikely
from model.kernels.kit.source.lists import list_at, list_functions
from model.kernels.v6_18.page import LIST_POISON1, LIST_POISON2, LRU
from model.kernels.v6_18.source.linkage import LINKAGE, kernel, kernel_function, static_inline
from model.kernels.v6_18.source.records import page_at
from model.kernels.v6_18.source.report import beyond


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
    beyond(page_at(new - LRU))
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
    beyond(page_at(entry - LRU))
    return 0


@static_inline
def list_add_valid(new: int, before: int, following: int) -> bool:
    """True without CONFIG_DEBUG_LIST."""
    return not kernel.CONFIG_DEBUG_LIST or __list_add_valid_or_report(new, before, following) != 0


@static_inline
def list_del_valid(entry: int) -> bool:
    """True without CONFIG_DEBUG_LIST."""
    return not kernel.CONFIG_DEBUG_LIST or __list_del_entry_valid_or_report(entry) != 0


page_of, list_add, list_add_tail, list_del = list_functions(
    LINKAGE, page_at, LRU, "compound_head", (LIST_POISON1, LIST_POISON2), list_add_valid, list_del_valid
)
