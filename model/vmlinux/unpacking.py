"""From a bzImage to the kernel proper: an ELF file, with its relocation lists behind it."""

import bz2
import io
import lzma
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import lz4.block
import zstandard

from model.common.errors import KernelFileError

LARGEST_FILE: Final = 1 << 30
"""Bytes of a kernel file: a vmlinux with its debug information has about half of it."""
LARGEST_PAYLOAD: Final = 512 << 20
"""Bytes of an unpacked kernel: kernels of distributions have 50 to 70 MiB."""
LZMA_MEMORY: Final = 256 << 20
"""Bytes that a dictionary may take; kernels are packed with one of 32 MiB."""
LZ4_BLOCK: Final = 8 << 20
"""Bytes of an unpacked block of the legacy format, by its definition."""
LZ4_MAGIC: Final = 0x184C2102
ZSTD_HAS_CHECKSUM: Final = 4
"""Bit of the frame's first byte behind the magic."""
SECTOR: Final = 512
CHECKSUM_UNTIL: Final = (6, 15)
"""The first version whose build appends no checksum (v6.15 has no arch/x86/boot/tools/build.c)."""
ELF_MAGIC: Final = b"\x7fELF"
WHAT_IS_NEEDED: Final = "name an x86-64 kernel: a bzImage, as /boot/vmlinuz-* is, or the vmlinux out of one"


class _UnpackError(Exception):
    """Why a payload does not unpack."""


@dataclass(frozen=True)
class Unpacked:
    """A kernel proper.

    Attributes
    ----------
    elf
        The ELF file and what follows it.
    compression
        `gzip`, `xz`, `lzma`, `bzip2`, `lz4`, `zstd`, or `none`.
    checksum
        What vouches for the bytes: `crc32` of the whole file, the compression's own, or `none`.
    release
        As `uname -r` would print it; empty where the file has no boot header.
    """

    elf: bytes
    compression: str
    checksum: str
    release: str


def unpack(raw: bytes) -> Unpacked:
    """Unpack the content of a kernel file.

    Raises
    ------
    KernelFileError
        When it is no x86 kernel, another kind of kernel, cut off or damaged.
    """
    if raw.startswith(ELF_MAGIC):
        return Unpacked(raw, "none", "none", "")
    _refuse_other_kinds(raw)
    if len(raw) < 0x260 or raw[0x1FE:0x200] != b"\x55\xaa" or raw[0x202:0x206] != b"HdrS":
        raise KernelFileError(f"is not a kernel (no x86 boot header, no ELF header): {WHAT_IS_NEEDED}")
    (protocol,) = struct.unpack_from("<H", raw, 0x206)
    if protocol < 0x208:
        raise KernelFileError(
            f"has boot protocol {protocol >> 8}.{protocol & 255:02d}, which does not say where the kernel "
            "lies: a kernel of 2008 or later is needed"
        )
    release = _release(raw)
    begin = ((raw[0x1F1] or 4) + 1) * SECTOR
    (paragraphs,) = struct.unpack_from("<I", raw, 0x1F4)
    offset, length = struct.unpack_from("<II", raw, 0x248)
    end = max(begin + 16 * paragraphs, begin + offset + length)
    if len(raw) < end:
        raise KernelFileError(f"is cut off: {len(raw):,} of {end:,} bytes; copy or download it again")
    fits = _checksum_fits(raw, begin + 16 * paragraphs)
    if not fits and _built_with_checksum(release):
        raise KernelFileError("is damaged: its checksum does not fit; copy or download it again")
    data = raw[begin + offset : begin + offset + length]
    name, own = _compression(data)
    elf = _unpacked(data, name)
    if not elf.startswith(ELF_MAGIC):
        raise KernelFileError(f"is damaged: what its {name} payload holds is no ELF file")
    return Unpacked(elf, name, "crc32" if fits else own, release)


def read_file(path: Path) -> bytes:
    """The content of a file that a user named.

    Raises
    ------
    KernelFileError
        When it is a directory or a device, too large, or cannot be read.
    """
    try:
        if path.is_dir():
            raise KernelFileError("is a directory: name the kernel file in it, vmlinuz-VERSION")
        if path.exists() and not path.is_file():
            raise KernelFileError("is not a regular file: name a kernel file")
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
    except PermissionError:
        raise KernelFileError(
            "may not be read by this user: run `sudo install -m 644 FILE COPY` and name the copy, or unpack "
            "the distribution's package"
        ) from None
    except (OSError, ValueError) as error:
        raise KernelFileError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > LARGEST_FILE:
        raise KernelFileError(f"is larger than {LARGEST_FILE >> 20} MiB: name the bzImage instead")
    return raw


def _refuse_other_kinds(raw: bytes) -> None:
    head = raw[:64]
    if raw.startswith(b"\x1f\x8b"):  # arm64's vmlinuz is its Image, packed
        try:
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(raw[:4096], 64)
        except zlib.error:
            head = b""
        if head.startswith(ELF_MAGIC):
            raise KernelFileError("is packed with gzip: unpack it first (gzip -d)")
    if head[0x38:0x3C] in (b"ARM\x64", b"RSC\x05") or head[0x30:0x35] == b"RISCV":
        raise KernelFileError(f"is a kernel of another architecture (arm64 or RISC-V): {WHAT_IS_NEEDED}")
    if head[:2] == b"MZ" and head[4:8] == b"zimg":
        raise KernelFileError(
            f"is an EFI zboot image (arm64, RISC-V or LoongArch), not an x86 kernel: {WHAT_IS_NEEDED}"
        )


