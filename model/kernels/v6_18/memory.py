"""The memory of a modelled machine: struct pages, zone, per-CPU lists, section tables."""

import contextlib
import ctypes
import mmap
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.common.errors import OutOfMemoryError
from model.kernels.arrays import address_of, aligned, check_available
from model.kernels.v6_18.page import NO_TYPE, NODE_MASK, PAGE_BYTES, STRUCT_PAGE, ZONE_SHIFT
from model.kernels.v6_18.zone import (
    BATCH,
    BLOCK_BITS,
    CPU_AREA,
    HIGH_NEVER,
    LISTS,
    PCP_LISTS,
    PREEMPT_OFFSET,
    ROOTS_KEPT,
    SECTION_BYTES,
    SECTION_ROOTS,
    SECTION_SHIFT,
    SECTIONS_PER_ROOT_SHIFT,
    STRUCT_PCP,
    STRUCT_ZONE,
    USAGE_BITMAP,
    USAGE_BYTES,
    ZONE_NORMAL,
    ZONES,
    Migratetype,
)
from model.vocabulary.scenario import Config

LINE: Final = 64
HUGE: Final = 2 << 20
BLOCK: Final = 1024
FIRST_PFN: Final = 1 << 18


def arena_of(config: Config) -> np.dtype[Any]:
    """Everything but pages and tables, each part on lines of its own; zones at the stride of the kernel."""
    zones = -(-STRUCT_ZONE[config].itemsize * ZONES // LINE) * LINE
    cpu = -(-CPU_AREA.itemsize // LINE) * LINE
    return np.dtype(
        {
            "names": ["cpu", "zones", "pcp"],
            "formats": [CPU_AREA, (STRUCT_ZONE[config], ZONES), STRUCT_PCP],
            "offsets": [0, cpu, cpu + zones],
            "itemsize": cpu + zones + STRUCT_PCP.itemsize,
        }
    )


class Memory:
    """All the memory that the free path can touch.

    Parameters
    ----------
    pages
        struct pages; rounded up to whole blocks of 1024.
    config
        Moves offsets, and decides how many bits a pageblock has.
    rng
        Draws where arena and page array start within a page, in lines; None: at its start.
    huge
        Ask for huge pages below the page array.

    Attributes
    ----------
    mem_map
        STRUCT_PAGE[pages], every page allocated and idle.
    arena
        One record of `arena_of(config)`.

    Raises
    ------
    OutOfMemoryError
        When the array does not fit into the memory that is free.
    """

    def __init__(
        self, pages: int, config: Config, rng: np.random.Generator | None = None, *, huge: bool = True
    ) -> None:
        self.pages, self.config = -(-pages // BLOCK) * BLOCK, config
        self.data_offset = 0 if rng is None else int(rng.integers(mmap.PAGESIZE // LINE)) * LINE
        check_available(self.pages)
        self.mem_map = self._map_pages(huge)
        self._record = arena_of(config)
        self.arena = aligned(self._record, 1, self.data_offset)[0:1]
        self._map_sections()
        self._link()
        template = np.zeros(1, STRUCT_PAGE)
        template["flags"], template["page_type"], template["_refcount"] = self.plain_flags, NO_TYPE, 1
        self.fill(template)

    @property
    def plain_flags(self) -> int:
        """Node 0, ZONE_NORMAL, no flag."""
        return ZONE_NORMAL << ZONE_SHIFT[self.config]

    @property
    def cpu(self) -> Any:
        """The %gs area."""
        return self.arena["cpu"][0]

    @property
    def zone(self) -> Any:
        """ZONE_NORMAL of node 0."""
        return self.arena["zones"][0][ZONE_NORMAL]

    @property
    def pcp(self) -> Any:
        """The lists that this CPU keeps of that zone."""
        return self.arena["pcp"][0]

    @property
    def restored(self) -> int:
        """Offset from which on the arena is restored: the %gs area before it counts on."""
        return int(self._record.fields["zones"][1])  # type: ignore[index]

    def field_address(self, name: str) -> int:
        """Address of one part of the arena."""
        return address_of(self.arena) + int(self._record.fields[name][1])  # type: ignore[index]

    def page_address(self, index: int) -> int:
        """Address of one struct page."""
        return address_of(self.mem_map) + index * PAGE_BYTES

    def pcp_list(self, migratetype: int) -> int:
        """Address of the head of a per-CPU list of order 0."""
        return self.field_address("pcp") + PCP_LISTS + 16 * migratetype

    def fill(self, template: npt.NDArray[Any]) -> None:
        """Make every page equal to the template, by words: assigning records takes ten times longer."""
        self.mem_map.view("u8").reshape(-1, PAGE_BYTES // 8)[:] = template.view("u8")

    def regions(self) -> dict[str, tuple[int, int]]:
        """Address and bytes of everything that the free path can touch, beside its stack."""
        arrays = {
            "arena": self.arena,
            "mem_map": self.mem_map,
            "section_roots": self._roots,
            "mem_section": self._sections,
            "pageblock_flags": self._usages,
        }
        return {name: (address_of(array), array.nbytes) for name, array in arrays.items()}

    def objects(self) -> dict[str, tuple[int, int, np.dtype[Any] | None]]:
        """Address, bytes and record of every object that an access may be to; None: a table of numbers."""
        zone = STRUCT_ZONE[self.config]
        return {
            "page": (address_of(self.mem_map), self.mem_map.nbytes, STRUCT_PAGE),
            "cpu": (self.field_address("cpu"), CPU_AREA.itemsize, CPU_AREA),
            "zone": (self.field_address("zones"), zone.itemsize * ZONES, zone),
            "pcp": (self.field_address("pcp"), STRUCT_PCP.itemsize, STRUCT_PCP),
            **{name: (*at, None) for name, at in self.regions().items() if name not in ("arena", "mem_map")},
        }

    def _map_pages(self, huge: bool) -> npt.NDArray[Any]:
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
        return np.frombuffer(self._mapping, STRUCT_PAGE, self.pages, -start % HUGE + self.data_offset)

    def _map_sections(self) -> None:
        """Roots, sections and their pageblock bits; every pageblock is MOVABLE."""
        count = ((FIRST_PFN + self.pages - 1) >> SECTION_SHIFT) + 1
        whole = -(-count // (1 << SECTIONS_PER_ROOT_SHIFT)) << SECTIONS_PER_ROOT_SHIFT
        self._usages = aligned("u1", whole * USAGE_BYTES).reshape(whole, USAGE_BYTES)
        block = int(Migratetype.MOVABLE) * (0x11 if BLOCK_BITS[self.config] == 4 else 1)
        self._usages[:, USAGE_BITMAP : USAGE_BITMAP + 64] = block
        self._sections = aligned("i8", whole * SECTION_BYTES // 8).reshape(-1, SECTION_BYTES // 8)
        self._sections[:, 1] = address_of(self._usages) + np.arange(whole) * USAGE_BYTES
        self._roots = aligned("i8", ROOTS_KEPT)
        per_root = SECTION_BYTES << SECTIONS_PER_ROOT_SHIFT
        roots = whole >> SECTIONS_PER_ROOT_SHIFT
        self._roots[:roots] = address_of(self._sections) + np.arange(roots) * per_root
        assert roots <= ROOTS_KEPT <= SECTION_ROOTS <= NODE_MASK["distribution"] << 4

    def _link(self) -> None:
        cpu, pcp = self.cpu, self.pcp
        cpu["preempt_count"] = PREEMPT_OFFSET
        cpu["this_cpu_off"] = self.field_address("pcp") - LINE  # any value; the pageset is relative to it
        cpu["vmemmap_base"] = address_of(self.mem_map) - FIRST_PFN * PAGE_BYTES
        cpu["mem_section"] = address_of(self._roots)
        cpu["node_data"][0] = self.field_address("zones")
        self.zone["per_cpu_pageset"] = LINE
        pcp["batch"], pcp["high_min"], pcp["high_max"] = BATCH, HIGH_NEVER, HIGH_NEVER + 1
        for index in range(LISTS[self.config]):
            head = self.pcp_list(index)
            pcp["lists"][index] = (head, head)
