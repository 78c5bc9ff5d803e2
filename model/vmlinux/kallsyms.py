"""The kernel's own symbol table: found by its shape, for it has no header.

Names are packed: each is a length and as many bytes, each of which stands for one of 256 tokens. The first
letter of a name is its type. Four tables are found in turn, each by what it must look like: the tokens with
their index, the markers (where each 256th name begins), the number of names, the names. Where the addresses
lie, and how they are written, has changed twice; the layout is taken under which `_text` has its address and
no address is less than the one before.
"""

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from model.common.errors import KernelFileError
from model.vmlinux.symbols import Symbols

TOKENS: Final = 256
PER_MARKER: Final = 256
DIGITS: Final = b"".join(b"%d\0" % digit for digit in range(10))
"""Tokens 0x30 to 0x39: a character that occurs in a name keeps its own token."""
LONGEST_TOKEN: Final = 1024
LONGEST_NAME: Final = 140
"""Bytes of an average packed name, taken generously: 256 names have fewer than 256 times as many."""
WORDS_BEFORE_TOKENS: Final = 1 << 21
"""Words before the tokens in which the markers are looked for: a kernel has 200,000 names or fewer."""
NAMES_CHECKED: Final = 1024
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]


def read_kallsyms(rodata: bytes, address: int, text: int) -> tuple[Symbols, str]:
    """The symbols of a kernel, and the name of the layout that they were read by.

    Parameters
    ----------
    rodata
        Section in which the tables are.
    address
        Of its first byte.
    text
        Address that `_text` must have.

    Raises
    ------
    KernelFileError
        When a table is not there, or no layout gives `_text` this address.
    """
    tokens_at, index_at, tokens = _tokens(rodata)
    names_at, count = _names(rodata, tokens_at)
    letters, names = _decode(rodata, names_at, count, tokens)
    try:
        number = names.index("_text")
    except ValueError:
        raise KernelFileError("is damaged: its kallsyms has no symbol _text") from None
    for layout, addresses in _layouts(rodata, address, names_at, index_at + 2 * TOKENS, count):
        if int(addresses[number]) == text and bool((addresses[1:] >= addresses[:-1]).all()):
            return Symbols.of(addresses, letters, names), layout
    raise KernelFileError(
        "has kallsyms of a layout that is not known here: under none of them does _text have its address"
    )


def _tokens(data: bytes) -> tuple[int, int, list[bytes]]:
    """Where the tokens begin, where their index begins, and the tokens."""
    at = data.find(DIGITS)
    while at >= 0:
        # 48 tokens stand before the digits, each ends with a zero byte; padding may stand before the first.
        first = max(at - 48 * LONGEST_TOKEN, 0)
        zeros = [place for place in range(at - 1, first - 1, -1) if data[place] == 0][:65] if at else []
        if len(zeros) > 48:
            begin = zeros[48] + 1
            found = next(
                (hit for start in range(begin & ~3, begin + 17, 4) if (hit := _index(data, start))), None
            )
            if found is not None:
                return found
        at = data.find(DIGITS, at + 1)
    raise KernelFileError(
        "has no kallsyms (CONFIG_KALLSYMS is off, or the file is damaged): no function can be found in it"
    )


def _index(data: bytes, start: int) -> tuple[int, int, list[bytes]] | None:
    """The tokens that begin here, if an index of exactly these tokens follows them."""
    places, at = [], start
    for _ in range(TOKENS):
        places.append(at - start)
        at = data.find(b"\0", at) + 1
        if at == 0 or at - start > 0xFFFF:
            return None
    index = data.find(struct.pack(f"<{TOKENS}H", *places), at, at + 2 * TOKENS + 64)
    if index < 0:
        return None
    ends = [*places[1:], at - start]
    tokens = [data[start + a : start + b - 1] for a, b in zip(places, ends, strict=True)]
    return (start, index, tokens) if b"\0".join(tokens[0x30:0x3A]) + b"\0" == DIGITS else None


