"""A kernel of a few kilobytes: everything that model/vmlinux reads is in it, nothing of a real kernel.

`kernel()` gives the unpacked ELF file with its relocation lists, `packed()` a bzImage of it. Its functions do
nothing; each place that a booting kernel patches is there once, at an address that SITES names.
"""

import bz2
import gzip
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import lz4.block
import zstandard

from tests.small_btf import BtfWriter
from tests.small_kallsyms import kallsyms

LINK: Final = 0xFFFFFFFF80000000
TEXT, RODATA, DATA, PER_CPU = (LINK + at for at in (0x1000000, 0x1010000, 0x1040000, 0x1060000))
NOP_5: Final = bytes.fromhex("0f1f440000")
SITES: Final = {
    "fentry": TEXT + 0x100,
    "label": TEXT + 0x105,
    "static_call": TEXT + 0x10A,
    "alternative": TEXT + 0x10F,
    "static_cpu_has": TEXT + 0x114,
    "indirect": TEXT + 0x119,
    "indirect_r10": TEXT + 0x11E,
    "short_label": TEXT + 0x124,
    "padding": TEXT + 0x128,
    "return": TEXT + 0x13B,
    "init_label": TEXT + 0x140,
    "check_label": TEXT + 0x145,
    "endbr": TEXT + 0x200,
    "tail": TEXT + 0x220,
}
FUNCTIONS: Final = {
    "_text": TEXT,
    "__free_pages": TEXT + 0x100,
    "target": TEXT + 0x200,
    "tail_caller": TEXT + 0x220,
    "__fentry__": TEXT + 0x300,
    "__x86_return_thunk": TEXT + 0x320,
    "retbleed_return_thunk": TEXT + 0x330,
    "srso_alias_return_thunk": TEXT + 0x340,
    "__SCT__hook": TEXT + 0x360,
    "hook": TEXT + 0x380,
    "twice": TEXT + 0x3A0,
    "__x86_indirect_thunk_array": TEXT + 0x400,
}
ALWAYS, RETPOLINE, FPU = 117, 364, 0
FILLERS: Final = 700
"""Symbols beside: kallsyms marks every 256th name."""
RELEASE: Final = "6.99.1-small"
STATIC_KEYS: Final = ("memcg_kmem_online_key", "deferred_pages", "init_on_alloc", "check_pages_enabled")


@dataclass
class Small:
    """What varies.

    Attributes
    ----------
    kallsyms_layout
        As `tests.small_kallsyms.kallsyms` takes it.
    flagged
        Whether `struct alt_instr` has a field of flags (v6.3 and later).
    per_cpu_at_zero
        Whether per-CPU variables are linked at 0 (up to v6.14).
    without
        A section that is left out.
    changed
        Bytes to put at linked addresses in the end.
    """

    kallsyms_layout: str = "behind"
    flagged: bool = True
    per_cpu_at_zero: bool = False
    without: str = ""
    machine: int = 62
    kind: int = 2
    relocated: bool = True
    changed: Mapping[int, bytes] = field(default_factory=dict)


def _rel(at: int, target: int) -> bytes:
    return struct.pack("<i", target - at)


def _branch(opcode: int, at: int, target: int) -> bytes:
    return bytes([opcode]) + _rel(at + 5, target)


