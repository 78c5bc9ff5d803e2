"""What a booting kernel does to its own code, in the order in which it does it.

Read in arch/x86/kernel/alternative.c, static_call.c, jump_label.c and ftrace.c of v6.1, v6.12 and v6.18; the
tables say where, the booted state which.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.vmlinux.memory import Int64s, Memory
from model.vmlinux.patches import INT3, RET, Nops, Patches, call
from model.vmlinux.tables import JMP_32, NOP_2, NOP_5, StaticCalls

CALL_32: Final = 0xE8
CS_PREFIX: Final = 0x2E
TWO_BYTES: Final = 0x0F
"""First byte of a conditional jump with a 32-bit distance."""
ENDBR: Final = bytes.fromhex("f30f1efa")
SEALED: Final = bytes.fromhex("0f1f40d6")
"""A NOP of four bytes that no compiler makes; kernels before v6.8 have another one there."""
THUNK_BYTES: Final = 32
REGISTERS: Final = 16
NOTHING: Final = ("nop_func", "_paravirt_nop", "paravirt_nop", "x86_nop")
"""Functions that do nothing, by the names that they have had."""
BUG: Final = "paravirt_BUG"
RETURN_SITE: Final = RET + INT3 * 4


@dataclass
class Patching:
    """One kernel while it is patched.

    Attributes
    ----------
    memory
        Relocated; written in place.
    nops
        Its filling.
    nothing
        Addresses of functions that do nothing: a call of one through pv_ops is left out.
    done
        What was patched.
    """

    memory: Memory
    nops: Nops
    nothing: frozenset[int]
    done: Patches

    def put(self, address: int, code: bytes, size: int) -> None:
        """Write code and fill up to its size."""
        self.memory.write(address, code + self.nops.fill(size - len(code)))

    def note(self, kind: str, places: Int64s, what: str | Int64s) -> None:
        """Note patches by their places."""
        self.done.add(kind, places + self.memory.start, what)


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
    memory.set_words(sites + 1, (thunk - memory.start - sites - 5).astype("<i4"))
    patching.note("return", sites, np.full(len(sites), thunk))


def indirect_calls(patching: Patching, sites: Int64s, registers: int) -> None:
    """Calls and jumps through a retpoline: direct use of the register, on CPUs without retpolines.

    Parameters
    ----------
    registers
        Address of the first of sixteen thunks, one for each register.
    """
    memory = patching.memory
    head = memory.bytes_view()[sites[:, None] + np.arange(2)].astype(np.int64)
    size = np.where((head[:, 0] == CS_PREFIX) | (head[:, 0] == TWO_BYTES), 6, 5)
    target = sites + size + memory.words_at(sites + size - 4, "<i4")
    register, rest = np.divmod(target + memory.start - registers, THUNK_BYTES)
    known = (rest == 0) & (register >= 0) & (register < REGISTERS)
    forms = np.column_stack([head[:, 0], np.where(size == 6, head[:, 1], 0), register])[known]
    sites = sites[known]
    kinds, which = np.unique(forms, axis=0, return_inverse=True)
    for number, (first, second, into) in enumerate(kinds.tolist()):
        memory.fill(sites[which.ravel() == number], _indirect(first, second, into, patching.nops))
    patching.note("indirect call", sites, "no retpoline")


def _indirect(first: int, second: int, register: int, nops: Nops) -> bytes:
    """Code in place of a call, jump or conditional jump that begins with these bytes."""
    size = 6 if first in (CS_PREFIX, TWO_BYTES) else 5
    opcode = JMP_32 if first == TWO_BYTES else second if first == CS_PREFIX else first
    code = b"\x41" if register >= 8 else b""
    code += bytes([0xFF, (0xD0 if opcode == CALL_32 else 0xE0) | register & 7])
    if first == TWO_BYTES:  # jump over it on the opposite condition
        code = bytes([0x70 | second & 15 ^ 1, size - 2]) + code
    return code + nops.fill(size - len(code))


def paravirt_calls(patching: Patching, table: Sequence[tuple[int, ...]], operations: int, bug: int) -> None:
    """Calls through pv_ops become direct ones, or nothing (up to v6.7).

    Parameters
    ----------
    table
        Of each site its address, the number of the operation, and its bytes.
    operations
        Address of pv_ops.
    bug
        Address of what stands for an operation that must not be used.
    """
    memory, called = patching.memory, []
    for site, kind, size in table:
        target = memory.u64(operations + 8 * kind)
        code = b"" if target in patching.nothing else call(site, target)
        if target not in (0, bug) and len(code) <= size:
            patching.put(site, code, size)
            called.append((site, target))
    done = np.array(called, np.int64).reshape(-1, 2)
    patching.done.add("paravirt call", done[:, 0], done[:, 1])


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
    calls: StaticCalls,
    known: dict[int, bytes],
    thunk: int | None,
) -> None:
    """Calls through a trampoline: direct ones, or what the function amounts to where the kernel knows that.

    Parameters
    ----------
    known
        Functions by address, and the five bytes that stand for a call of each.
    thunk
        As for `returns`: a tail call of nothing is a return.
    """
    memory = patching.memory
    function = memory.words_at(calls.key, "<u8").astype(np.int64)
    opcode = memory.bytes_view()[calls.site]
    # A conditional tail call stays as it is, and so does a call of what is not in the kernel.
    inside = (function == 0) | (function >= memory.start) & (function < memory.end)
    chosen = np.isin(opcode, (CALL_32, JMP_32)) & inside
    site, function, tail = calls.site[chosen], function[chosen], calls.tail[chosen]
    memory.set_words(site + 1, (function - memory.start - site - 5).astype("<i4"))
    for address, code in known.items():
        memory.fill(site[(function == address) & ~tail], code)
    nothing = function == 0
    memory.fill(site[nothing & ~tail], NOP_5)
    ends = site[nothing & tail]
    if thunk is None:
        memory.fill(ends, RETURN_SITE)
    else:
        memory.fill(ends, bytes([JMP_32]))
        memory.set_words(ends + 1, (thunk - memory.start - ends - 5).astype("<i4"))
    patching.note("static call", site, function)


def jump_label_code(code: int, target: int, size: int, jump: bool) -> bytes:
    """Bytes of a static key's site at an address, in one of its two states."""
    if not jump:
        return NOP_2 if size == 2 else NOP_5
    distance = target - code - size
    return struct.pack("<Bb", 0xEB, distance) if size == 2 else struct.pack("<Bi", JMP_32, distance)
