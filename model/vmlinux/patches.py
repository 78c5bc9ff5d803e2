"""What was patched in a loaded kernel, and the bytes that patches are made of."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.vmlinux.memory import Int64s, Memory

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
    """All places that were patched, by kind; of two patches of one place the later one counts."""

    def __init__(self, name: Callable[[int], str]) -> None:
        self._name = name
        self._parts: list[tuple[str, Int64s, str | Int64s | Sequence[str]]] = []

    def add(self, kind: str, addresses: Int64s, what: str | Int64s | Sequence[str]) -> None:
        """Note patches of one kind.

        Parameters
        ----------
        addresses
            int64, shape (patches,), in any order.
        what
            Of all of them; or of each, a text or the address of the function that it calls.
        """
        order = np.argsort(addresses, kind="stable")
        if isinstance(what, np.ndarray):
            what = what[order]
        elif not isinstance(what, str):
            what = [what[number] for number in order.tolist()]
        self._parts.append((kind, addresses[order], what))

    def at(self, address: int) -> Patch | None:
        """What was patched at an address."""
        return next(iter(self.within(address, address + 1)), None)

    def within(self, begin: int, end: int) -> Sequence[Patch]:
        """What was patched between two addresses, in order."""
        found: dict[int, Patch] = {}
        for kind, addresses, what in self._parts:
            first, last = np.searchsorted(addresses, [begin, end]).tolist()
            for number in range(first, last):
                address = int(addresses[number])
                found[address] = Patch(address, kind, self._text(what, number))
        return [found[address] for address in sorted(found)]

    def _text(self, what: str | Int64s | Sequence[str], number: int) -> str:
        if isinstance(what, str):
            return what
        if isinstance(what, np.ndarray):
            target = int(what[number])
            return self._name(target) if target else "nothing"
        return what[number]

    def counts(self) -> dict[str, int]:
        """How many there are of each kind."""
        counts: dict[str, int] = {}
        for kind, addresses, _ in self._parts:
            counts[kind] = counts.get(kind, 0) + len(np.unique(addresses))
        return counts


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
