"""Alternatives: pieces of code that a booting kernel replaces by what its CPU has."""

import struct
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from model.vmlinux.features import Features
from model.vmlinux.memory import Memory
from model.vmlinux.operands import CALL_BYTES, relative_operands
from model.vmlinux.patches import INT3, call
from model.vmlinux.patching import Patching
from model.vmlinux.tables import JMP_8, JMP_32, Alternatives

CALL_BY_POINTER: Final = b"\xff\x15"
"""call *slot(%rip), six bytes."""
NOP: Final = b"\x90"
Operands = Mapping[int, Sequence[int]]
"""Offsets of 32-bit distances in a replacement, by the number of the alternative."""


def apply(
    patching: Patching, table: Alternatives, operands: Operands, numbers: frozenset[int], features: Features
) -> None:
    """Replace what this CPU's features ask for; where nothing is replaced, one long NOP for many short ones.

    Of several alternatives for one place the last one that applies stands in the end.

    Parameters
    ----------
    operands
        Of each replacement, as `operands_of` gives them.
    numbers
        Of the features that the CPU has.
    """
    applies = np.isin(table.feature, list(numbers)) != table.absent
    sites, which = np.unique(table.site, return_inverse=True)
    length, last = np.zeros(len(sites), np.int64), np.full(len(sites), -1)
    np.maximum.at(length, which, table.length)
    np.maximum.at(last, which[applies], np.flatnonzero(applies))
    chosen, done = last.tolist(), []
    for site, size, number in zip(
        (sites + patching.memory.start).tolist(), length.tolist(), chosen, strict=True
    ):
        code = None if number < 0 else _code(patching, table, operands, number, site)
        if number < 0:
            _join_nops(patching, site, size)
        elif code is not None:
            patching.put(site, code, size)
            done.append((site, number))
    rows = np.array(done, np.int64).reshape(-1, 2)
    names = [
        ("no " if absent else "") + features.name(feature)
        for absent, feature in zip(
            table.absent[rows[:, 1]].tolist(), table.feature[rows[:, 1]].tolist(), strict=True
        )
    ]
    patching.done.add("alternative", rows[:, 0], names)


def operands_of(memory: Memory, table: Alternatives) -> Operands:
    """Where each replacement has distances that lead out of it; nothing of those that have none."""
    found = {}
    for number, (at, size) in enumerate(
        zip(table.replacement.tolist(), table.new_length.tolist(), strict=True)
    ):
        code = bytes(memory.data[at : at + size])
        if size >= CALL_BYTES and (operands := relative_operands(code)):
            found[number] = operands
    return found


def _code(
    patching: Patching, table: Alternatives, operands: Operands, number: int, site: int
) -> bytes | None:
    """What an alternative puts at a site; None where it does not fit there."""
    if table.direct_call[number]:
        return _direct_call(patching, site)
    source = int(table.replacement[number]) + patching.memory.start
    code = patching.memory.read(source, int(table.new_length[number]))
    if len(code) == CALL_BYTES and code[0] == JMP_32:
        return _jump(site, source + len(code) + struct.unpack_from("<i", code, 1)[0])
    moved = bytearray(code)
    for at in operands.get(number, ()):
        (distance,) = struct.unpack_from("<i", moved, at)
        struct.pack_into("<I", moved, at, distance + source - site & 0xFFFFFFFF)
    return bytes(moved)


def _join_nops(patching: Patching, site: int, length: int) -> None:
    code = patching.memory.read(site, length)
    size = length - len(code.rstrip(NOP))
    if size > 1:
        patching.put(site + length - size, b"", size)


def _direct_call(patching: Patching, site: int) -> bytes | None:
    """A call of what pv_ops points to (v6.8 and later); None where the site is no such call."""
    code = patching.memory.read(site, 6)
    if code[:2] != CALL_BY_POINTER:
        return None
    target = patching.memory.u64(site + 6 + struct.unpack_from("<i", code, 2)[0])
    return b"" if target in patching.nothing else call(site, target)


def _jump(site: int, target: int) -> bytes:
    """A jump in two bytes where the distance fits, as the kernel makes it."""
    distance = target - site - 2
    if -128 <= distance <= 127:
        return struct.pack("<Bb", JMP_8, distance) + INT3 * 3
    return call(site, target, JMP_32)
