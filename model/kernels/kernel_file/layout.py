"""What the free path of a kernel file reads and writes: node, zone, per-CPU lists, memory map and pages.

Every offset and size is the file's own, out of its BTF; only the names of fields are known beforehand.
One node and one zone, both number 0, so that the bits of `page->flags` that name them are 0; one CPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.common.errors import KernelFileError
from model.kernels.arrays import address_of, aligned
from model.kernels.kernel_file.names import FileNames, Part
from model.kernels.loop_record import PAGE_BYTES
from model.kernels.page_array import FIRST_PFN, LINE, PageArray
from model.vmlinux.loading import LoadedKernel

BATCH: Final = 63
"""Pages that are drained at a time, as x86-64 has it on any larger machine (zone_batchsize, v6.12)."""
HIGH_NEVER: Final = 1 << 25
"""Pages on the per-CPU list before it is drained: more than are freed between two restores."""
BATCH_NEVER: Final = 1 << 16
"""The same in the place of `BATCH`: a stream of blocks is drained after a batch of pages (v6.7 and later)."""
MOVABLE: Final = 1
"""MIGRATE_MOVABLE, and so the index of its list of order 0."""
PAGE: Final = 4096
ROOTS: Final = 1 << 11
"""Roots of the section table that are filled: 256 GiB of memory."""
USAGE_WORDS: Final = 32
ONLINE: Final = 0b111
"""SECTION_MARKED_PRESENT, SECTION_HAS_MEM_MAP and SECTION_IS_ONLINE (include/linux/mmzone.h, v6.12)."""
POISON: Final = 0xDEAD_0000_0000_0000
LIST_POISON: Final = {"lru.next": POISON | 0x100, "lru.prev": POISON | 0x122}
"""Of a page that was taken from a list (include/linux/poison.h, v6.12, CONFIG_ILLEGAL_POINTER_VALUE)."""
NEEDED: Final = (
    "struct page.flags",
    "struct page._refcount",
    "struct page._mapcount",
    "struct page.lru.next",
    "struct page.lru.prev",
    "struct page.private",
    "struct zone.zone_pgdat",
    "struct zone.per_cpu_pageset",
    "struct zone.per_cpu_zonestats",
    "struct zone.zone_start_pfn",
    "struct zone.spanned_pages",
    "struct zone.free_area",
    "struct free_area.free_list",
    "struct pglist_data.node_zones",
    "struct pglist_data.node_id",
    "struct pglist_data.per_cpu_nodestats",
    "struct per_cpu_pages.lock",
    "struct per_cpu_pages.count",
    "struct per_cpu_pages.batch",
    "struct per_cpu_pages.lists",
    "struct mem_section.section_mem_map",
    "struct mem_section.usage",
    "struct mem_section_usage.pageblock_flags",
    "struct task_struct.cpus_mask",
)
"""Fields that are filled here or that the path is known to touch, in every kernel that was tried."""


@dataclass(frozen=True)
class Needs:
    """What a scenario needs beside the usual memory.

    Attributes
    ----------
    parts
        Objects of its own, which are given back between passes as the per-CPU lists are.
    order
        Of the blocks that it frees: the page array is aligned to one, as the memory map is.
    at_once
        Pages that a call frees.
    """

    parts: Sequence[Part] = ()
    order: int = 0
    at_once: int = 1


USUAL: Final = Needs()


class FileMemory(PageArray):
    """All the memory beside the kernel file itself.

    Parameters
    ----------
    loaded
        The file; its variables are written, so map it afterwards.
    pages, rng, huge
        As `PageArray` has them.
    needs
        What a scenario needs beside the usual.

    Attributes
    ----------
    arena
        uint8[bytes]: everything but pages; from `restored` on it is given back between passes.
    gs_base
        Base of %gs.

    Raises
    ------
    KernelFileError
        When BTF lacks a field, or a structure is not what the path is timed with.
    """

    def __init__(
        self,
        loaded: LoadedKernel,
        pages: int,
        rng: np.random.Generator | None,
        *,
        huge: bool = True,
        needs: Needs = USUAL,
    ) -> None:
        self.loaded, self.btf, self.at_once = loaded, loaded.kernel.btf, needs.at_once
        self.btf.require(*NEEDED)
        if self.btf.size("struct page") != PAGE_BYTES:
            raise KernelFileError(f"has a struct page of {self.btf.size('struct page')} bytes, not 64")
        step = max(LINE, PAGE_BYTES << needs.order)
        super().__init__(np.dtype(f"V{PAGE_BYTES}"), pages, rng, huge=huge, step=step)
        self._lay_out(needs.parts)
        self._fill_cpu()
        self._fill_map()
        self._fill_zone()
        self._fill_lists(BATCH_NEVER if needs.order else BATCH)
        self.fill(self.page())

    def _lay_out(self, more: Sequence[Part]) -> None:
        """Decide where each part lies; what is given back between passes comes last, together."""
        wanted = [
            Part("percpu", 0, self.loaded.per_cpu.size),
            self._whole("node", "struct pglist_data"),
            self._whole("zonestat", "struct per_cpu_zonestat"),
            self._whole("nodestat", "struct per_cpu_nodestat"),
            self._whole("task", "struct task_struct"),
            Part("section_roots", 0, 8 * ROOTS),
            Part("mem_section", 0, PAGE, "struct mem_section", array=True),
            Part("mem_section_usage", 0, PAGE, "struct mem_section_usage"),
            self._whole("pcp", "struct per_cpu_pages"),
        ]
        offsets, at = [], 0
        for number, part in enumerate((*wanted, *more)):
            step = PAGE if number < len(wanted) else LINE
            offsets.append(at)
            at += -(-part.size // step) * step
        self.arena = aligned(np.uint8, at, self.data_offset)
        start = address_of(self.arena)
        pairs = zip((*wanted, *more), offsets, strict=True)
        self.parts = {part.name: replace(part, start=start + offset) for part, offset in pairs}
        self.restored = self.parts["pcp"].start - start
        self.zone = self.parts["node"].start + self.btf.offset("struct pglist_data", "node_zones")

    def _whole(self, name: str, kind: str) -> Part:
        return Part(name, 0, self.btf.size(kind), kind)

    # Words and fields

    def bytes_at(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """Part of the arena, u1[size]: a view."""
        at = address - address_of(self.arena)
        return self.arena[at : at + size]

    def write(self, address: int, value: int, size: int = 8) -> None:
        """Write a number into the arena."""
        data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        self.bytes_at(address, size)[:] = np.frombuffer(data, np.uint8)

    def read(self, address: int, size: int) -> int:
        """Read a number from the arena."""
        return int.from_bytes(self.bytes_at(address, size).tobytes(), "little")

    def write_field(self, address: int, kind: str, path: str, value: int) -> None:
        """Write a field of a structure that begins at an address."""
        field = self.btf.field(kind, path)
        self.write(address + field.offset, value, self.btf.size(field.type))

    def read_field(self, part: str, path: str) -> int:
        """Read a field of a part."""
        where = self.parts[part]
        field = self.btf.field(where.type, path)
        return self.read(where.start + field.offset, self.btf.size(field.type))

    def set_global(self, name: str, value: int) -> None:
        """Write a pointer variable of the kernel."""
        self.loaded.memory.write(self.loaded.symbol(name), (value & (1 << 64) - 1).to_bytes(8, "little"))

    def _list_head(self, address: int) -> None:
        self.write(address, address)
        self.write(address + 8, address)

    # What the kernel sets up while it boots

    def _fill_cpu(self) -> None:
        """Per-CPU variables: the initial ones, this CPU's offset, the task and its preempt count."""
        per_cpu, copy = self.loaded.per_cpu, self.parts["percpu"].start
        at = copy - address_of(self.arena)
        self.arena[at : at + per_cpu.size] = np.frombuffer(
            self.loaded.memory.read(per_cpu.template, per_cpu.size), np.uint8
        )
        self.gs_base = per_cpu.gs_base(copy)
        self.write(self.variable("this_cpu_off"), self.gs_base)
        self.set_global("__per_cpu_offset", self.gs_base)
        task = self.parts["task"].start
        if self.loaded.kernel.symbols.has("pcpu_hot"):  # v6.2 to v6.14
            hot = self.variable("pcpu_hot")
            field = self.btf.field("struct pcpu_hot", "preempt_count")
            self.preempt_count, self.preempt_bytes = hot + field.offset, self.btf.size(field.type)
            self.write_field(hot, "struct pcpu_hot", "current_task", task)
        else:
            self.preempt_count = self.variable("__preempt_count")
            known = self.btf.has_variable("__preempt_count")
            self.preempt_bytes = self.btf.variable("__preempt_count").size if known else 4
            self.write(self.variable("current_task"), task)
        # May be preempted and need not be: the highest bit is inverted (arch/x86/include/asm/preempt.h).
        self.preemptible = 1 << 8 * self.preempt_bytes - 1
        self.write(self.preempt_count, self.preemptible, self.preempt_bytes)
        # PREEMPT_RT keeps a task on its CPU by this pointer.
        mask = task + self.btf.offset("struct task_struct", "cpus_mask")
        if self.btf.has_field("struct task_struct", "cpus_ptr"):
            self.write_field(task, "struct task_struct", "cpus_ptr", mask)

    def variable(self, name: str) -> int:
        """Address of this CPU's copy of a per-CPU variable."""
        return self.loaded.per_cpu_address(name, self.parts["percpu"].start)

    def _fill_map(self) -> None:
        """The memory map and the table of sections, with every pageblock movable."""
        btf, parts = self.btf, self.parts
        self.set_global("vmemmap_base", self.page_address(0) - PAGE_BYTES * FIRST_PFN)
        self.set_global("mem_section", parts["section_roots"].start)
        self.bytes_at(parts["section_roots"].start, 8 * ROOTS).view("<i8")[:] = parts["mem_section"].start
        first, step = parts["mem_section"].start, btf.size("struct mem_section")
        self.write_field(first, "struct mem_section", "section_mem_map", ONLINE)
        self.write_field(first, "struct mem_section", "usage", parts["mem_section_usage"].start)
        sections = self.bytes_at(first, PAGE // step * step).reshape(-1, step)
        sections[1:] = sections[0]
        bits = 1
        while bits < btf.enumerator("NR_PAGEBLOCK_BITS", "__NR_PAGEBLOCK_BITS"):
            bits *= 2
        pattern = sum(MOVABLE << shift for shift in range(0, 64, bits))
        flags = parts["mem_section_usage"].start + btf.offset("struct mem_section_usage", "pageblock_flags")
        self.bytes_at(flags, 8 * USAGE_WORDS).view("<u8")[:] = pattern

    def _fill_zone(self) -> None:
        """Node and zone 0, whose free lists are empty."""
        btf, node, zone = self.btf, self.parts["node"].start, self.zone
        self.set_global("node_data", node)
        self.write_field(node, "struct pglist_data", "node_id", 0)
        self._percpu_pointer(node, "struct pglist_data", "per_cpu_nodestats", "nodestat")
        self.write_field(zone, "struct zone", "zone_pgdat", node)
        self._percpu_pointer(zone, "struct zone", "per_cpu_pageset", "pcp")
        self._percpu_pointer(zone, "struct zone", "per_cpu_zonestats", "zonestat")
        self.write_field(zone, "struct zone", "zone_start_pfn", FIRST_PFN)
        self.write_field(zone, "struct zone", "spanned_pages", self.pages)
        areas = btf.field("struct zone", "free_area")
        area, count = btf.array(areas.type)
        lists = btf.field(area, "free_list")
        kinds = btf.array(lists.type)[1]
        for order in range(count):
            for kind in range(kinds):
                self._list_head(zone + areas.offset + order * btf.size(area) + lists.offset + 16 * kind)

    def _percpu_pointer(self, address: int, kind: str, path: str, part: str) -> None:
        """A pointer to per-CPU data: what it is without this CPU's offset."""
        self.write_field(address, kind, path, self.parts[part].start - self.gs_base)

    def _fill_lists(self, batch: int) -> None:
        """The lists of this CPU and that zone, empty and never full."""
        btf, pcp = self.btf, self.parts["pcp"].start
        # A booted kernel tunes `high` between two limits (v6.7 and later, percpu_pagelist_high_fraction 0).
        limits = (("high", HIGH_NEVER), ("high_min", HIGH_NEVER), ("high_max", HIGH_NEVER + 1))
        for name, value in limits:
            if btf.has_field("struct per_cpu_pages", name):
                self.write_field(pcp, "struct per_cpu_pages", name, value)
        self.write_field(pcp, "struct per_cpu_pages", "batch", batch)
        lists = btf.field("struct per_cpu_pages", "lists")
        for index in range(btf.array(lists.type)[1]):
            self._list_head(pcp + lists.offset + 16 * index)

    # Pages and lists

    def page(self, **fields: int) -> npt.NDArray[Any]:
        """A page as its owner holds it: V64[1].

        Parameters
        ----------
        fields
            Values other than a plain page's, with `__` for the dot in a path: `lru__next`.
        """
        values = {"_refcount": 1, "_mapcount": -1, **LIST_POISON}
        values |= {
            path.replace("__", ".") if not path.startswith("_") else path: v for path, v in fields.items()
        }
        made = bytearray(PAGE_BYTES)
        for path, value in values.items():
            field = self.btf.field("struct page", path)
            size = self.btf.size(field.type)
            data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
            made[field.offset : field.offset + size] = data
        return np.frombuffer(bytes(made), f"V{PAGE_BYTES}")

    def page_words(self, path: str) -> npt.NDArray[Any]:
        """A field of every page, as unsigned numbers: shape (pages,), a view."""
        field = self.btf.field("struct page", path)
        size = self.btf.size(field.type)
        rows = self.mem_map.view(np.uint8).reshape(-1, PAGE_BYTES)
        return rows[:, field.offset : field.offset + size].view(f"u{size}")[:, 0]

    def listed(self, order: int = 0) -> list[int]:
        """Numbers of the pages, or first pages, on the per-CPU list of movable blocks, the latest first."""
        index = self.btf.enumerator("MIGRATE_PCPTYPES") * order + MOVABLE
        head = self.parts["pcp"].start + self.btf.offset("struct per_cpu_pages", "lists") + 16 * index
        return self.walk(head, self.btf.offset("struct page", "lru"))

    # What the emulator has to know

    def regions(self) -> dict[str, tuple[int, int]]:
        """Where memory lies: name -> first address and bytes."""
        return {
            "pages": (address_of(self.mem_map), self.mem_map.nbytes),
            "arena": (address_of(self.arena), self.arena.nbytes),
            "kernel": (self.loaded.memory.start, len(self.loaded.memory.data)),
        }

    def names(self) -> FileNames:
        """What names accesses."""
        return FileNames(self)
