"""Alternatives: pieces of code that a booting kernel replaces by what its CPU has."""

import struct
from typing import Final

import numpy as np

from model.vmlinux.features import Features
from model.vmlinux.memory import Int64s
from model.vmlinux.operands import relative_operands
from model.vmlinux.patches import call
from model.vmlinux.patching import NOTHING, Patching
from model.vmlinux.tables import Alternatives

CALL_BY_POINTER: Final = b"\xff\x15"
"""call *slot(%rip), six bytes."""
NOP: Final = b"\x90"


def apply(patching: Patching, table: Alternatives, numbers: frozenset[int], features: Features) -> None:
    """Replace what this CPU's features ask for; where nothing is replaced, one long NOP for many short ones.

    Parameters
    ----------
    numbers
        Of the features that the CPU has.
    """
    wanted = np.isin(table.feature, list(numbers)) != table.absent
    memory = patching.memory
    lengths = _longest(table)
    done: set[int] = set()
    rows = zip(
        (table.site + memory.start).tolist(),
        (table.replacement + memory.start).tolist(),
        lengths.tolist(),
        table.new_length.tolist(),
        wanted.tolist(),
        table.direct_call.tolist(),
        table.feature.tolist(),
        table.absent.tolist(),
        strict=True,
    )
    for site, replacement, length, size, applies, direct, feature, absent in rows:
        if not applies:
            if site not in done:
                _join_nops(patching, site, length)
            continue
        code = _direct_call(patching, site) if direct else _moved(patching, replacement, size, site)
        if code is None:
            continue
        patching.put(site, code, length)
        done.add(site)
        patching.done.add("alternative", [site], ("no " if absent else "") + features.name(feature))


def _longest(table: Alternatives) -> Int64s:
    """Bytes of each site: of several alternatives for one, the most that any of them says."""
    _, which = np.unique(table.site, return_inverse=True)
    most = np.zeros(which.max() + 1 if len(which) else 0, np.int64)
    np.maximum.at(most, which, table.length)
    longest: Int64s = most[which]
    return longest


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
    return b"" if patching.name(target) in NOTHING else call(site, target)


def _moved(patching: Patching, source: int, size: int, site: int) -> bytes:
    """A replacement, its distances set right for where it goes."""
    plain = patching.memory.read(source, size)
    if size < 5:
        return plain
    code = bytearray(plain)
    for at in relative_operands(plain):
        (distance,) = struct.unpack_from("<i", code, at)
        struct.pack_into("<I", code, at, distance + source - site & 0xFFFFFFFF)
    return bytes(code)
