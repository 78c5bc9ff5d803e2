"""`struct page` of v6.18 on x86-64, and the words that the free path reads.

Source: include/linux/mm_types.h, include/linux/page-flags.h, mm/page_alloc.c, v6.18.2, with the offsets of
the debug info of two configurations (docs/kernel-facts/v6.18-path.md, section 1).
"""

from enum import IntFlag
from typing import Final

from model.kernels.kit.reason import Reason
from model.kernels.v6_18.structures import LAYOUTS
from model.vocabulary.scenario import Config

STRUCT_PAGE: Final = LAYOUTS["default"].record("struct page")
"""One `struct page`. Other owners of the same bytes:

`compound_head`  also `lru.next`; bit 0 says that this is a tail page
`page_type`      also `_mapcount`; its highest byte names a type, and -1 is a page that has none
"""

PAGE_BYTES: Final = int(STRUCT_PAGE.itemsize)
LRU, MAPPING, PAGE_TYPE, MEMCG_DATA = (
    LAYOUTS["default"].offset("struct page", name)
    for name in ("compound_head", "mapping", "page_type", "memcg_data")
)
"""Offsets; a list links `lru`, not the pages' starts."""
NO_TYPE: Final = -1
FIRST_UNTYPED: Final = -0x1000000
"""0xff000000 as a signed number: below it lie the types."""
TYPE_BYTE: Final = PAGE_TYPE + 3
"""Offset of the highest byte of `page_type`, which names the type."""
HUGETLB, SLAB, LARGE_KMALLOC = 0xF4, 0xF5, 0xF8
ZSMALLOC: Final = -0xA000000
"""PGTY_zsmalloc (0xf6) in the highest byte: one of the two types that owners leave behind (v6.18)."""
ANON: Final = 1
MEMCG_DATA_KMEM: Final = 2


class PG(IntFlag):
    """The bits of `flags` that the free path reads."""

    LOCKED = 1 << 0
    LRU = 1 << 5
    HEAD = 1 << 6
    MLOCKED = 1 << 20
    HWPOISON = 1 << 21


WIPED: Final[dict[Config, int]] = {"default": 0x3FFFFF, "distribution": 0x3E1DFFFFF}
"""PAGE_FLAGS_CHECK_AT_PREP, with the bits of LRU_GEN where it has them: the bits that the free clears."""
MUST_BE_CLEAR: Final[dict[Config, int]] = {"default": 0x14E123, "distribution": 0x38014E123}
"""PAGE_FLAGS_CHECK_AT_FREE: with one of these bits the check calls a page bad."""
CPUID_SHIFT, CPUID_BITS = 34, 17
LAST_CPUPID: Final[dict[Config, int]] = {"default": 0, "distribution": ((1 << CPUID_BITS) - 1) << CPUID_SHIFT}
"""All ones: no CPU and no task touched it last; only with NUMA balancing."""
NODE_SHIFT: Final[dict[Config, int]] = {"default": 58, "distribution": 54}
NODE_MASK: Final[dict[Config, int]] = {"default": 63, "distribution": 1023}
ZONE_SHIFT: Final[dict[Config, int]] = {"default": 56, "distribution": 51}
ZONE_MASK: Final[dict[Config, int]] = {"default": 3, "distribution": 7}
POOL_SIGNATURE: Final = 0x40
"""PP_SIGNATURE: value of these bits of lru.next in a page_pool's page; the check tests for it."""
POOL_MASK: Final = -4
LIST_POISON1: Final = -2401263026318606080  # 0xdead000000000100
LIST_POISON2: Final = LIST_POISON1 + 0x22
TAIL_MAPPING: Final = LIST_POISON1 + 0x300
"""Value of `mapping` in a tail page, from the fourth page of a compound page on."""
BUDDY: Final = 0xF0
BUDDY_TYPE: Final = -0x10000000
"""PGTY_buddy in the highest byte: the head of a free block; its order is in `private`."""
LARGE_KMALLOC_TYPE: Final = -0x8000000
SECOND_FLAGS: Final = 0xFF | 1 << 8 | 1 << 9 | 1 << 16
"""Bits of the first tail page's flags that describe the whole folio: its order, and states of its pages."""
LARGE_MAPCOUNT, NR_PAGES_MAPPED, ENTIRE_MAPCOUNT, PINCOUNT = 16, 20, 24, 28
"""Offsets in the first tail page of counters of the whole folio."""
NR_PAGES: Final = MEMCG_DATA
"""Offset in the first tail page of the number of pages, with memcg only: where another page has its owner."""
DEFERRED_LIST: Final = 16
"""Offset in the second tail page of the folio's link in the list of deferred splits."""
NO_MAPCOUNT: Final = 0xFFFFFFFF
"""-1 in 4 bytes of the first tail page: mapped nowhere."""


class Bad(Reason):
    """Why the check calls a page bad."""

    TYPE = 1, "nonzero _mapcount"
    OTHER = 2, "mapping, _refcount, memcg_data or a flag is set"
    TAIL = 3, "a tail page's mapping, list, counts or head"
