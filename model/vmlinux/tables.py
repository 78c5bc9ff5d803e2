"""Tables by which a booting kernel patches itself, read out of its memory.

Most entries say where they lead by a distance from themselves. All places are indices in the memory's bytes.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.common.errors import KernelFileError
from model.vmlinux.btf import Btf
from model.vmlinux.memory import Int64s, Memory

JUMP_ENTRY: Final = np.dtype([("code", "<i4"), ("target", "<i4"), ("key", "<i8")])
STATIC_CALL_ENTRY: Final = np.dtype([("site", "<i4"), ("key", "<i4")])
PARAVIRT_ENTRY: Final = np.dtype([("site", "<u8"), ("kind", "u1"), ("length", "u1"), ("pad", "V6")])
INVERTED: Final = 0x8000
"""Bit of a feature's number that asks for its absence, where an alternative has no field of flags (v6.2)."""
FLAG_NOT, FLAG_DIRECT_CALL = 1, 2
"""Flags of an alternative (arch/x86/include/asm/alternative.h, v6.3 and v6.8)."""
NOP_2: Final = bytes.fromhex("6690")
NOP_5: Final = bytes.fromhex("0f1f440000")
JMP_8, JMP_32 = 0xEB, 0xE9
Bools = npt.NDArray[np.bool_]
Span = tuple[int, int]
"""Addresses of a table's first byte and of the byte behind it."""


@dataclass(frozen=True)
class JumpLabels:
    """All sites of static keys; arrays of one length.

    Attributes
    ----------
    code, target, key
        Places of the site, of where it jumps to, and of the key; int64.
    branch
        Whether the site jumps when its key is off; bool.
    """

    code: Int64s
    target: Int64s
    key: Int64s
    branch: Bools

    def __len__(self) -> int:
        return len(self.code)


@dataclass(frozen=True)
class Alternatives:
    """All alternatives, in the order in which they are applied; arrays of one length.

    Attributes
    ----------
    site, replacement
        Places of the code that may be replaced, and of what replaces it; int64.
    feature, length, new_length
        Number of the CPU's feature, bytes of the site, bytes of the replacement; int64.
    absent, direct_call
        Whether it is for CPUs without the feature, and whether a call through a pointer becomes a direct one.
    """

    site: Int64s
    replacement: Int64s
    feature: Int64s
    length: Int64s
    new_length: Int64s
    absent: Bools
    direct_call: Bools

    def __len__(self) -> int:
        return len(self.site)


@dataclass(frozen=True)
class StaticCalls:
    """All sites of static calls: places of each and of its key, int64; whether it is a tail call, bool."""

    site: Int64s
    key: Int64s
    tail: Bools


