"""Names of what a kernel file's path accesses: by BTF inside structures, by symbols of variables."""

import bisect
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy.typing as npt

from model.kernels.arrays import address_of
from model.kernels.loop_record import PAGE_BYTES
from model.vmlinux.btf import Btf
from model.vmlinux.loading import LoadedKernel


@dataclass(frozen=True)
class Part:
    """A stretch of memory with one structure, or an array of it; `start` is 0 until it is laid out."""

    name: str
    start: int
    size: int
    type: str = ""
    array: bool = False


class Named(Protocol):
    """Memory whose accesses have names (`layout.FileMemory`)."""

    parts: dict[str, Part]
    mem_map: npt.NDArray[Any]
    at_once: int
    zone: int
    loaded: LoadedKernel
    btf: Btf


class FileNames:
    """Which object and field an access belongs to.

    Attributes
    ----------
    page
        Address of the first struct page that is followed, of as many as a call frees; others are neighbours.
    """

    def __init__(self, memory: Named) -> None:
        self._memory = memory
        self.page = 0

    def of(self, at: int, size: int) -> tuple[str, str, int] | None:
        """Object, field and offset within the object; None for what is none of the memory."""
        found = self._at(at, size)
        followed = range(self.page, self.page + self._memory.at_once * PAGE_BYTES)
        if found and found[0] == "page" and at - found[2] not in followed:
            return "neighbour", *found[1:]
        return found

    def _at(self, address: int, size: int) -> tuple[str, str, int] | None:
        memory = self._memory
        inside = address - address_of(memory.mem_map)
        if 0 <= inside < memory.mem_map.nbytes:
            offset = inside % PAGE_BYTES
            return "page", memory.btf.name_at("struct page", offset, size), offset
        for part in memory.parts.values():
            if part.start <= address < part.start + part.size:
                return self._in(part, address - part.start, size)
        kernel = memory.loaded.memory
        if 0 <= address - kernel.start < len(kernel.data):
            symbol = memory.loaded.name(address)
            return "global", symbol.name if symbol else "unknown", address - kernel.start
        return None

    def _in(self, part: Part, offset: int, size: int) -> tuple[str, str, int]:
        btf = self._memory.btf
        zones = self._memory.zone - self._memory.parts["node"].start
        if part.name == "node" and offset >= zones:
            step = btf.size("struct zone")
            if offset - zones < step:
                return "zone", btf.name_at("struct zone", offset - zones, size), offset - zones
        if part.name == "percpu":
            return "percpu", self._percpu_name(offset), offset
        if not part.type:
            return part.name, "", offset
        inside = offset % btf.size(part.type) if part.array else offset
        return part.name, btf.name_at(part.type, inside, size), inside

    def _percpu_name(self, offset: int) -> str:
        """The per-CPU variable that lies there."""
        starts, names = self._percpu_symbols
        at = bisect.bisect_right(starts, offset) - 1
        if at < 0:
            return ""
        return names[at] + (f"+{offset - starts[at]}" if offset > starts[at] else "")

    @cached_property
    def _percpu_symbols(self) -> tuple[list[int], list[str]]:
        """Offsets of the per-CPU variables in their area, in order, and their names."""
        loaded = self._memory.loaded
        area = loaded.per_cpu
        found = loaded.kernel.symbols.between(area.linked, area.linked + area.size)
        inside = [(at - area.linked, name) for at, name in found if not name.startswith("__per_cpu")]
        return [at for at, _ in inside], [name for _, name in inside]
