"""Writes a .BTF section out of types that a test describes."""

import struct
from collections.abc import Sequence

KINDS = {"struct": 4, "union": 5}


class BtfWriter:
    """Types in the order in which they are added; each method returns the number of its type."""

    def __init__(self) -> None:
        self._types: list[bytes] = []
        self._names = bytearray(b"\0")

    def name(self, text: str) -> int:
        """Place of a name."""
        if not text:
            return 0
        at = len(self._names)
        self._names += text.encode() + b"\0"
        return at

    def add(
        self, name: str, kind: int, size: int, body: bytes = b"", count: int = 0, flag: bool = False
    ) -> int:
        """Any type."""
        info = kind << 24 | count | flag << 31
        self._types.append(struct.pack("<III", self.name(name), info, size) + body)
        return len(self._types)

    def integer(self, name: str, size: int) -> int:
        """An integer of some bytes."""
        return self.add(name, 1, size, struct.pack("<I", 8 * size))

    def pointer(self, to: int) -> int:
        """A pointer."""
        return self.add("", 2, to)

    def array(self, element: int, count: int) -> int:
        """An array."""
        return self.add("", 3, 0, struct.pack("<III", element, 1, count))

    def record(self, kind: str, name: str, size: int, members: Sequence[tuple[str, int, int]]) -> int:
        """A structure or union; members by name, type and offset in bytes."""
        body = b"".join(struct.pack("<III", self.name(text), number, 8 * at) for text, number, at in members)
        return self.add(name, KINDS[kind], size, body, len(members))

    def enumeration(self, name: str, values: dict[str, int]) -> int:
        """An enumeration of four bytes, signed."""
        body = b"".join(struct.pack("<Ii", self.name(text), value) for text, value in values.items())
        return self.add(name, 6, 4, body, len(values), flag=True)

    def section(self) -> bytes:
        """The whole section."""
        types = b"".join(self._types)
        head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(self._names))
        return head + types + bytes(self._names)
