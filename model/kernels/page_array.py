"""The array of struct pages, alike for every kernel version: its memory, and the lists through it.

The array is private anonymous memory for which huge pages are requested, as the kernel maps its memory map
with 2 MiB pages.
"""

import contextlib
import ctypes
import mmap
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.common.errors import KernelReportError, OutOfMemoryError
from model.kernels.arrays import address_of, check_available
from model.kernels.loop_record import PAGE_BYTES

LINE: Final = 64
HUGE: Final = 2 << 20
BLOCK: Final = 1 << 10
"""Pages of the largest free block."""
FIRST_PFN: Final = 1 << 18
"""The first page's frame number: a multiple of the largest block, as in any zone."""


class PageArray:
    """struct pages at known addresses.

    Parameters
    ----------
    record
        `struct page`.
    pages
        struct pages; rounded up to whole blocks of 1024.
    rng
        Draws the line within a page at which data starts; None: the first one.
    huge
        Request huge pages for the array, or forbid them.
    step
        Bytes of which that line's place is a multiple: more than a line where blocks have to be aligned.
    beside
        Another one, of as many pages, whose memory and line it shares: of two kernels whose pages are freed
        in turn.

    Attributes
    ----------
    mem_map
        record[pages], zeroed.
    data_offset
        Offset in bytes within a page at which data starts.

    Raises
    ------
    OutOfMemoryError
        When the array does not fit into the memory that is free.
    """

    mem_map: npt.NDArray[Any]
    data_offset: int
    _mapping: mmap.mmap

    def __init__(
        self,
        record: np.dtype[Any],
        pages: int,
        rng: np.random.Generator | None,
        *,
        huge: bool,
        step: int = LINE,
        beside: "PageArray | None" = None,
    ) -> None:
        self.pages = -(-pages // BLOCK) * BLOCK
        if beside:
            self.data_offset, self._mapping = beside.data_offset, beside._mapping
            self.mem_map = beside.mem_map.view(record)
            return
        drawn = 0 if rng is None else int(rng.integers(mmap.PAGESIZE // LINE)) * LINE
        self.data_offset = drawn // step * step
        check_available(self.pages)
        self.mem_map = self._map(record, huge)

    def _map(self, record: np.dtype[Any], huge: bool) -> npt.NDArray[Any]:
        whole = self.pages * PAGE_BYTES + HUGE + mmap.PAGESIZE
        try:
            self._mapping = mmap.mmap(-1, whole, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as error:
            raise OutOfMemoryError(
                f"the page array needs {whole >> 20} MiB, and the kernel gives none ({error.strerror}): "
                "choose a smaller --memory, or raise the limit (ulimit -v, ulimit -d, vm.overcommit_memory)"
            ) from None
        with contextlib.suppress(AttributeError, OSError):  # a kernel without huge pages; --doctor says so
            self._mapping.madvise(mmap.MADV_HUGEPAGE if huge else mmap.MADV_NOHUGEPAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._mapping))
        return np.frombuffer(self._mapping, record, self.pages, -start % HUGE + self.data_offset)

    def page_address(self, index: int) -> int:
        """Address of one struct page."""
        return address_of(self.mem_map) + index * PAGE_BYTES

    def fill(self, template: npt.NDArray[Any]) -> None:
        """Make every page equal to the template, by words: assigning records takes ten times longer."""
        self.mem_map.view("u8").reshape(-1, PAGE_BYTES // 8)[:] = template.view("u8")

    def walk(self, head: int, lru: int) -> list[int]:
        """Numbers of the pages on a list, from its head's `next` on.

        Parameters
        ----------
        head
            Address of the list's head.
        lru
            Offset of the links in a page.

        Raises
        ------
        KernelReportError
            When a link leads to no page.
        """
        first = self.page_address(0)
        pages: list[int] = []
        link = ctypes.c_int64.from_address(head).value
        while link != head:
            index, rest = divmod(link - lru - first, PAGE_BYTES)
            if rest or not 0 <= index < self.pages or len(pages) > self.pages:
                raise KernelReportError(f"a list leads to {link:#x}, which is no page's lru")
            pages.append(index)
            link = ctypes.c_int64.from_address(link).value
        return pages

    def chain(self, head: int, pages: Sequence[int], lru: int) -> tuple[int, int]:
        """Link pages behind a head, in this order from its `next` on.

        Returns
        -------
        What the head's `next` and `prev` are then.
        """
        links = [self.page_address(number) + lru for number in pages]
        for before, link, after in zip([head, *links], links, [*links[1:], head], strict=False):
            words = (ctypes.c_int64 * 2).from_address(link)
            words[0], words[1] = after, before
        return links[0], links[-1]
