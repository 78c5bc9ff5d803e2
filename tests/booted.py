"""A booted kernel to call by hand: allocate, charge, free, and inspect. For tests and the census."""

from collections.abc import Sequence

import numpy as np

from model.kernels.arrays import address_of
from model.kernels.page_array import BLOCK
from model.kernels.store import Store
from model.kernels.v4_3.image import Image, allocator_of
from model.kernels.v4_3.machine import Machine
from model.kernels.v4_3.page import LRU, PAGE_BYTES, Mapcount
from model.kernels.v4_3.zone import MAX_ORDER, Migratetype
from model.machine_code.placement import Placement
from model.vocabulary.scenario import MemcgState


class Booted:
    """One image and its allocation side on a machine whose pages are all free.

    Pages are named by their number in the memory map.

    Parameters
    ----------
    image
        The free path to run.
    state
        The memcg state; it must fit `image.memcg`.
    pages
        struct pages, rounded up to blocks of 1024.
    store
        Where compiled images are.
    swap_account
        Charge memsw as well.
    """

    def __init__(
        self,
        image: Image,
        state: MemcgState,
        *,
        pages: int = BLOCK,
        store: Store | None = None,
        swap_account: bool = False,
    ) -> None:
        if image.memcg != (state != "off"):
            raise ValueError(f"image {image.name} does not fit memcg state {state}")
        store = store or Store()
        allocator = allocator_of(image)
        store.ensure([image, allocator])
        self.machine = Machine(pages, state, swap_account=swap_account)
        (self.free_path,) = self.machine.place(store.load(image))
        (self.allocator,) = self.machine.place(store.load(allocator))
        self._free_all()

    def _free_all(self) -> None:
        """As at boot: every page in a block of the largest order."""
        memory = self.machine.memory
        memory.mem_map["_count"] = 0
        head = memory.free_list(MAX_ORDER - 1, Migratetype.MOVABLE)
        links = [memory.page_address(first) + LRU for first in range(0, memory.pages, BLOCK)]
        for at, first in enumerate(range(0, memory.pages, BLOCK)):
            page = memory.mem_map[first]
            page["_mapcount"], page["private"] = Mapcount.BUDDY, MAX_ORDER - 1
            page["lru_prev"] = links[at - 1] if at else head
            page["lru_next"] = links[at + 1] if at + 1 < len(links) else head
        memory.free_list_words(MAX_ORDER - 1, Migratetype.MOVABLE)[:] = links[0], links[-1]
        memory.set_nr_free(MAX_ORDER - 1, len(links))
        memory.zone["nr_free_pages"] = memory.pages

    def call(self, placement: Placement, name: str, *arguments: int) -> int:
        """Run one compiled function."""
        self.machine.activate()
        return placement.function(name, len(arguments))(*arguments)

    def alloc_pages(
        self, order: int = 0, *, migratetype: int = Migratetype.MOVABLE, compound: bool = False
    ) -> int | None:
        """Allocate a block; its first page's number, or None when memory is out."""
        return self._number(self.call(self.allocator, "alloc_pages", order, migratetype, compound))

    def alloc_kmem_pages(self, order: int = 0, *, compound: bool = False) -> int | None:
        """Allocate kernel memory, charged where the memcg state says so."""
        return self._number(self.call(self.allocator, "alloc_kmem_pages", order, compound))

    def free_pages(self, page: int, order: int = 0) -> None:
        """__free_pages."""
        self.call(self.free_path, "__free_pages", self._address(page), order)

    def free_kmem_pages(self, page: int, order: int = 0) -> None:
        """__free_kmem_pages, the old helper."""
        self.call(self.free_path, "__free_kmem_pages", self._address(page), order)

    def put_page(self, page: int) -> None:
        """Drop one reference."""
        self.call(self.free_path, "put_page", self._address(page))

    def release_pages(self, pages: Sequence[int]) -> None:
        """Drop one reference to each."""
        addresses = np.array([self._address(page) for page in pages], np.int64)
        self.call(self.free_path, "release_pages", address_of(addresses), len(addresses))

    def drain_stock(self) -> None:
        """Give back what this CPU has charged ahead."""
        self.call(self.allocator, "drain_stock")

    def _address(self, page: int) -> int:
        return self.machine.memory.page_address(page)

    def _number(self, address: int) -> int | None:
        return (address - self._address(0)) // PAGE_BYTES if address else None
