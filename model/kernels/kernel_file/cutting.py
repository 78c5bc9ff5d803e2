"""Cut functions out of a loaded kernel file: the same instructions, with the tables that builds need.

A build moves code and puts NOPs between instructions (`model.machine_code.builds`). What the kernel's
compiler made stays as it is, but for what an arm changes: a jump label in another state, a call or a store
left out, a test put in. Jumps between the functions become branches of the image; every other distance, to
data or to a function that never runs here, becomes a reference to its address.

Every jump label is an ordinary instruction here: the state of a key belongs to the arm, and no key is flipped
while it is timed.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import capstone
from capstone import x86

from model.common.errors import KernelFileError
from model.kernels.instructions import LONGEST
from model.vmlinux.loading import LoadedKernel

ALIGNMENT: Final = 16
"""Of a function, as the kernel is compiled (CONFIG_FUNCTION_ALIGNMENT_16B)."""
SHORT: Final = 2
"""Bytes of a short jump."""
CS_PREFIX: Final = 0x2E
"""Of a call of a retpoline that fills the space of a longer instruction (arch/x86/kernel/alternative.c)."""


@dataclass(frozen=True)
class Instruction:
    """One instruction of a function.

    Attributes
    ----------
    place
        What it is known by in every arm and build: its function and its offset there.
    code
        Its bytes.
    address
        Where the kernel has it; of what an arm puts in, 0.
    landing
        Of what an arm puts in: address of the instruction that it stands before.
    target
        Address that a relative jump or call leads to.
    distance
        Offset in `code` of its 32-bit distance to `refers`; 0 for none.
    refers
        Address of what it reads, writes or takes the address of, relative to itself.
    """

    place: str
    code: bytes
    address: int = 0
    landing: int = 0
    target: int | None = None
    distance: int = 0
    refers: int | None = None

    @property
    def conditional(self) -> bool:
        """Whether it is a conditional jump."""
        return self.target is not None and (0x70 <= self.code[0] <= 0x7F or self.code[0] == 0x0F)

    @property
    def short(self) -> bool:
        """Whether it is a jump of two bytes."""
        return self.target is not None and len(self.code) == SHORT


@dataclass(frozen=True)
class Function:
    """A function of a kernel file, decoded whole."""

    name: str
    start: int
    instructions: tuple[Instruction, ...]


def decoder() -> Any:
    """A disassembler that tells operands."""
    made = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    made.detail = True
    return made


def decode(loaded: LoadedKernel, start: int, end: int, name: str) -> Function:
    """Decode one function.

    Parameters
    ----------
    start, end
        Addresses in the loaded kernel.

    Raises
    ------
    KernelFileError
        When not all of it is instructions, or one cannot be moved.
    """
    code = loaded.memory.read(start, end - start)
    # Up to the next symbol there may be a megabyte of int3, as behind the return thunks for SRSO. The last
    # byte of an instruction may be 0xcc, too.
    code = code[: len(code.rstrip(b"\xcc")) + LONGEST]
    found = [_instruction(each, name, start) for each in decoder().disasm(code, start)]
    decoded = sum(len(each.code) for each in found)
    if decoded != len(code):
        raise KernelFileError(
            f"has an instruction in {name}, {decoded} bytes from its start, that Capstone "
            f"{version_of_capstone()} does not know: this function cannot be moved"
        )
    return Function(name, start, tuple(found))


def version_of_capstone() -> str:
    """Of the library."""
    return ".".join(map(str, capstone.cs_version()[:2]))


def _instruction(decoded: Any, function: str, start: int) -> Instruction:
    code, at = bytes(decoded.bytes), decoded.address
    made = Instruction(f"{function}+{at - start:#x}", code, at)
    first, second = code[0], code[1] if len(code) > 1 else 0
    if first in (0xE8, 0xE9, 0xEB) or 0x70 <= first <= 0x7F or (first == 0x0F and 0x80 <= second <= 0x8F):
        return replace(made, target=decoded.operands[0].imm)
    if first == CS_PREFIX and second == 0xE8:
        return replace(made, target=decoded.operands[0].imm)
    if decoded.group(capstone.CS_GRP_BRANCH_RELATIVE):
        raise KernelFileError(f"has {decoded.mnemonic} in {function}, which cannot be moved")
    for operand in decoded.operands:
        if operand.type == x86.X86_OP_MEM and operand.mem.base == x86.X86_REG_RIP:
            refers = at + len(code) + operand.mem.disp
            return replace(made, distance=decoded.disp_offset, refers=refers & (1 << 64) - 1)
    return made


@dataclass(frozen=True)
class Change:
    """What an arm changes in the functions.

    Attributes
    ----------
    instead
        Address of an instruction -> bytes that stand for it.
    jumps
        Address of a jump label -> where it jumps to.
    before
        Address of an instruction -> instructions put in right before it; a jump to it meets them.
    """

    instead: Mapping[int, bytes] = field(default_factory=dict)
    jumps: Mapping[int, int] = field(default_factory=dict)
    before: Mapping[int, Sequence[bytes]] = field(default_factory=dict)

    def of(self, function: Function) -> Iterator[Instruction]:
        """The function's instructions, changed."""
        for each in function.instructions:
            for number, code in enumerate(self.before.get(each.address, ())):
                yield Instruction(f"{each.place}, before it {number}", code, landing=each.address)
            if each.address in self.jumps:
                code = b"\xeb\0" if len(each.code) == SHORT else b"\xe9\0\0\0\0"
                yield replace(each, code=code, target=self.jumps[each.address], distance=0, refers=None)
            elif each.address in self.instead:
                yield replace(each, code=self.instead[each.address], target=None, distance=0, refers=None)
            else:
                yield each

    def check(self, functions: Iterable[Function]) -> None:
        """Refuse what is no instruction of these functions.

        Raises
        ------
        KernelFileError
        """
        known = {each.address for function in functions for each in function.instructions}
        if unknown := {*self.instead, *self.jumps, *self.before} - known:
            raise KernelFileError(f"has no instruction at {min(unknown):#x} in the functions that run here")