def _entries(memory: Memory, span: Span, size: int) -> Int64s:
    return span[0] - memory.start + np.arange(max(span[1] - span[0], 0) // size) * size


def read_jump_labels(memory: Memory, span: Span) -> JumpLabels:
    """Sites of static keys."""
    table = memory.records(*span, JUMP_ENTRY)
    at = _entries(memory, span, JUMP_ENTRY.itemsize)
    key = at + 8 + table["key"]
    labels = JumpLabels(at + table["code"], at + 4 + table["target"], key & ~3, (key & 1).astype(bool))
    for places, size in ((labels.code, 5), (labels.target, 1), (labels.key, 8)):
        memory.check(places, size)
    return labels


def key_values(memory: Memory, labels: JumpLabels) -> Bools:
    """Whether each label's key is on."""
    values: Bools = memory.words_at(labels.key, "<i4") > 0
    return values


def wrong_labels(memory: Memory, labels: JumpLabels) -> Int64s:
    """Places of the sites that are not in the state which their key's value asks for."""
    code = memory.bytes_view()[labels.code[:, None] + np.arange(5)]
    short = (code[:, 0] == JMP_8) | (code[:, 0] == NOP_2[0])
    nop = np.where(
        short,
        np.all(code[:, :2] == np.frombuffer(NOP_2, np.uint8), axis=1),
        np.all(code == np.frombuffer(NOP_5, np.uint8), axis=1),
    )
    distance = np.where(
        short, code[:, 1].view(np.int8).astype(np.int64) + 2, memory.words_at(labels.code + 1, "<i4") + 5
    )
    jump = np.isin(code[:, 0], (JMP_8, JMP_32)) & (labels.code + distance == labels.target)
    fits = np.where(key_values(memory, labels) != labels.branch, jump, nop)
    return labels.code[~fits]


def read_sites(memory: Memory, span: Span) -> Int64s:
    """Places that a table of plain distances leads to; those outside of the memory are left out."""
    at = _entries(memory, span, 4)
    sites: Int64s = at + memory.records(*span, "<i4")
    return sites[(sites >= 0) & (sites + 8 <= len(memory.data))]


def read_alternatives(memory: Memory, span: Span, btf: Btf) -> Alternatives:
    """Alternatives, by the layout that BTF gives `struct alt_instr`.

    Raises
    ------
    KernelFileError
        When it has a layout that is not known here.
    """
    size, offset = btf.size("struct alt_instr"), btf.offset
    fields: dict[str, tuple[Any, int]] = {
        "site": ("<i4", offset("struct alt_instr", "instr_offset")),
        "replacement": ("<i4", offset("struct alt_instr", "repl_offset")),
        "length": ("u1", offset("struct alt_instr", "instrlen")),
        "new_length": ("u1", offset("struct alt_instr", "replacementlen")),
        "feature": ("<u2", offset("struct alt_instr", "cpuid")),
    }
    if flagged := btf.has_field("struct alt_instr", "flags"):
        fields["flags"] = ("<u2", fields["feature"][1] + 2)
    form = np.dtype({"names": list(fields), "formats": [f for f, _ in fields.values()],
                     "offsets": [at for _, at in fields.values()], "itemsize": size})  # fmt: skip
    table = memory.records(*span, form)
    at = _entries(memory, span, size)
    feature = table["feature"].astype(np.int64)
    flags = table["flags"] if flagged else np.where(feature & INVERTED, FLAG_NOT, 0)
    found = Alternatives(
        at + fields["site"][1] + table["site"],
        at + fields["replacement"][1] + table["replacement"],
        feature if flagged else feature & ~INVERTED,
        table["length"].astype(np.int64),
        table["new_length"].astype(np.int64),
        (flags & FLAG_NOT).astype(bool),
        (flags & FLAG_DIRECT_CALL).astype(bool),
    )
    memory.check(found.site, 256)
    memory.check(found.replacement, 256)
    if np.any(found.new_length > found.length):
        raise KernelFileError("is damaged: it has an alternative that is longer than what it replaces")
    return found


def read_static_calls(memory: Memory, span: Span) -> StaticCalls:
    """Sites of static calls."""
    table = memory.records(*span, STATIC_CALL_ENTRY)
    at = _entries(memory, span, STATIC_CALL_ENTRY.itemsize)
    keys = at + 4 + table["key"]
    calls = StaticCalls(at + table["site"], keys & ~3, (keys & 1).astype(bool))
    memory.check(calls.site, 8)
    memory.check(calls.key, 8)
    return calls


def read_paravirt(memory: Memory, span: Span) -> npt.NDArray[Any]:
    """Calls through pv_ops (up to v6.7): address, number of the operation, bytes."""
    return memory.records(*span, PARAVIRT_ENTRY)


def read_fentry(memory: Memory, span: Span) -> Int64s:
    """Places of the calls of __fentry__.

    Words that the build zeroed, for functions that lost to another one, lead nowhere and are left out.
    """
    sites = memory.records(*span, "<u8").astype(np.int64) - memory.start
    return sites[(sites >= 0) & (sites + 8 <= len(memory.data))]
