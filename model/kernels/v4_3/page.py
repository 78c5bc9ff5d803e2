"""`struct page` of v4.3 on x86-64, and every meaning of its `_mapcount`.

Source: include/linux/mm_types.h, include/linux/page-flags.h and include/linux/mm.h, v4.3 (SLUB).
All of it lies in one 64-byte line, with CONFIG_MEMCG or without (then offset 56 is padding).
"""

from enum import IntEnum, IntFlag
from typing import Final

from model.kernels.kit.reason import Reason
from model.kernels.v4_3.structures import LAYOUT

STRUCT_PAGE: Final = LAYOUT.record("struct page")
"""One `struct page`. Other owners of the same bytes:

`index`      the per-CPU list keeps the page's migratetype here
`lru_next`   first tail page of a compound page: its destructor
`lru_prev`   first tail page of a compound page: `compound_order`
`private`    a free block's order; in a tail page `first_page`
`mem_cgroup` since v5.11 `memcg_data`, an address whose two low bits are flags
"""

PAGE_BYTES: Final = int(STRUCT_PAGE.itemsize)
LRU, MAPCOUNT = (LAYOUT.offset("struct page", name) for name in ("lru_next", "_mapcount"))
"""Offsets; a list links `lru`, not the pages' starts."""


class Mapcount(IntEnum):
    """Every value that the model gives `_mapcount`, with who sets it, who clears it, and when.

    Users that the model does not exercise: n - 1 for a page mapped by n page tables (rmap, under
    the page table lock); -1 + pins in a THP tail page (up to v4.4); SLUB, SLAB and SLOB counters while a
    page is a slab, reset to -1 just before `__free_pages`; a bit mask in an s390 page table page,
    likewise reset. From v4.18 the word is `page_type` at offset 48 and a type is a cleared bit.
    """

    IDLE = -1
    """No user. Set at boot, and by every clear below. `free_pages_check` demands it."""
    BUDDY = -128
    """Head of a free block. Set when the block enters a free list (`__free_one_page`), cleared when it is
    allocated or merged. Protected by `zone->lock`."""
    BALLOON = -256
    """In a balloon's list. Set on insertion, cleared on deletion, under the balloon and page locks."""
    KMEM = -512
    """Came from `alloc_kmem_pages`: charged or not in v1, only if charged since the fix in v4.8. Set after
    the allocation, constant while the owner has the page, cleared in `free_pages_prepare` before the check
    that demands -1. The owner is exclusive, so there is no lock."""


class PG(IntFlag):
    """The bits of `flags` that the free path reads (v4.3, 23 flags)."""

    LOCKED = 1 << 0
    LRU = 1 << 5
    ACTIVE = 1 << 6
    SLAB = 1 << 7
    RESERVED = 1 << 10
    PRIVATE = 1 << 11
    WRITEBACK = 1 << 13
    HEAD = 1 << 14
    TAIL = 1 << 15
    SWAPCACHE = 1 << 16
    UNEVICTABLE = 1 << 20
    MLOCKED = 1 << 21


MUST_BE_CLEAR: Final = 0x313CE1
"""PAGE_FLAGS_CHECK_AT_FREE without THP: a page with one of these bits is bad when freed."""
CLEAR_FOR_NEXT: Final = 0x7FFFFF
"""PAGE_FLAGS_CHECK_AT_PREP: all PG bits, wiped when freed so that the next owner starts clean."""
COMPOUND: Final = int(PG.HEAD | PG.TAIL)

ANON: Final = 1
"""Bit 0 of `mapping`: the page belongs to an anonymous mapping."""
MEMCG_DATA_KMEM: Final = 2
"""Bit of `memcg_data` (v5.11): the page is accounted kernel memory."""

NODE_SHIFT: Final = 58
ZONE_SHIFT: Final = 56
LIST_POISON1: Final = -2401263026318606080  # 0xdead000000000100, left in lru.next of an unlinked page
LIST_POISON2: Final = -2401263026318605824  # 0xdead000000000200, left in lru.prev


class Bad(Reason):
    """Why `free_pages_check` calls a page bad; with several reasons the last one is reported."""

    MAPCOUNT = 1, "nonzero _mapcount"
    MAPPING = 2, "non-NULL mapping"
    COUNT = 3, "nonzero _count"
    FLAGS = 4, "a PAGE_FLAGS_CHECK_AT_FREE flag set"
    MEM_CGROUP = 5, "page still charged to a cgroup"