def _names(data: bytes, tokens_at: int) -> tuple[int, int]:
    """Where the names begin, and how many there are."""
    for markers_at, markers in _markers(data, tokens_at):
        highest = (markers_at - markers[-1]) & ~3
        for at in range(highest, max(highest - PER_MARKER * LONGEST_NAME - 16, -4), -4):
            (count,) = struct.unpack_from("<I", data, at)
            if (count + PER_MARKER - 1) // PER_MARKER != len(markers):
                continue
            for names_at in (at + 4, at + 8):
                if _names_fit(data, names_at, count, markers):
                    return names_at, count
    raise KernelFileError("is damaged: its kallsyms has tokens, but no names that they spell")


def _markers(data: bytes, tokens_at: int) -> Iterator[tuple[int, list[int]]]:
    """What may be the markers: where they begin, and the markers.

    They grow from 0 by what 256 names take. In some versions (6.2 to 6.3, and stable 6.1) another table
    stands between them and the tokens, so they are looked for backwards.
    """
    least = max((tokens_at & ~3) - 4 * WORDS_BEFORE_TOKENS, 0)
    words = np.frombuffer(data, "<u4", (tokens_at - least) // 4, least).astype(np.int64)
    steps = np.diff(words)
    grows = (steps >= 2 * PER_MARKER) & (steps <= PER_MARKER * LONGEST_NAME)
    for first in np.flatnonzero((words[:-1] == 0) & grows)[::-1].tolist():
        stops = np.flatnonzero(~grows[first:])
        last = first + (int(stops[0]) if len(stops) else len(grows) - first)
        yield least + 4 * first, words[first : last + 1].tolist()


def _names_fit(data: bytes, names_at: int, count: int, markers: list[int]) -> bool:
    at = names_at
    for number in range(min(count, NAMES_CHECKED)):
        if number % PER_MARKER == 0 and at - names_at != markers[number // PER_MARKER]:
            return False
        if at + 2 > len(data):
            return False
        length, head = _length(data, at)
        at += head + length
    return True


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Bytes of the name that begins here, and bytes that say so."""
    length = data[at]
    return (length, 1) if length < 0x80 else (length & 0x7F | data[at + 1] << 7, 2)


def _decode(data: bytes, at: int, count: int, tokens: list[bytes]) -> tuple[str, list[str]]:
    """Type letters and names of all symbols."""
    letters, names = [], []
    texts = [token.decode("latin-1") for token in tokens]
    for _ in range(count):
        length, head = _length(data, at)
        at += head
        name = "".join([texts[byte] for byte in data[at : at + length]])
        letters.append(name[:1] or "?")
        names.append(name[1:])
        at += length
    return "".join(letters), names


def _layouts(
    data: bytes, address: int, names_at: int, tokens_end: int, count: int
) -> Iterator[tuple[str, UInt64s]]:
    """All addresses, under each of the layouts that there have been."""
    size = (4 * count + 7) & ~7
    # Offsets from their own place are aligned to 4: Debian's 7.2.13 has them at an odd multiple. One word too
    # far, each symbol has the next one's address, and `_text`, `_stext` and the first function have one.
    near, behind = (tokens_end + 3) & ~3, (tokens_end + 7) & ~7
    # The number of names is padded to eight bytes, and so are the offsets and the base before it.
    before = (names_at - 8) & ~7
    for place, offsets_at, base_at in (
        ("offsets before the names", before - 8 - size, before - 8),
        *(("offsets behind the tokens", at, at + size) for at in dict.fromkeys((near, behind))),
    ):
        if offsets_at < 0 or offsets_at + 4 * count > len(data):
            continue
        offsets = np.frombuffer(data, "<i4", count, offsets_at).astype(np.int64)
        if base_at + 8 <= len(data):
            base = np.frombuffer(data, "<i8", 1, base_at)[0]
            absolute = np.where(offsets >= 0, offsets, base - 1 - offsets)
            yield f"{place}, per-CPU symbols absolute", absolute.view(np.uint64)
            yield f"{place}, from a base", (base + (offsets & 0xFFFFFFFF)).view(np.uint64)
        here = np.int64(address + offsets_at - (1 << 64)) + 4 * np.arange(count)
        yield f"{place}, each from its own place", (here + offsets).view(np.uint64)
