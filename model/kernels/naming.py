"""Which object and field an address belongs to, in memory that is made of NumPy records."""

from collections.abc import Mapping
from typing import Any

import numpy as np

Objects = Mapping[str, tuple[int, int, np.dtype[Any] | None]]
"""Name -> first address, bytes, and the record that lies there, once or several times; None: no record."""


class Names:
    """Names accesses.

    Attributes
    ----------
    page
        Address of the struct page that is followed; others are neighbours.
    """

    def __init__(self, objects: Objects) -> None:
        self.page = 0
        self._objects = objects

    def of(self, at: int, size: int) -> tuple[str, str, int] | None:
        """Object, field and offset within the object; None for what is none of the memory."""
        for name, (start, length, dtype) in self._objects.items():
            if not start <= at < start + length:
                continue
            if dtype is None:
                return name, "", 0
            inside = (at - start) % dtype.itemsize
            if name == "page" and at - inside != self.page:
                name = "neighbour"
            return name, field_at(dtype, inside), inside
        return None


def field_at(dtype: np.dtype[Any], offset: int) -> str:
    """Path of the field at an offset: `kmem.count`, `lists[2].next`; empty for a plain number."""
    if dtype.subdtype is not None:
        index, inside = divmod(offset, dtype.base.itemsize)
        rest = field_at(dtype.base, inside)
        return f"[{index}]" + (f".{rest}" if rest else "")
    for name in dtype.names or ():
        kind, start = dtype.fields[name][:2]  # type: ignore[index]
        if start <= offset < start + kind.itemsize:
            rest = field_at(kind, offset - start)
            return name + (rest if rest.startswith("[") else f".{rest}" if rest else "")
    return "" if dtype.names is None else f"+{offset}"
