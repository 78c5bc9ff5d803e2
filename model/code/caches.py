"""Sizes of this CPU's caches, as Linux tells them."""

from pathlib import Path
from typing import Final

CPU: Final = Path("/sys/devices/system/cpu/cpu0/cache")
USUAL: Final = {"data": 32 << 10, "code": 32 << 10, "l2": 1 << 20, "l3": 32 << 20}
"""Where the system tells nothing."""
KINDS: Final = {
    ("1", "Data"): "data",
    ("1", "Instruction"): "code",
    ("2", "Unified"): "l2",
    ("3", "Unified"): "l3",
}
UNITS: Final = {"K": 10, "M": 20, "G": 30}


def sizes(folder: Path = CPU) -> dict[str, int]:
    """Bytes of `data` and `code` (first level), `l2` and `l3`."""
    known = dict(USUAL)
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        name = KINDS.get((level, kind))
        if name and size[:-1].isdecimal() and size[-1] in UNITS:
            known[name] = int(size[:-1]) << UNITS[size[-1]]
    return known
