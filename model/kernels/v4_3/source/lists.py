"""Doubly linked lists of pages (include/linux/list.h), without CONFIG_DEBUG_LIST."""

from model.kernels.kit.source.lists import list_functions
from model.kernels.v4_3.page import LIST_POISON1, LIST_POISON2, LRU
from model.kernels.v4_3.source.linkage import LINKAGE
from model.kernels.v4_3.source.records import page_at

page_of, list_add, list_add_tail, list_del = list_functions(
    LINKAGE, page_at, LRU, "lru_next", (LIST_POISON1, LIST_POISON2)
)
