"""Arrays in memory at known addresses, and whether they fit."""

import mmap
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.common.errors import OutOfMemoryError
from model.common.limits import memory_limit
from model.kernels.loop_record import PAGE_BYTES

SMAPS: Final = Path("/proc/self/smaps")
MAPPING: Final = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) ")


def address_of(array: npt.NDArray[Any]) -> int:
    """Address of an array's first byte."""
    return array.ctypes.data  # __array_interface__ would describe every field of a record as well


def aligned(dtype: npt.DTypeLike, count: int, offset: int = 0) -> npt.NDArray[Any]:
    """A zeroed array that starts `offset` bytes after a multiple of 4096."""
    size = np.dtype(dtype).itemsize * count
    raw = np.zeros(size + offset + mmap.PAGESIZE, np.uint8)
    start = -address_of(raw) % mmap.PAGESIZE + offset
    return raw[start : start + size].view(dtype)


def huge_share(array: npt.NDArray[Any], smaps: Path = SMAPS) -> float | None:
    """Share of an array that lies in huge pages; None where the system does not say.

    Mappings that the array lies in count as a whole.
    """
    first, last = address_of(array), address_of(array) + array.nbytes
    inside, size, huge = False, 0, 0
    with suppress(OSError), smaps.open("rb") as mappings:
        for line in mappings:
            if span := MAPPING.match(line):
                if int(span[1], 16) >= last:
                    break  # they are in order, and the system takes long to describe each
                inside = int(span[2], 16) > first
            elif inside and line.startswith(b"Rss:"):
                size += int(line.split()[1])
            elif inside and line.startswith(b"AnonHugePages:"):
                huge += int(line.split()[1])
    return huge / size if size else None


def check_available(pages: int) -> None:
    """Refuse an array of this many struct pages, when it does not fit with a fifth to spare.

    Raises
    ------
    OutOfMemoryError
    """
    need, limit = pages * PAGE_BYTES, memory_limit()
    if need * 1.2 > limit.free:
        raise OutOfMemoryError(
            f"the page array needs {need >> 20} MiB and a fifth more, {limit.free >> 20} MiB are free"
            f"{limit.under}: choose a smaller --memory or {limit.remedy}"
        )