class Cut:
    """Functions laid out one behind the other, from 0 on, as an image.

    Parameters
    ----------
    functions
        What runs.
    change
        What the arm changes.

    Attributes
    ----------
    code
        The bytes; distances to what lies outside are 0.
    functions
        Name -> offset and size.
    points, branches, references
        As `model.machine_code.image.Code` has them.
    """

    def __init__(self, functions: Sequence[Function], change: Change) -> None:
        change.check(functions)
        self._instructions = {function.name: list(change.of(function)) for function in functions}
        self._long: set[str] = set()
        while self._place():
            pass
        self.functions = self._spans()
        self.points = tuple(self._points())
        self.branches: tuple[tuple[int, int], ...] = ()
        self.references: tuple[tuple[int, int, int], ...] = ()
        self.code = self._write()

    def _size(self, each: Instruction) -> int:
        if each.place not in self._long:
            return len(each.code)
        return 6 if each.conditional else 5

    def _place(self) -> bool:
        """Give every instruction its offset; whether a short jump had to become a long one."""
        self._offsets: dict[str, int] = {}
        self._landings: dict[int, int] = {}
        at = 0
        for instructions in self._instructions.values():
            at = -(-at // ALIGNMENT) * ALIGNMENT
            for each in instructions:
                self._offsets[each.place] = at
                self._landings.setdefault(each.landing or each.address, at)
                at += self._size(each)
        self._end = at
        grown = {each.place for each in self._all() if self._too_short(each)}
        self._long |= grown
        return bool(grown)

    def _too_short(self, each: Instruction) -> bool:
        if not each.short or each.place in self._long:
            return False
        landing = self._landings.get(each.target or 0)
        return landing is None or not -128 <= landing - self._offsets[each.place] - SHORT <= 127

    def _all(self) -> Iterator[Instruction]:
        for instructions in self._instructions.values():
            yield from instructions

    def _spans(self) -> dict[str, tuple[int, int]]:
        spans = {}
        for name, instructions in self._instructions.items():
            begin, last = self._offsets[instructions[0].place], instructions[-1]
            spans[name] = (begin, self._offsets[last.place] + self._size(last) - begin)
        return spans

    def _points(self) -> Iterator[tuple[int, int]]:
        """Where a build may open: nowhere inside of what an arm puts in, nor before a conditional jump."""
        for each in self._all():
            if not each.landing and not each.conditional:
                yield self._offsets[each.place], key_of(each.place)

    def _write(self) -> bytes:
        code = bytearray(b"\xcc" * self._end)
        branches, references = [], []
        for each in self._all():
            at, size = self._offsets[each.place], self._size(each)
            end = at + size
            written = bytearray(self._long_form(each) if each.place in self._long else each.code)
            landing = None if each.target is None else self._landings.get(each.target)
            if landing is not None and each.code[0] == CS_PREFIX:
                raise KernelFileError(f"has a call with a prefix at {each.place}, which cannot be moved")
            if landing is not None:
                branches.append((at, landing))
                if size == SHORT:
                    written[1:] = struct.pack("<b", landing - end)
                else:
                    written[-4:] = struct.pack("<i", landing - end)
            elif each.target is not None:
                written[-4:] = bytes(4)
                references.append((end - 4, end, each.target))
            elif each.refers is not None:
                written[each.distance : each.distance + 4] = bytes(4)
                references.append((at + each.distance, end, each.refers))
            code[at:end] = written
        self.branches, self.references = tuple(branches), tuple(references)
        return bytes(code)

    @staticmethod
    def _long_form(each: Instruction) -> bytes:
        if each.conditional:
            return bytes([0x0F, each.code[0] + 0x10, 0, 0, 0, 0])
        return b"\xe9\0\0\0\0"


def key_of(place: str) -> int:
    """63 bits that are the same for the same place of another arm."""
    return int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "little") >> 1
