"""The other way in: one reference to a page dropped (include/linux/mm.h, mm/swap.c, v6.18)."""

from typing import Any

from model.compiler.intrinsics import (
    address_of,
    as_long,
    dec_and_test,
    load_once_u8,
    rare,
    read_once,
    unlikely,
)
from model.kernels.v6_18.page import HUGETLB, LARGE_KMALLOC, PG, SLAB, TYPE_BYTE
from model.kernels.v6_18.source.linkage import kernel, kernel_function, static_inline
from model.kernels.v6_18.source.page_alloc import __free_frozen_pages
from model.kernels.v6_18.source.report import beyond
from model.kernels.v6_18.source.steps import page_folio
from model.kernels.v6_18.zone import ZONE_DEVICE

HEAD, LRU_FLAG = int(PG.HEAD), int(PG.LRU)


@kernel_function
def free_frozen_pages(page: Any, order: int) -> None:
    """Free a page whose last reference went before."""
    __free_frozen_pages(page, order)


@static_inline
def mem_cgroup_uncharge(folio: Any) -> None:
    """Every charged page, the user's or the kernel's, where memcg is not disabled; none is charged here."""
    if not kernel.CONFIG_MEMCG or kernel.memory_cgrp_disabled():
        return
    if unlikely(read_once(folio, "memcg_data") != 0):
        kernel.uncharge(folio)


@kernel_function
def __folio_put(folio: Any) -> None:
    """Ask what else the folio was, and free it: device memory, hugetlb, on an LRU list, to be split."""
    flags = read_once(folio, "flags")
    if kernel.CONFIG_MEMORY_FAILURE and unlikely(
        ((flags >> kernel.ZONE_SHIFT) & kernel.ZONE_MASK) == ZONE_DEVICE
    ):
        rare()
        beyond(folio)
        return
    if unlikely(load_once_u8(address_of(folio) + TYPE_BYTE) == HUGETLB):
        rare()
        beyond(folio)
        return
    if unlikely(read_once(folio, "flags") & LRU_FLAG != 0):
        rare()
        beyond(folio)
    if kernel.CONFIG_ISOLATION and unlikely(read_once(folio, "flags") & HEAD != 0):
        rare()
        beyond(folio)
    mem_cgroup_uncharge(folio)
    order = as_long(read_once(folio, "flags") & HEAD)
    if unlikely(order != 0):
        rare()
        beyond(folio)
    free_frozen_pages(folio, order)


@kernel_function
def put_page(page: Any, order: int) -> None:
    """Drop a reference to the page's folio; slabs and large kmallocs have none to drop."""
    folio = page_folio(page)
    kind = load_once_u8(address_of(folio) + TYPE_BYTE)
    if unlikely(kind == SLAB):
        rare()
        return
    if unlikely(kind == LARGE_KMALLOC):
        rare()
        return
    if dec_and_test(folio, "_refcount"):
        __folio_put(folio)
