"""Types of a .BTF section, by number and by name."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from model.common.errors import KernelFileError

MAGIC: Final = 0xEB9F
HEADER: Final = struct.Struct("<HBBIIIII")
POINTER_BYTES: Final = 8
INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST = range(1, 11)
RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(11, 20)
TRAILING: Final = {INT: 4, ARRAY: 12, VAR: 4, DECL_TAG: 4}
"""Bytes behind the twelve of every type, by its kind."""
PER_MEMBER: Final = {STRUCT: 12, UNION: 12, ENUM: 8, FUNC_PROTO: 8, DATASEC: 12, ENUM64: 12}
"""Bytes of each member, by the kind of the type."""
TRANSPARENT: Final = frozenset({TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG})
"""Kinds that only give another name or a qualifier to a type."""
SIZED: Final = frozenset({INT, STRUCT, UNION, ENUM, ENUM64, FLOAT, DATASEC})
KINDS: Final = {
    "struct": (STRUCT,),
    "union": (UNION,),
    "enum": (ENUM, ENUM64),
    "typedef": (TYPEDEF,),
    "func": (FUNC,),
    "var": (VAR,),
    "int": (INT,),
}
DEEPEST: Final = 64
"""Types that a name may stand for in turn: a damaged file may have a circle."""
OTHER_VERSION: Final = "another version or configuration than is known here"
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Type:
    """One type. `size` is that of a sized type, else the number of the type that it refers to."""

    at: int
    name: str
    kind: int
    count: int
    size: int
    flag: bool


class TypeTable:
    """The types of one .BTF section.

    Parameters
    ----------
    data
        The section.
    starts
        Where each type begins in it, if that is known already; int64, shape (types,). Type 0 is `void`.

    Raises
    ------
    KernelFileError
        When the section is not whole. A reference that leads nowhere is found when it is followed.
    """

    def __init__(self, data: bytes, starts: Int64s | None = None) -> None:
        if len(data) < HEADER.size:
            raise KernelFileError("is damaged: its BTF is cut off")
        magic, version, _, header, type_at, type_bytes, text_at, text_bytes = HEADER.unpack_from(data)
        if magic != MAGIC or version != 1:
            raise KernelFileError("has BTF of another version or byte order than is read here")
        self._data = data
        self._begin, self._end = header + type_at, header + type_at + type_bytes
        if self._end > len(data) or header + text_at + text_bytes > len(data):
            raise KernelFileError("is damaged: its BTF is cut off")
        self._texts = bytes(data[header + text_at : header + text_at + text_bytes])
        self.starts = self._walk() if starts is None else starts
        self._types: dict[int, Type] = {}
        self._found: dict[str, tuple[int, ...]] = {}

    def _walk(self) -> Int64s:
        starts, at, end, data = [0], self._begin, self._end, self._data
        bytes_of = [TRAILING.get(kind, 0) + 12 for kind in range(32)]
        per_member = [PER_MEMBER.get(kind, 0) for kind in range(32)]
        unpack = struct.Struct("<I").unpack_from
        while at < end:
            if at + 12 > end:
                raise KernelFileError("is damaged: its BTF is cut off")
            starts.append(at)
            (info,) = unpack(data, at + 4)
            kind = info >> 24 & 31
            if not 0 < kind <= ENUM64:
                raise KernelFileError(f"has BTF with a kind of type ({kind}) that is not known here")
            at += bytes_of[kind] + per_member[kind] * (info & 0xFFFF)
        if at != end:
            raise KernelFileError("is damaged: the last type of its BTF is cut off")
        return np.array(starts, np.int64)

    def __len__(self) -> int:
        return len(self.starts)

    def type(self, number: int) -> Type:
        """One type by its number; `void` is 0."""
        found = self._types.get(number)
        if found is None:
            found = self._types[number] = self._read(number)
        return found

    def _read(self, number: int) -> Type:
        if number == 0:
            return Type(0, "void", 0, 0, 0, False)
        if not 0 < number < len(self.starts):
            raise KernelFileError(f"is damaged: its BTF refers to a type {number} that it does not have")
        at = int(self.starts[number])
        name, info, size = struct.unpack_from("<III", self._data, at)
        return Type(at + 12, self.text(name), info >> 24 & 31, info & 0xFFFF, size, bool(info >> 31))

    def text(self, at: int) -> str:
        """A name by its place among the names."""
        end = self._texts.find(b"\0", at)
        if not 0 <= at < len(self._texts) or end < 0:
            raise KernelFileError("is damaged: its BTF has a name that lies outside")
        return self._texts[at:end].decode("utf-8", "replace")

    @cached_property
    def _heads(self) -> tuple[Int64s, Int64s]:
        """Place of the name, and kind, of every type."""
        words = self.starts[1:, None] + np.arange(8)
        raw = np.frombuffer(self._data, np.uint8)[words].copy().view("<u4").astype(np.int64)
        return np.concatenate([[0], raw[:, 0]]), np.concatenate([[0], raw[:, 1] >> 24 & 31])

    def all(self, name: str) -> tuple[int, ...]:
        """Numbers of all types that are called like that: `struct page`."""
        if name not in self._found:
            group, _, word = name.partition(" ")
            if group not in KINDS or not word:
                raise ValueError(f"{name!r}: say what it is, one of {', '.join(KINDS)}")
            names, kinds = self._heads
            # A name may be the end of a longer one.
            hits = np.isin(names, list(self._places(word))) & np.isin(kinds, KINDS[group])
            self._found[name] = tuple(np.flatnonzero(hits).tolist())
        return self._found[name]

    def _places(self, word: str) -> Iterator[int]:
        wanted = word.encode() + b"\0"
        at = self._texts.find(wanted)
        while at >= 0:
            yield at
            at = self._texts.find(wanted, at + 1)

    def has(self, name: str) -> bool:
        """Whether there is a type of this name."""
        return bool(self.all(name))

    def find(self, name: str | int) -> int:
        """Number of a type; the first, where several have its name.

        Raises
        ------
        KernelFileError
            When there is none.
        """
        if isinstance(name, int):
            return name
        numbers = self.all(name)
        if not numbers:
            raise KernelFileError(f"has no {name} in its BTF: {OTHER_VERSION}")
        return numbers[0]

    def strip(self, name: str | int) -> int:
        """The type behind typedefs and qualifiers."""
        number = self.find(name)
        for _ in range(DEEPEST):
            found = self.type(number)
            if found.kind not in TRANSPARENT:
                return number
            number = found.size
        raise KernelFileError("is damaged: its BTF has a type that refers to itself")

    def size(self, name: str | int) -> int:
        """Bytes of a type; 0 of `void`, of a function, and of what is only declared."""
        total = 1
        number = self.strip(name)
        for _ in range(DEEPEST):
            found = self.type(number)
            if found.kind == ARRAY:
                element, count = self.array(number)
                total, number = total * count, self.strip(element)
                continue
            return total * (POINTER_BYTES if found.kind == PTR else found.size if found.kind in SIZED else 0)
        raise KernelFileError("is damaged: its BTF has an array of itself")

    def array(self, name: str | int) -> tuple[int, int]:
        """Type of an array's elements, and how many they are."""
        number = self.strip(name)
        found = self.type(number)
        if found.kind != ARRAY:
            raise KernelFileError(f"has {found.name or 'a type'} in its BTF that is no array")
        element, _, count = struct.unpack_from("<III", self._data, found.at)
        return element, count
