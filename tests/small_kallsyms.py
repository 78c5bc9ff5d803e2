"""Writes the tables of kallsyms in each layout that there has been."""

import struct
from collections.abc import Sequence

TOKENS = 256


def _tokens() -> list[bytes]:
    """Letters stand for themselves; what no name needs stands for longer pieces."""
    plain = {ord(each) for each in "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.$"}
    pieces = [b"__", b"filler_", b"pages", b"er", b"le"]
    spare = [code for code in range(TOKENS) if code not in plain]
    tokens = [bytes([code]) if code in plain else b"zz%d" % code for code in range(TOKENS)]
    for code, piece in zip(spare[100:], pieces, strict=False):
        tokens[code] = piece
    return tokens


def _packed(name: bytes, codes: dict[bytes, int]) -> bytes:
    out, at = bytearray(), 0
    while at < len(name):
        piece = next(name[at : at + size] for size in (7, 5, 2, 1) if name[at : at + size] in codes)
        out.append(codes[piece])
        at += len(piece)
    head = bytes([len(out)]) if len(out) < 0x80 else bytes([len(out) & 0x7F | 0x80, len(out) >> 7])
    return head + bytes(out)


def kallsyms(symbols: Sequence[tuple[int, str, str]], address: int, layout: str) -> bytes:
    """The tables at an address.

    Parameters
    ----------
    symbols
        Address, letter and name of each.
    layout
        `before` (up to v6.3), `behind` (v6.4 to v6.14), `base` (v6.15 and later) or `own` (7.x): where the
        offsets are, and what they count from. `own-4`: at an odd multiple of four bytes.
    """
    tokens = _tokens()
    codes = {token: code for code, token in enumerate(tokens)}
    names, markers, packed = bytearray(), [], [_packed(f"{s[1]}{s[2]}".encode(), codes) for s in symbols]
    for number, each in enumerate(packed):
        if number % 256 == 0:
            markers.append(len(names))
        names += each
    base = min(each[0] for each in symbols if each[0] >= 1 << 63)
    absolute = [a if a < 1 << 31 else base - 1 - a for a, _, _ in symbols]
    base_table = struct.pack("<Q", base)
    head = _padded(struct.pack("<I", len(symbols)), 8) + _padded(bytes(names), 8)
    head += _padded(struct.pack(f"<{len(markers)}I", *markers), 8)
    index, at = [], 0
    for token in tokens:
        index.append(at)
        at += len(token) + 1
    tail = _padded(b"".join(token + b"\0" for token in tokens), 8) + struct.pack(f"<{TOKENS}H", *index)
    if layout == "before":
        offsets = _padded(struct.pack(f"<{len(symbols)}i", *absolute), 8)
        sequence = _padded(b"".join(n.to_bytes(3, "big") for n in range(len(symbols))), 8)
        return offsets + base_table + head + sequence + tail
    if layout == "behind":
        return head + tail + _padded(struct.pack(f"<{len(symbols)}i", *absolute), 8) + base_table
    if layout == "base":
        unsigned = [a - base for a, _, _ in symbols]
        return head + tail + _padded(struct.pack(f"<{len(symbols)}I", *unsigned), 8) + base_table
    if layout == "own-4":
        tail = bytes(4) + tail
    here = address + len(head + tail)
    own = [s[0] - here - 4 * n for n, s in enumerate(symbols)]
    return head + tail + struct.pack(f"<{len(symbols)}i", *own)


def _padded(data: bytes, size: int) -> bytes:
    return data + bytes(-len(data) % size)