def _release(raw: bytes) -> str:
    (at,) = struct.unpack_from("<H", raw, 0x20E)
    text = raw[0x200 + at : 0x200 + at + 256].split(b"\0", 1)[0] if at else b""
    return text.decode("ascii", "replace").split(" ")[0]


def _built_with_checksum(release: str) -> bool:
    version = re.match(r"(\d+)\.(\d+)", release)
    return version is not None and (int(version[1]), int(version[2])) < CHECKSUM_UNTIL


def _checksum_fits(raw: bytes, end: int) -> bool:
    """Whether the file's CRC-32 is what the build made it; as it was before somebody signed it, too."""
    if zlib.crc32(raw[:end]) == 0xFFFFFFFF:
        return True
    (header,) = struct.unpack_from("<I", raw, 0x3C)
    if raw[header : header + 4] != b"PE\0\0" or header + 176 > end:
        return False
    unsigned = bytearray(raw[:end])
    unsigned[header + 88 : header + 92] = bytes(4)  # the checksum of the PE format
    unsigned[header + 168 : header + 176] = bytes(8)  # place and size of the signatures
    return zlib.crc32(unsigned) == 0xFFFFFFFF


def _compression(data: bytes) -> tuple[str, str]:
    """Name of a payload's compression, and of the checksum that it has of its own."""
    for magic, (name, checksum) in MAGIC.items():
        if data.startswith(magic):
            return name, "none" if name == "zstd" and not data[4] & ZSTD_HAS_CHECKSUM else checksum
    raise KernelFileError(f"has a payload of unknown compression (it begins with {data[:6].hex()})")


def _unpacked(data: bytes, name: str) -> bytes:
    """The payload; the build wrote its size into the last four bytes, whatever the compression."""
    if name == "none":
        return data
    if name == "lzo":
        raise KernelFileError("is packed with LZO, which is not read here: unpack it by extract-vmlinux")
    (size,) = struct.unpack_from("<I", data, len(data) - 4)
    if size > LARGEST_PAYLOAD:
        raise KernelFileError(f"is damaged: its payload would have {size:,} bytes")
    # gzip ends with this size itself; behind all others the build appended it.
    packed = data if name == "gzip" else data[:-4]
    try:
        unpacked = UNPACK[name](packed, size)
    except (_UnpackError, ValueError, OSError, EOFError, RuntimeError) as error:
        raise KernelFileError(f"is damaged: its {name} payload does not unpack ({error})") from None
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise KernelFileError(f"is damaged: its {name} payload does not unpack ({error})") from None
    if len(unpacked) != size:
        raise KernelFileError(
            f"is damaged: its {name} payload has {len(unpacked):,} bytes and says {size:,}; "
            "copy or download it again"
        )
    return unpacked


def _gzip(data: bytes, size: int) -> bytes:
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    unpacked = unpacking.decompress(data, size + 1)
    if len(unpacked) == size and not unpacking.eof:
        unpacking.decompress(unpacking.unconsumed_tail, 1)  # only now is the checksum looked at
    if not unpacking.eof:
        raise _UnpackError("it ends too early")
    return unpacked


def _lzma(form: int) -> Callable[[bytes, int], bytes]:
    def unpacked(data: bytes, size: int) -> bytes:
        unpacking = lzma.LZMADecompressor(form, memlimit=LZMA_MEMORY)
        return _ended(unpacking, unpacking.decompress(data, size + 1))

    return unpacked


def _bzip2(data: bytes, size: int) -> bytes:
    unpacking = bz2.BZ2Decompressor()
    return _ended(unpacking, unpacking.decompress(data, size + 1))


def _ended(unpacking: lzma.LZMADecompressor | bz2.BZ2Decompressor, unpacked: bytes) -> bytes:
    """Ask once more for nothing, so that what stands behind the last byte is looked at, too."""
    if not unpacking.eof and not unpacking.needs_input:
        unpacking.decompress(b"", 0)
    if not unpacking.eof:
        raise _UnpackError("it ends too early, or is longer than it says")
    return unpacked


def _lz4(data: bytes, size: int) -> bytes:
    """The legacy format, which `lz4.frame` does not know: blocks, each with its packed size before it."""
    out: list[bytes] = []
    at, rest = 4, size
    while at + 4 <= len(data):
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        if length == LZ4_MAGIC:  # another frame begins
            continue
        if length == 0 or at + length > len(data):
            raise _UnpackError("a block is cut off")
        out.append(lz4.block.decompress(data[at : at + length], uncompressed_size=min(LZ4_BLOCK, rest)))
        rest -= len(out[-1])
        at += length
    return b"".join(out)


def _zstd(data: bytes, size: int) -> bytes:
    unpacking = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    with unpacking.stream_reader(io.BytesIO(data)) as stream:
        return stream.read(size + 1)


MAGIC: Final = {
    b"\x1f\x8b\x08": ("gzip", "gzip"),
    b"\xfd7zXZ\0": ("xz", "xz"),
    b"\x5d\0\0": ("lzma", "none"),
    b"BZh": ("bzip2", "bzip2"),
    b"\x02\x21\x4c\x18": ("lz4", "none"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd"),
    b"\x89LZO\0": ("lzo", "none"),
    ELF_MAGIC: ("none", "none"),
}
"""First bytes of a payload: its compression, and the checksum that the compression has of its own."""
UNPACK: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gzip,
    "xz": _lzma(lzma.FORMAT_XZ),
    "lzma": _lzma(lzma.FORMAT_ALONE),
    "bzip2": _bzip2,
    "lz4": _lz4,
    "zstd": _zstd,
}
