"""A kernel's bytes where they lie when it is loaded: by physical address, from first to last segment."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.common.errors import KernelFileError
from model.vmlinux.elf import LINK_BASE, Segment

LARGEST_SPAN: Final = 1 << 30
"""Bytes from the first segment to the last: a kernel is linked into 1 GiB (KERNEL_IMAGE_SIZE)."""
Int64s = npt.NDArray[np.int64]


@dataclass
class Memory:
    """Bytes that follow one another from an address on.

    Attributes
    ----------
    start
        Address of the first byte.
    data
        The bytes; written in place.
    """

    start: int
    data: bytearray

    @property
    def end(self) -> int:
        """Address behind the last byte."""
        return self.start + len(self.data)

    def holds(self, address: int, size: int = 1) -> bool:
        """Whether these bytes are here."""
        return self.start <= address and address + size <= self.end

    def place(self, address: int, size: int = 1) -> int:
        """Index in `data`.

        Raises
        ------
        KernelFileError
            When a byte is outside: a table of the file leads there.
        """
        if not self.holds(address, size):
            raise KernelFileError(f"is damaged: it refers to address {address:#x}, which is not in it")
        return address - self.start

    def read(self, address: int, size: int) -> bytes:
        """Bytes at an address."""
        at = self.place(address, size)
        return bytes(self.data[at : at + size])

    def write(self, address: int, data: bytes) -> None:
        """Replace bytes at an address."""
        at = self.place(address, len(data))
        self.data[at : at + len(data)] = data

    def u32(self, address: int) -> int:
        """Unsigned four-byte word."""
        return int.from_bytes(self.read(address, 4), "little")

    def s32(self, address: int) -> int:
        """Signed four-byte word."""
        return int.from_bytes(self.read(address, 4), "little", signed=True)

    def u64(self, address: int) -> int:
        """Unsigned eight-byte word."""
        return int.from_bytes(self.read(address, 8), "little")

    def set_u32(self, address: int, value: int) -> None:
        """Write a four-byte word."""
        self.write(address, struct.pack("<I", value & 0xFFFFFFFF))

    def set_u64(self, address: int, value: int) -> None:
        """Write an eight-byte word."""
        self.write(address, struct.pack("<Q", value & (1 << 64) - 1))

    def text(self, address: int) -> str:
        """A string that ends with a zero byte."""
        at = self.place(address)
        return self.data[at : self.data.index(b"\0", at)].decode("latin-1")

    # What follows works on many places at once; a place is an index in `data`.

    def bytes_view(self) -> npt.NDArray[np.uint8]:
        """All bytes as an array that is written through; uint8."""
        return np.frombuffer(self.data, np.uint8)

    def records(self, begin: int, end: int, form: Any) -> npt.NDArray[Any]:
        """A table between two addresses, copied; `form` is the dtype of an entry."""
        size = np.dtype(form).itemsize
        count = max(end - begin, 0) // size
        at = self.place(begin, count * size) if count else 0
        return np.frombuffer(self.data, form, count, at).copy()

    def words_at(self, places: Int64s, form: str) -> npt.NDArray[Any]:
        """Words at any places, aligned or not; `form` is their dtype.

        Raises
        ------
        KernelFileError
            When one lies outside.
        """
        size = np.dtype(form).itemsize
        self.check(places, size)
        index = places[:, None] + np.arange(size)
        words: npt.NDArray[Any] = self.bytes_view()[index].view(form)[:, 0]
        return words

    def set_words(self, places: Int64s, words: npt.NDArray[Any]) -> None:
        """Write words at any places, which do not overlap."""
        size = words.dtype.itemsize
        self.check(places, size)
        index = places[:, None] + np.arange(size)
        self.bytes_view()[index] = np.ascontiguousarray(words).view(np.uint8).reshape(-1, size)

    def fill(self, places: Int64s, code: bytes) -> None:
        """Write the same bytes at many places."""
        self.check(places, len(code))
        self.bytes_view()[places[:, None] + np.arange(len(code))] = np.frombuffer(code, np.uint8)

    def check(self, places: Int64s, size: int) -> None:
        """Refuse places of which one is outside."""
        if len(places) and (places.min() < 0 or places.max() + size > len(self.data)):
            raise KernelFileError("is damaged: one of its tables leads to an address that is not in it")


def lay_out(elf: bytes, segments: Sequence[Segment]) -> Memory:
    """Put the segments where they are loaded, seen from where the kernel was linked to.

    Raises
    ------
    KernelFileError
        When they do not fit into what a kernel may take.
    """
    low = min(each.physical for each in segments)
    high = max(each.physical + max(each.room, each.size) for each in segments)
    if high - low > LARGEST_SPAN:
        raise KernelFileError("is damaged: its segments are more than 1 GiB apart")
    data = bytearray(high - low)
    for each in segments:
        at = each.physical - low
        data[at : at + each.size] = memoryview(elf)[each.offset : each.offset + each.size]
    return Memory(LINK_BASE + low, data)
