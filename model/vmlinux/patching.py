"""What a booting kernel does to its own code, in the order in which it does it.

Read in arch/x86/kernel/alternative.c, static_call.c, jump_label.c and ftrace.c of v6.1, v6.12 and v6.18; the
tables say where, the booted state which.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.vmlinux.memory import Int64s, Memory
from model.vmlinux.patches import INT3, RET, Nops, Patches, call
from model.vmlinux.tables import JMP_32, NOP_5

CALL_32: Final = 0xE8
CS_PREFIX: Final = 0x2E
ENDBR: Final = bytes.fromhex("f30f1efa")
SEALED: Final = bytes.fromhex("0f1f40d6")
"""A NOP of four bytes that no compiler makes; kernels before v6.8 have another one there."""
THUNK_BYTES: Final = 32
REGISTERS: Final = 16
NOTHING: Final = frozenset({"nop_func", "_paravirt_nop", "paravirt_nop", "x86_nop"})
"""Functions that do nothing: a call of one through pv_ops is left out."""
RETURN_SITE: Final = RET + INT3 * 4
Name = Callable[[int], str]
"""Name of the function at an address."""


@dataclass
class Patching:
    """One kernel while it is patched.

    Attributes
    ----------
    memory
        Relocated; written in place.
    nops
        Its filling.
    name
        Name of what lies at an address of this memory.
    done
        What was patched.
    """

    memory: Memory
    nops: Nops
    name: Name
    done: Patches

    def put(self, address: int, code: bytes, size: int) -> None:
        """Write code and fill up to its size."""
        self.memory.write(address, code + self.nops.fill(size - len(code)))

    def note(self, kind: str, places: Int64s, what: str) -> None:
        """Note patches by their places."""
        self.done.add(kind, (places + self.memory.start).tolist(), what)


def returns(patching: Patching, sites: Int64s, thunk: int | None) -> None:
    """Jumps to the return thunk: plain returns, unless this CPU needs another thunk.

    Parameters
    ----------
    thunk
        Address of the function that returns; None for a plain return.
    """
    memory = patching.memory
    sites = sites[memory.bytes_view()[sites] == JMP_32]
    if thunk is None:
        memory.fill(sites, RETURN_SITE)
        patching.note("return", sites, "ret")
        return
    distances = (thunk - memory.start - sites - 5).astype("<i4")
    memory.set_words(sites + 1, distances)
    patching.note("return", sites, f"jmp {patching.name(thunk)}")


def indirect_calls(patching: Patching, sites: Int64s, registers: int) -> None:
    """Calls and jumps through a retpoline: direct use of the register, on CPUs without retpolines.

    Parameters
    ----------
    registers
        Address of the first of sixteen thunks, one for each register.
    """
    memory = patching.memory
    for site in (sites + memory.start).tolist():
        size, condition, opcode = _form(memory.read(site, 2))
        target = site + size + memory.s32(site + size - 4)
        register, rest = divmod(target - registers, THUNK_BYTES)
        if rest or not 0 <= register < REGISTERS:
            continue
        code = b"\x41" if register >= 8 else b""
        code += bytes([0xFF, (0xD0 if opcode == CALL_32 else 0xE0) | register & 7])
        if condition is not None:  # jump over it on the opposite condition
            code = bytes([0x70 | condition ^ 1, size - 2]) + code
        patching.put(site, code, size)
        patching.done.add("indirect call", [site], "no retpoline")


def _form(code: bytes) -> tuple[int, int | None, int]:
    """Size, condition and opcode of a call, a jump or a conditional jump with a 32-bit distance."""
    if code[0] == 0x0F:
        return 6, code[1] & 15, JMP_32
    return (6, None, code[1]) if code[0] == CS_PREFIX else (5, None, code[0])


def paravirt_calls(patching: Patching, table: Sequence[tuple[int, ...]], operations: int) -> None:
    """Calls through pv_ops become direct ones, or nothing (up to v6.7).

    Parameters
    ----------
    table
        Of each site its address, the number of the operation, and its bytes.
    operations
        Address of pv_ops.
    """
    memory = patching.memory
    for site, kind, size in table:
        target = memory.u64(operations + 8 * kind)
        name = patching.name(target) if target else "paravirt_BUG"
        if name == "paravirt_BUG":
            continue
        code = b"" if name in NOTHING else call(site, target)
        if len(code) <= size:
            patching.put(site, code, size)
            patching.done.add("paravirt call", [site], name)


def endbr_seals(patching: Patching, sites: Int64s) -> None:
    """Functions that are never called through a pointer lose their ENDBR, on every CPU."""
    memory = patching.memory
    sites = sites[memory.words_at(sites, "<u4") == int.from_bytes(ENDBR, "little")]
    memory.fill(sites, SEALED)
    patching.note("endbr", sites, "sealed")


def fentry_calls(patching: Patching, sites: Int64s) -> None:
    """Calls of the tracer at the beginning of functions: NOPs as long as nobody traces."""
    memory = patching.memory
    sites = sites[memory.bytes_view()[sites] == CALL_32]
    memory.fill(sites, NOP_5)
    patching.note("fentry call", sites, "nop")


def static_calls(
    patching: Patching,
    table: Sequence[tuple[int, ...]],
    known: dict[int, bytes],
    thunk: int | None,
) -> None:
    """Calls through a trampoline: direct ones, or what the function amounts to where the kernel knows that.

    Parameters
    ----------
    table
        Of each site its address, its key's address, and whether it is a tail call.
    known
        Functions by address, and the five bytes that stand for a call of each.
    thunk
        As for `returns`: a tail call of nothing is a return.
    """
    memory = patching.memory
    for site, key, tail in table:
        opcode = memory.read(site, 1)[0]
        if opcode not in (CALL_32, JMP_32):
            continue  # a conditional tail call, which stays as it is
        function = memory.u64(key)
        if function == 0:
            code = _nothing(site, tail, thunk)
        elif not memory.holds(function):
            continue
        elif function in known and not tail:
            code = known[function]
        else:
            code = call(site, function, opcode)
        memory.write(site, code)
        patching.done.add("static call", [site], patching.name(function) if function else "nothing")


def _nothing(site: int, tail: int, thunk: int | None) -> bytes:
    if not tail:
        return NOP_5
    return RETURN_SITE if thunk is None else call(site, thunk, JMP_32)


def jump_label_code(code: int, target: int, size: int, jump: bool) -> bytes:
    """Bytes of a static key's site at an address, in one of its two states."""
    if not jump:
        return bytes.fromhex("6690") if size == 2 else NOP_5
    distance = target - code - size
    return struct.pack("<Bb", 0xEB, distance) if size == 2 else struct.pack("<Bi", JMP_32, distance)


def as_list(*columns: np.ndarray) -> list[tuple[int, ...]]:
    """Rows of columns, as Python integers."""
    return list(zip(*(column.tolist() for column in columns), strict=True))
