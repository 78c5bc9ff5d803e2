"""What was patched in a loaded kernel, and the bytes that patches are made of."""

import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from model.vmlinux.memory import Memory

NOPS: Final = (
    *(b"\x90", b"\x66\x90", b"\x0f\x1f\0", b"\x0f\x1f\x40\0", b"\x0f\x1f\x44\0\0"),
    *(b"\x66\x0f\x1f\x44\0\0", b"\x0f\x1f\x80\0\0\0\0", b"\x0f\x1f\x84\0\0\0\0\0"),
)
"""NOPs of one to eight bytes, as the processor's manual lists them."""
INT3: Final = b"\xcc"
RET: Final = b"\xc3"
LONGEST_WITHOUT_JUMPS: Final = 8
"""Kernels whose longest NOP has eight bytes fill with NOPs; later ones (v6.4, NOPs of eleven bytes) jump over
what is longer than one NOP: add_nops() and add_nop() in arch/x86/kernel/alternative.c."""


@dataclass(frozen=True)
class Patch:
    """One place that differs from the file; `what` for people."""

    address: int
    kind: str
    what: str


class Patches:
    """All places that were patched, the last patch of each."""

    def __init__(self) -> None:
        self._found: dict[int, Patch] = {}
        self._order: list[int] | None = None

    def add(self, kind: str, addresses: Iterable[int], what: str) -> None:
        """Note patches of one kind."""
        self._order = None
        self._found.update({address: Patch(address, kind, what) for address in addresses})

    def at(self, address: int) -> Patch | None:
        """What was patched at an address."""
        return self._found.get(address)

    def within(self, begin: int, end: int) -> Sequence[Patch]:
        """What was patched between two addresses, in order."""
        if self._order is None:
            self._order = sorted(self._found)
        order = self._order
        return [self._found[each] for each in order[bisect_left(order, begin) : bisect_left(order, end)]]

    def counts(self) -> dict[str, int]:
        """How many there are of each kind."""
        return dict(Counter(patch.kind for patch in self._found.values()))


class Nops:
    """The filling that a kernel uses.

    Parameters
    ----------
    memory, table, count
        The kernel, the address of its x86_nops and the words there; without it, NOPs of up to eight bytes.
    """

    def __init__(self, memory: Memory | None = None, table: int = 0, count: int = 0) -> None:
        self._nops = [b"", *NOPS]
        if memory is not None:
            for size in range(len(self._nops), count):
                address = memory.u64(table + 8 * size)
                if not memory.holds(address, size):
                    break
                self._nops.append(memory.read(address, size))

    def fill(self, size: int) -> bytes:
        """Bytes that do nothing."""
        longest = len(self._nops) - 1
        if size > longest > LONGEST_WITHOUT_JUMPS:
            jump = struct.pack("<Bb", 0xEB, size - 2) if size < 130 else struct.pack("<Bi", 0xE9, size - 5)
            return jump + INT3 * (size - len(jump))
        full, rest = divmod(size, longest)
        return self._nops[longest] * full + self._nops[rest]


def call(site: int, target: int, opcode: int = 0xE8) -> bytes:
    """A call (or a jump, by its opcode) of five bytes from a site to a target."""
    return struct.pack("<Bi", opcode, target - site - 5)
