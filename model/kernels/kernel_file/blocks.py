"""Blocks of pages as their owners hold them: of an order, or one compound page, by the file's BTF.

Which counters of a whole folio lie in its tail pages differs from version to version. Those that the kernel
has are set as it sets them up for a new folio (prep_compound_page and prep_compound_head, v6.1 to v7.3).
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.kernels.kernel_file.layout import POISON, FileMemory
from model.kernels.loop_record import PAGE_BYTES
from model.vocabulary.scenario import Scenario

TAIL_MAPPING: Final = POISON | 0x400
"""`mapping` of a tail page (include/linux/poison.h, v6.12)."""
COUNTERS: Final[Mapping[str, int]] = {
    "_total_mapcount": -1,
    "_large_mapcount": -1,
    "_entire_mapcount": -1,
    "_nr_pages_mapped": 0,
    "_pincount": 0,
    "_mm_id_mapcount[0]": -1,
    "_mm_id_mapcount[1]": -1,
}
"""Field of `struct folio` in its tail pages -> its value where nothing is mapped or pinned."""
SIZES: Final = ("_folio_nr_pages", "_nr_pages")
"""Fields that have the number of pages."""
MASKED: Final = "hugetlb_vmemmap_optimize_folios"
"""Where the kernel has it, a tail's `compound_info` is a mask that gives the head, not a pointer (v7.1)."""


class Block:
    """One block's start state.

    Parameters
    ----------
    memory
        The file's memory.
    scenario
        Which block.
    first
        Its first page: V64[1].

    Attributes
    ----------
    rows
        V64[pages of the block].
    links
        Offsets of words in it to which the address of the block is added.
    """

    def __init__(self, memory: FileMemory, scenario: Scenario, first: npt.NDArray[Any]) -> None:
        self._btf, order = memory.btf, scenario.block_order
        tail = memory.page(_refcount=0)
        self.rows = np.concatenate([first, np.repeat(tail, (1 << order) - 1)])
        self.links: list[int] = []
        if scenario.compound:
            self._bytes = self.rows.view(np.uint8)
            self._make_compound(order, masked=memory.loaded.has(MASKED))

    def put(self, memory: FileMemory, count: int) -> None:
        """Put so many of it at the beginning of the page array."""
        size = len(self.rows)
        words = memory.mem_map[: count * size].view(np.uint64).reshape(count, -1)
        words[:] = self.rows.view(np.uint64)
        heads = memory.page_address(0) + np.arange(count, dtype=np.uint64) * np.uint64(size * PAGE_BYTES)
        for link in self.links:
            words[:, link // 8] += heads

    def _make_compound(self, order: int, *, masked: bool) -> None:
        btf = self._btf
        self._add("struct page", "flags", 1 << btf.enumerator("PG_head"))
        new = btf.has_field("struct page", "compound_info")
        for tail in range(1, 1 << order):
            at = tail * PAGE_BYTES
            self._set("struct page", "mapping", TAIL_MAPPING, at)
            if new and masked:
                self._set("struct page", "compound_info", -(PAGE_BYTES << order) | 1, at)
            else:
                self._link("struct page", "compound_info" if new else "compound_head", 1, at)
        for path, value in {**COUNTERS, **dict.fromkeys(SIZES, 1 << order)}.items():
            if btf.has_field("struct folio", path):
                self._set("struct folio", path, value)
        if btf.has_field("struct folio", "_folio_order"):  # up to v6.5
            self._set("struct folio", "_folio_order", order)
        else:
            self._add("struct folio", "_flags_1", order)
        if order > 1 and btf.has_field("struct folio", "_deferred_list"):
            for end in ("next", "prev"):
                path = f"_deferred_list.{end}"
                self._link("struct folio", path, btf.offset("struct folio", "_deferred_list"), 0)

    def _set(self, kind: str, path: str, value: int, at: int = 0) -> None:
        field = self._btf.field(kind, path)
        size = self._btf.size(field.type)
        data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        self._bytes[at + field.offset : at + field.offset + size] = np.frombuffer(data, np.uint8)

    def _add(self, kind: str, path: str, value: int) -> None:
        offset = self._btf.offset(kind, path)
        self.rows.view(np.uint64)[offset // 8] |= np.uint64(value)

    def _link(self, kind: str, path: str, value: int, at: int) -> None:
        self._set(kind, path, value, at)
        self.links.append(at + self._btf.offset(kind, path))