class _Area:
    """Bytes from an address on."""

    def __init__(self, address: int, size: int, fill: bytes = b"\0") -> None:
        self.address, self.data, self.next = address, bytearray(fill * size), 0

    def put(self, address: int, code: bytes) -> None:
        at = address - self.address
        assert at >= 0 and at + len(code) <= len(self.data)
        self.data[at : at + len(code)] = code

    def add(self, code: bytes, align: int = 16) -> int:
        self.next = -(-self.next // align) * align
        at = self.next
        self.put(self.address + at, code)
        self.next += len(code)
        return self.address + at


def kernel(small: Small | None = None) -> bytes:
    """The ELF file, and the relocation lists behind it."""
    small = small or Small()
    text, data = _text(), _Area(DATA, 0x10000)
    symbols = [(address, "T", name) for name, address in FUNCTIONS.items()]
    symbols += [(FUNCTIONS["twice"] + 8, "t", "twice"), (FUNCTIONS["twice"] + 16, "t", "static_twice")]
    symbols += [(FUNCTIONS["twice"] + 24, "t", "static_twice"), (TEXT + 0xF0, "t", "__pfx___free_pages")]
    symbols += [(TEXT + 0x800 + 2 * n, "t", f"filler_{n}") for n in range(FILLERS)]
    sections, words_64 = _tables(small, data, symbols)
    start = 0 if small.per_cpu_at_zero else PER_CPU
    symbols += [(start, "A" if not start else "D", "__per_cpu_start"), (start + 64, "A", "__per_cpu_end")]
    symbols += [(start + 8, "A" if not start else "D", "__preempt_count")]
    btf = _btf(small)
    rodata = _Area(RODATA, 0x30000)
    banner = f"Linux version {RELEASE} (nobody@nowhere) (a compiler) #1\n\0".encode()
    symbols.append((rodata.add(banner), "R", "linux_banner"))
    sections[".BTF"] = (rodata.add(btf), len(btf))
    rodata.add(b"some text before\0\0\0\0", 8)
    table = kallsyms(sorted(symbols), RODATA + -(-rodata.next // 16) * 16, small.kallsyms_layout)
    rodata.add(table)
    sections |= {".text": (TEXT, len(text.data)), ".rodata": (RODATA, len(rodata.data))}
    for address, code in small.changed.items():
        area = next(each for each in (text, rodata, data) if 0 <= address - each.address < len(each.data))
        area.put(address, code)
    elf = _elf(small, (text, rodata, data), sections)
    return elf + (_relocations(data, words_64) if small.relocated else b"")


def _text() -> _Area:
    text, at, to = _Area(TEXT, 0x1000, b"\xcc"), SITES, FUNCTIONS
    text.put(at["fentry"], _branch(0xE8, at["fentry"], to["__fentry__"]))
    text.put(at["label"], NOP_5)
    text.put(at["static_call"], _branch(0xE8, at["static_call"], to["__SCT__hook"]))
    text.put(at["alternative"], b"\x90" * 5)
    text.put(at["static_cpu_has"], _branch(0xE9, at["static_cpu_has"], TEXT + 0x700))
    text.put(at["indirect"], _branch(0xE8, at["indirect"], to["__x86_indirect_thunk_array"] + 32))
    register = to["__x86_indirect_thunk_array"] + 32 * 10
    text.put(at["indirect_r10"], b"\x2e\xe8" + _rel(at["indirect_r10"] + 6, register))
    text.put(at["short_label"], b"\xeb\x04")
    text.put(at["padding"], b"\x90" * 19)
    text.put(at["return"], _branch(0xE9, at["return"], to["__x86_return_thunk"]))
    text.put(at["init_label"], _branch(0xE9, at["init_label"], to["target"]))
    text.put(at["check_label"], NOP_5)
    text.put(at["endbr"], bytes.fromhex("f30f1efac3"))
    text.put(at["tail"], _branch(0xE9, at["tail"], to["__SCT__hook"]))
    return text


def _tables(
    small: Small, data: _Area, symbols: list[tuple[int, str, str]]
) -> tuple[dict[str, tuple[int, int]], list[int]]:
    """Tables of places to patch; sections by name, and places of the words that are addresses."""
    at, to, sections, words = SITES, FUNCTIONS, {}, []
    names = [data.add(b"fpu\0"), data.add(b"vme\0")]
    flags = data.add(struct.pack("<2Q", *names))
    words += [flags, flags + 8]
    symbols += [(flags, "D", "x86_cap_flags"), (flags + 16, "D", "behind_flags")]
    keys = {name: data.add(struct.pack("<iIQ", name == "init_on_alloc", 0, 0)) for name in STATIC_KEYS}
    symbols += [(address, "D", name) for name, address in keys.items()]
    hook = data.add(struct.pack("<QQ", to["hook"], 0))
    empty = data.add(bytes(16))
    words.append(hook)

    labels = (
        (at["label"], to["target"], keys["memcg_kmem_online_key"], 0),
        (at["short_label"], at["short_label"] + 6, keys["deferred_pages"], 1),
        (at["init_label"], to["target"], keys["init_on_alloc"], 0),
        (at["check_label"], to["target"], keys["check_pages_enabled"], 0),
    )
    table = data.add(bytes(16 * len(labels)))
    for number, (code, target, key, branch) in enumerate(labels):
        entry = table + 16 * number
        data.put(
            entry, _rel(entry, code) + _rel(entry + 4, target) + struct.pack("<q", key + branch - entry - 8)
        )
    symbols += [(table, "D", "__start___jump_table"), (table + 16 * len(labels), "D", "__stop___jump_table")]

    calls = data.add(bytes(16))
    data.put(calls, _rel(calls, at["static_call"]) + _rel(calls + 4, hook))
    data.put(calls + 8, _rel(calls + 8, at["tail"]) + _rel(calls + 12, empty + 1))
    symbols += [(calls, "D", "__start_static_call_sites"), (calls + 16, "D", "__stop_static_call_sites")]
    fentry = data.add(struct.pack("<2Q", at["fentry"], 0))
    words += [fentry, fentry + 8]
    symbols += [(fentry, "D", "__start_mcount_loc"), (fentry + 16, "D", "__stop_mcount_loc")]

    code = data.add(bytes(64))
    data.put(code, _branch(0xE8, code, to["target"]))
    data.put(code + 16, _branch(0xE9, code + 16, TEXT + 0x780))
    data.put(code + 32, b"\xff\xe0")
    rows = [
        (at["alternative"], code, FPU, 0, 5, 5),
        (at["static_cpu_has"], code + 16, ALWAYS, 0, 5, 5),
        (at["static_cpu_has"], code + 40, FPU + 1, 0, 5, 0),
        (at["padding"], code, FPU + 1, 0, 19, 5),
        (to["__x86_indirect_thunk_array"], code + 32, RETPOLINE, 1, 5, 2),
    ]
    size = 14 if small.flagged else 12
    entries = data.add(bytes(size * len(rows)), 4)
    for number, (site, new, feature, absent, length, new_length) in enumerate(rows):
        entry = entries + size * number
        kind = (
            struct.pack("<HH", feature, absent)
            if small.flagged
            else struct.pack("<H", feature | absent << 15)
        )
        data.put(entry, _rel(entry, site) + _rel(entry + 4, new) + kind + bytes([length, new_length]))
    sections[".altinstructions"] = (entries, size * len(rows))
    for name, places in (
        (".return_sites", [at["return"]]),
        (".retpoline_sites", [at["indirect"], at["indirect_r10"]]),
        (".ibt_endbr_seal", [at["endbr"]]),
    ):
        begin = data.add(bytes(4 * len(places)), 4)
        for number, place in enumerate(places):
            data.put(begin + 4 * number, _rel(begin + 4 * number, place))
        sections[name] = (begin, 4 * len(places))
    return sections, words


def _btf(small: Small) -> bytes:
    writer = BtfWriter()
    s32, u16, u8 = writer.integer("int", 4), writer.integer("unsigned short", 2), writer.integer("char", 1)
    fields = [("instr_offset", s32, 0), ("repl_offset", s32, 4), ("cpuid", u16, 8)]
    fields += [("flags", u16, 10)] if small.flagged else []
    at = 12 if small.flagged else 10
    writer.record(
        "struct", "alt_instr", at + 2, [*fields, ("instrlen", u8, at), ("replacementlen", u8, at + 1)]
    )
    return writer.section()


def _relocations(data: _Area, words_64: list[int]) -> bytes:
    """Lists of 64-bit and of 32-bit words; of the latter a thousand in the end of the data."""
    first = data.address + len(data.data) - 4 * 1200
    signed = [address - (1 << 64) for address in words_64]
    narrow = [first + 4 * n - (1 << 64) for n in range(1200)]
    return struct.pack(f"<i{len(signed)}ii{len(narrow)}i", 0, *signed, 0, *narrow)


def _elf(small: Small, areas: tuple[_Area, ...], sections: Mapping[str, tuple[int, int]]) -> bytes:
    data = areas[2]
    for number in range(1200):  # what the 32-bit relocations move
        data.put(data.address + len(data.data) - 4 * (number + 1), struct.pack("<I", TEXT & 0xFFFFFFFF))
    per_cpu = _Area(0 if small.per_cpu_at_zero else PER_CPU, 64)
    per_cpu.put(per_cpu.address + 8, struct.pack("<Q", 0x1234))
    loaded = [(area.address, area.address - LINK, bytes(area.data)) for area in areas]
    loaded.append((per_cpu.address, PER_CPU - LINK, bytes(per_cpu.data)))
    body, segments = bytearray(), []
    begin = 64 + 56 * len(loaded)
    for address, physical, content in loaded:
        segments.append((address, physical, begin + len(body), len(content)))
        body += content
    names, headers = bytearray(b"\0"), [bytes(64)]
    for name, (address, size) in sections.items():
        if name == small.without:
            continue
        offset = next(
            at + address - start for start, _, at, length in segments if start <= address < start + length
        )
        headers.append(struct.pack("<IIQQQQIIQQ", len(names), 1, 2, address, offset, size, 0, 0, 16, 0))
        names += name.encode() + b"\0"
    headers.append(
        struct.pack("<IIQQQQIIQQ", len(names), 3, 0, 0, begin + len(body), len(names) + 10, 0, 0, 1, 0)
    )
    names += b".shstrtab\0"
    body += names
    counts = (64, 56, len(loaded), 64, len(headers), len(headers) - 1)
    places = (TEXT, 64, begin + len(body), 0)
    head = b"\x7fELF\2\1\1" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", small.kind, small.machine, 1, *places, *counts)
    programs = b"".join(
        struct.pack("<IIQQQQQQ", 1, 7, offset, address, physical, size, size, 0x1000)
        for address, physical, offset, size in segments
    )
    return head + programs + bytes(body) + b"".join(headers)


def _lz4(data: bytes) -> bytes:
    blocks = [
        lz4.block.compress(data[at : at + (8 << 20)], store_size=False) for at in range(0, len(data), 8 << 20)
    ]
    return struct.pack("<I", 0x184C2102) + b"".join(struct.pack("<I", len(block)) + block for block in blocks)


PACK: Final[dict[str, Callable[[bytes], bytes]]] = {
    "none": lambda data: data,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "bzip2": bz2.compress,
    "lz4": _lz4,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def packed(content: bytes, compression: str, *, release: str = RELEASE, checksum: bool = True) -> bytes:
    """A bzImage with this payload, as the kernel's build makes it."""
    payload = PACK[compression](content)
    if compression not in ("none", "gzip"):
        payload += struct.pack("<I", len(content))
    head = bytearray(2 * 512)
    head[0x1F1], head[0x1FE:0x200], head[0x202:0x206] = 1, b"\x55\xaa", b"HdrS"
    struct.pack_into("<H", head, 0x206, 0x20F)
    struct.pack_into("<H", head, 0x20E, 0x100)
    head[0x300 : 0x300 + len(release) + 9] = release.encode() + b" (nobody)"
    struct.pack_into("<II", head, 0x248, 0, len(payload))
    payload += bytes(-(len(payload) + 4) % 16)
    struct.pack_into("<I", head, 0x1F4, (len(payload) + 4) // 16)
    image = bytes(head) + payload
    return image + (struct.pack("<I", zlib.crc32(image) ^ 0xFFFFFFFF) if checksum else b"sign")
