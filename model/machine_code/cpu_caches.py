"""Sizes of this CPU's caches, as Linux reports them, and how many struct pages lie in each of them."""

from pathlib import Path
from typing import Final

from model.common.system_files import read

CPU: Final = Path("/sys/devices/system/cpu/cpu0/cache")
USUAL: Final = {"data": 32 << 10, "code": 32 << 10, "l2": 1 << 20, "l3": 32 << 20}
"""Cache sizes in bytes that are assumed where the system reports none."""
KINDS: Final = {
    ("1", "Data"): "data",
    ("1", "Instruction"): "code",
    ("2", "Unified"): "l2",
    ("3", "Unified"): "l3",
}
PAGE_BYTES: Final = 64
"""Size of a struct page in bytes, on every modelled kernel."""
CHUNK: Final = 4096
"""Most pages of a slice: the size of an array is a multiple of it."""
LEAST_DRAM: Final = 1 << 30
UNITS: Final = {"K": 10, "M": 20, "G": 30}


def sizes(folder: Path | None = None) -> dict[str, int]:
    """Bytes of `data` and `code` (first level), `l2` and `l3`; `USUAL` where the system does not say."""
    return USUAL | reported(folder)


def reported(folder: Path | None = None) -> dict[str, int]:
    """The cache sizes that the system reports."""
    folder, known = folder or CPU, {}
    for index in sorted(folder.glob("index*")):
        level, kind, size = (read(index / name) for name in ("level", "type", "size"))
        name = KINDS.get((level, kind))
        if name and size[:-1].isdecimal() and size[-1] in UNITS:
            known[name] = int(size[:-1]) << UNITS[size[-1]]
    return known


def struct_pages(memory: str, folder: Path | None = None) -> int:
    """Number of struct pages in play for a value of axis `memory`.

    `warm`: 32 KiB of them, the first-level cache of the smallest machine, on every machine alike. `l2`: half
    the second-level cache. `l3`: four times that cache, or half the third if that is less. `dram`: twice the
    third, and 1 GiB at least.
    """
    if memory == "warm":
        return 512
    known = sizes(folder)
    near, far = known["l2"], known["l3"]
    wanted = {"l2": near // 2, "l3": max(near, min(4 * near, far // 2)), "dram": max(LEAST_DRAM, 2 * far)}
    return max(1, wanted[memory] // PAGE_BYTES // CHUNK) * CHUNK
