"""The memory of a modelled machine beside its struct pages: an arena for each CPU, and tables."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import address_of, aligned
from model.kernels.naming import Names
from model.kernels.page_array import FIRST_PFN, LINE, PageArray
from model.kernels.way_tags import apart

Parts = Mapping[str, tuple[np.dtype[Any], int]]
"""Name of a part of an arena -> its record, and how many there are."""


def lines(parts: Parts) -> np.dtype[Any]:
    """One record of parts that each start on a cache line of their own."""
    offsets, at = [], 0
    for record, count in parts.values():
        offsets.append(at)
        at += -(-record.itemsize * count // LINE) * LINE
    formats = [record if count == 1 else (record, (count,)) for record, count in parts.values()]
    return np.dtype({"names": list(parts), "formats": formats, "offsets": offsets, "itemsize": at})


SECTION_SHIFT: Final = 15
SECTIONS_PER_ROOT_SHIFT: Final = 8
SECTION_BYTES: Final = 16
"""SPARSEMEM: pages of a section, sections of a root, bytes of struct mem_section, whose second word points to
the bits of its pageblocks."""
MAX_ORDER: Final = 10
"""Order of the largest free blocks."""


class ArenaMemory(PageArray):
    """All the memory that a version's free path can touch.

    Parameters
    ----------
    parts
        Of the arena; `cpu`, `zone`, `pcp` and `memcg` are known here.
    page
        `struct page`.
    zones
        The zone record, the number of the zone that pages are in, and how many lists an order has.
    pages, rng, huge
        As `PageArray` has them.
    cpus
        Each has an arena of its own; zones and cgroups of the others are not used.

    Attributes
    ----------
    mem_map
        One `page` for each, as the version sets them up.
    arenas
        One array of one record for each CPU.
    arena
        CPU 0's.
    """

    def __init__(
        self,
        parts: Parts,
        page: np.dtype[Any],
        zones: tuple[np.dtype[Any], int, int],
        pages: int,
        rng: np.random.Generator | None,
        *,
        huge: bool,
        cpus: int = 1,
        step: int = LINE,
    ) -> None:
        super().__init__(page, pages, rng, huge=huge, step=step)
        self.page_record, self._parts, self._record = page, parts, lines(parts)
        self.zone_record, self._zone, self._kinds = zones
        self._area_bytes = 16 * self._kinds + 8
        self.arenas = [
            apart(lambda: aligned(self._record, 1, self.data_offset)[0:1], self.mem_map) for _ in range(cpus)
        ]
        self.arena = self.arenas[0]

    lru: ClassVar[int]
    """Offset of a struct page's links, bytes."""
    idle: ClassVar[Mapping[str, int]]
    """Field of a struct page -> its value in a page that is allocated and idle; all others are zero."""

    @property
    @abstractmethod
    def plain_flags(self) -> int:
        """`flags` of a page of ZONE_NORMAL on node 0, with no bit set."""

    def idle_page(self) -> npt.NDArray[Any]:
        """An allocated and idle page: struct page[1]."""
        page = np.zeros(1, self.page_record)
        page["flags"] = self.plain_flags
        for field, value in self.idle.items():
            page[field] = value
        return page

    @property
    def cpu(self) -> Any:
        """The %gs area."""
        return self.arena["cpu"][0]

    @property
    def cpus(self) -> list[Any]:
        """The %gs area of each CPU."""
        return [arena["cpu"][0] for arena in self.arenas]

    @property
    def zone(self) -> Any:
        """ZONE_NORMAL of node 0."""
        return self.arena["zone"][0][self._zone]

    @property
    def pcp(self) -> Any:
        """CPU 0's lists of that zone."""
        return self.arena["pcp"][0]

    @property
    def memcg(self) -> Any:
        """The cgroups, the root first."""
        return self.arena["memcg"][0]

    def offset(self, name: str) -> int:
        """Offset of one part of the arena from this CPU's area: the value of a per-CPU pointer."""
        return int(self._record.fields[name][1])  # type: ignore[index]

    @property
    def restored(self) -> int:
        """Offset from which the arena is restored: the %gs area before it keeps its counters."""
        return self.offset("zone")

    def field_address(self, name: str, cpu: int = 0) -> int:
        """Address of one part of a CPU's arena."""
        return address_of(self.arenas[cpu]) + self.offset(name)

    def memcg_address(self, index: int) -> int:
        """Address of one cgroup."""
        return self.field_address("memcg") + index * int(self.memcg.dtype.itemsize)

    @property
    def zone_address(self) -> int:
        """Address of ZONE_NORMAL."""
        return self.field_address("zone") + self._zone * self.zone_record.itemsize

    def free_list(self, order: int, migratetype: int) -> int:
        """Address of a free list's head."""
        area = int(self.zone_record.fields["free_area"][1])  # type: ignore[index]
        return self.zone_address + area + order * self._area_bytes + 16 * migratetype

    def free_list_words(self, order: int, migratetype: int) -> npt.NDArray[np.int64]:
        """That list head, as two words: next, prev."""
        at = (order * self._area_bytes + 16 * migratetype) // 8
        return self._areas()[at : at + 2]

    def empty_lists(self, count: int, cpu: int = 0) -> None:
        """Empty so many lists of a CPU."""
        at = self.field_address("pcp", cpu) + int(self.pcp.dtype.fields["lists"][1])
        lists = self.arenas[cpu]["pcp"][0]["lists"][:count]
        lists["next"] = lists["prev"] = at + 16 * np.arange(count)

    def empty_free_lists(self) -> None:
        """Empty the zone's lists of every order and type."""
        for order in range(MAX_ORDER + 1):
            for kind in range(self._kinds):
                self.free_list_words(order, kind)[:] = self.free_list(order, kind)

    def free_blocks(self) -> dict[tuple[int, int], list[int]]:
        """Order and type -> the free blocks' first pages, in the order of each list that has any."""
        kinds = ((order, kind) for order in range(MAX_ORDER + 1) for kind in range(self._kinds))
        found = {kind: self.walk(self.free_list(*kind), self.lru) for kind in kinds}
        return {kind: blocks for kind, blocks in found.items() if blocks}

    def map_sections(
        self, usage_bytes: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Sections that cover the pages, in whole roots.

        Parameters
        ----------
        usage_bytes
            Of each section, for the bits of its pageblocks.

        Returns
        -------
        struct mem_section, i8[sections, 2]; their bits, u1[sections, usage_bytes]; each root's address
        """
        count = ((FIRST_PFN + self.pages - 1) >> SECTION_SHIFT) + 1
        roots = -(-count // (1 << SECTIONS_PER_ROOT_SHIFT))
        count = roots << SECTIONS_PER_ROOT_SHIFT
        usages = aligned("u1", count * usage_bytes).reshape(count, usage_bytes)
        sections = aligned("i8", count * SECTION_BYTES // 8).reshape(count, SECTION_BYTES // 8)
        sections[:, 1] = address_of(usages) + np.arange(count) * usage_bytes
        per_root = SECTION_BYTES << SECTIONS_PER_ROOT_SHIFT
        return sections, usages, address_of(sections) + np.arange(roots) * per_root

    def nr_free(self, order: int) -> int:
        """Free blocks of one order, by the zone's own count."""
        return int(self._areas()[((order + 1) * self._area_bytes) // 8 - 1])

    def set_nr_free(self, order: int, count: int) -> None:
        """Set that count, for a start state."""
        self._areas()[((order + 1) * self._area_bytes) // 8 - 1] = count

    def _areas(self) -> npt.NDArray[np.int64]:
        words: npt.NDArray[np.int64] = self.zone["free_area"].view("i8")
        return words

    @abstractmethod
    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays beside arena and pages: section tables and pageblock bits."""

    def objects(self) -> dict[str, tuple[int, int, np.dtype[Any] | None]]:
        """Address, bytes and record of every object that an access may be to; None: a table of numbers."""
        regions = self.regions()
        return {
            "page": (*regions["mem_map"], self.page_record),
            **{
                name: (self.field_address(name), record.itemsize * count, record)
                for name, (record, count) in self._parts.items()
                if count
            },
            **{name: (*regions[name], None) for name in self.tables()},
        }

    def regions(self) -> dict[str, tuple[int, int]]:
        """Address and bytes of everything that the free path can touch, beside its stack."""
        arrays = {"arena": self.arena, "mem_map": self.mem_map, **self.tables()}
        return {name: (address_of(array), array.nbytes) for name, array in arrays.items()}

    def names(self) -> Names:
        """What names accesses."""
        return Names(self.objects())
