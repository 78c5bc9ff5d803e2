"""Reading kernel files: every compression, every layout of symbols, and what cannot be used, in one line."""

import os
import random
import struct
from pathlib import Path

import pytest

from model.common.errors import KernelFileError
from model.vmlinux import reading
from model.vmlinux.boot import Cpu, as_booted
from model.vmlinux.kernel_cache import KernelCache
from model.vmlinux.loading import load
from model.vmlinux.reading import read, read_bytes
from model.vmlinux.unpacking import unpack
from tests.small_kernel import FUNCTIONS, PACK, RELEASE, SITES, Small, kernel, packed

CPU = Cpu(frozenset({"fpu"}), frozenset(), "GenuineIntel", 6)
LAYOUTS = ("before", "behind", "base", "own", "own-4")


def refusal(raw: bytes) -> str:
    """Why a file's content is refused: one line."""
    with pytest.raises(KernelFileError) as caught:
        read_bytes(raw, "0" * 64)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("compression", PACK)
def test_every_compression(compression: str) -> None:
    """The same kernel comes out, and what vouches for it is said."""
    content = kernel()
    unpacked = unpack(packed(content, compression))
    assert unpacked.elf[: len(content)] == content
    assert (unpacked.compression, unpacked.checksum) == (compression, "crc32")
    assert unpacked.release == RELEASE


def test_lz4_of_several_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of two compressed files that were put together: the magic stands where a block's length would."""
    content = kernel()
    half, one = len(content) // 2, PACK["lz4"]
    monkeypatch.setitem(PACK, "lz4", lambda data: one(data[:half]) + one(data[half:]))
    assert unpack(packed(content, "lz4")).elf[: len(content)] == content


@pytest.mark.parametrize(
    ("compression", "own"), [("zstd", "zstd"), ("xz", "xz"), ("lz4", "none"), ("lzma", "none")]
)
def test_newer_kernels_have_no_checksum_of_the_file(compression: str, own: str) -> None:
    """From v6.15 on the compression vouches for the bytes, if it can; before, a file without is damaged."""
    assert unpack(packed(kernel(), compression, checksum=False)).checksum == own
    with pytest.raises(KernelFileError, match="checksum does not fit"):
        unpack(packed(kernel(), compression, release="6.14.9", checksum=False))


def test_signing_leaves_the_checksum() -> None:
    """A signature changes two fields of the PE header, which the checksum was made without."""
    raw = bytearray(packed(kernel(), "zstd", release="6.1.0"))
    struct.pack_into("<I", raw, 0x3C, 0x40)
    raw[0x40:0x44] = b"PE\0\0"
    raw = bytearray(_with_checksum(bytes(raw)))
    struct.pack_into("<I", raw, 0x40 + 88, 0x12345)
    struct.pack_into("<II", raw, 0x40 + 168, len(raw), 64)
    assert unpack(bytes(raw) + bytes(64)).checksum == "crc32"
    raw[0x50] ^= 1
    with pytest.raises(KernelFileError, match="checksum does not fit"):
        unpack(bytes(raw) + bytes(64))


def _with_checksum(raw: bytes) -> bytes:
    import zlib

    return raw[:-4] + struct.pack("<I", zlib.crc32(raw[:-4]) ^ 0xFFFFFFFF)


@pytest.mark.parametrize("compression", PACK)
def test_one_flipped_bit_of_the_payload(compression: str) -> None:
    """Refused, by the file's checksum."""
    raw = bytearray(packed(kernel(), compression, release="6.1.0"))
    raw[len(raw) // 2] ^= 4
    assert "damaged" in refusal(bytes(raw))


@pytest.mark.parametrize("compression", [name for name in PACK if name not in ("none", "lz4", "lzma")])
def test_one_flipped_bit_that_only_the_compression_sees(compression: str) -> None:
    """Refused, with the compression's name."""
    raw = bytearray(packed(kernel(), compression, checksum=False))
    raw[len(raw) // 2] ^= 4
    assert f"its {compression} payload" in refusal(bytes(raw))


@pytest.mark.parametrize("compression", PACK)
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
def test_cut_off(compression: str, kept: float) -> None:
    """Wherever a file ends too early."""
    raw = packed(kernel(), compression)
    refusal(raw[: int(kept * len(raw))])


def test_a_payload_that_is_longer_than_it_says() -> None:
    """No more is unpacked than the payload says."""
    raw = bytearray(packed(kernel() + bytes(1 << 20), "xz", checksum=False))
    at = raw.index(struct.pack("<I", len(kernel()) + (1 << 20)), 0x400)
    struct.pack_into("<I", raw, at, 1 << 16)
    assert "damaged" in refusal(bytes(raw))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not a kernel"),
        (b"#!/bin/sh\n" * 100, "is not a kernel"),
        (b"MZ\0\0" + bytes(0x34) + b"ARM\x64" + bytes(4096), "another architecture"),
        (PACK["gzip"](b"MZ\0\0" + bytes(0x34) + b"ARM\x64" + bytes(4096)), "another architecture"),
        (b"MZ\0\0zimg" + bytes(4096), "zboot"),
        (PACK["gzip"](kernel()), "unpack it first"),
        (kernel(Small(machine=3)), "32-bit"),
        (kernel(Small(machine=183)), "another architecture (AARCH64)"),
        (kernel(Small(kind=1)), "kernel module"),
        (kernel(Small(kind=4)), "core dump"),
        (kernel(Small(without=".BTF")), "CONFIG_DEBUG_INFO_BTF"),
        (kernel(Small(without=".text")), "no kernel"),
        (kernel(Small(relocated=False)), "no relocations"),
        (kernel()[:5000], "cut off"),
        (kernel()[:100], "damaged"),
        (kernel().replace(b"\0".join(b"%d" % digit for digit in range(10)), bytes(19)), "CONFIG_KALLSYMS"),
        (kernel().replace(b"Linux version", b"Minix version"), "banner"),
        (kernel(Small(changed={SITES["label"]: b"\xe9\0\0\0\0"})), "1 of its 4 jump labels"),
        (kernel(Small(changed={SITES["short_label"]: b"\xeb\x05"})), "in __free_pages"),
    ],
)
def test_what_cannot_be_used(content: bytes, words: str) -> None:
    """One line that says why, and mostly what to do."""
    assert words in refusal(content)


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory, a pipe, a missing file, and one that only root may read."""
    os.mkfifo(tmp_path / "pipe")
    for place, words in ((tmp_path, "is a directory"), (tmp_path / "pipe", "not a regular file")):
        with pytest.raises(KernelFileError, match=words):
            read(place)
    with pytest.raises(KernelFileError, match="No such file"):
        read(tmp_path / "none")
    path = tmp_path / "vmlinuz"
    path.write_bytes(kernel())

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(KernelFileError, match="sudo install"):
        read(path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_symbols(layout: str) -> None:
    """Every symbol has its address and its name, of the per-CPU variables too."""
    small = Small(kallsyms_layout=layout, per_cpu_at_zero=layout in ("before", "behind"))
    read_kernel = read_bytes(kernel(small), "0" * 64)
    symbols = read_kernel.symbols
    for name, address in FUNCTIONS.items():
        assert symbols.one(name) == address
    assert symbols.one("__per_cpu_end") - symbols.one("__per_cpu_start") == 64
    assert (symbols.one("__per_cpu_start") == 0) == small.per_cpu_at_zero
    assert symbols.one("filler_699") == FUNCTIONS["_text"] + 0x800 + 2 * 699


def test_names_that_are_not_unique() -> None:
    """A global one among several is the one that is meant; of several static ones none is."""
    symbols = read_bytes(kernel(), "0" * 64).symbols
    assert len(symbols.all("twice")) == 2
    assert symbols.one("twice") == FUNCTIONS["twice"]
    with pytest.raises(KernelFileError, match="several symbols static_twice"):
        symbols.one("static_twice")
    with pytest.raises(KernelFileError, match="no symbol nowhere or neither"):
        symbols.one("nowhere", "neither")


def test_symbols_by_address() -> None:
    """What an address lies in; the padding before a function has a name of its own, but no function."""
    symbols = read_bytes(kernel(), "0" * 64).symbols
    found = symbols.at(FUNCTIONS["__free_pages"] + 5)
    assert found is not None
    assert (found.name, found.start, found.end, found.letter) == (
        "__free_pages",
        FUNCTIONS["__free_pages"],
        FUNCTIONS["target"],
        "T",
    )
    padding = symbols.at(FUNCTIONS["__free_pages"] - 1)
    assert padding is not None and padding.name == "__pfx___free_pages"
    assert symbols.at(0x1000) is None and symbols.at(-1) is None


def test_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time everything comes from the cache, and is the same."""
    path, cache = tmp_path / "vmlinuz", KernelCache(tmp_path / "cache")
    path.write_bytes(packed(kernel(), "zstd"))
    first = read(path, cache)
    monkeypatch.setattr(reading, "read_bytes", lambda *_: pytest.fail("read again"))
    second = read(path, cache)
    assert second.origin == first.origin and second.layout == first.layout
    assert second.image == first.image
    assert second.symbols.as_arrays().keys() == first.symbols.as_arrays().keys()
    assert second.symbols.one("hook") == first.symbols.one("hook")
    assert second.btf.starts.tolist() == first.btf.starts.tolist()
    boot = as_booted(first, "", CPU)
    assert load(second, boot).memory == load(first, boot).memory
    assert not list(tmp_path.rglob("*.pkl"))


@pytest.mark.parametrize("name", ["image", "tables.npz", "kernel.json"])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "writable"])
def test_what_is_kept_is_believed_only_whole(tmp_path: Path, name: str, how: str) -> None:
    """A file of the cache that is damaged, or that others could write, is as good as none, and replaced."""
    path, cache = tmp_path / "vmlinuz", KernelCache(tmp_path / "cache")
    path.write_bytes(kernel())
    first = read(path, cache)
    (kept,) = (tmp_path / "cache").glob(f"*/{name}")
    content = bytearray(kept.read_bytes())
    if how == "flipped":
        content[len(content) // 2] ^= 0x40
        kept.write_bytes(content)
    elif how == "cut":
        kept.write_bytes(content[:-100])
    elif how == "gone":
        kept.unlink()
    else:
        kept.chmod(0o666)
    assert cache.load(first.origin.sha256) is None
    assert read(path, cache).image == first.image
    assert cache.load(first.origin.sha256) is not None


def test_few_kernels_are_kept(tmp_path: Path) -> None:
    """The last used ones."""
    cache = KernelCache(tmp_path / "cache")
    for number in range(9):
        cache.save(read_bytes(kernel(), str(number) * 64))
    assert len(list((tmp_path / "cache").iterdir())) == 6
    assert cache.load("8" * 64) is not None


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    """As on a full disk, or where a file is in its place."""
    (tmp_path / "cache").write_text("a file")
    path = tmp_path / "vmlinuz"
    path.write_bytes(kernel())
    assert read(path, KernelCache(tmp_path / "cache")).release == RELEASE


@pytest.mark.soak
def test_no_flipped_bit_is_a_defect() -> None:
    """A kernel with any bit flipped is read or refused in one line; so is its loading."""
    draw, whole = random.Random(1), kernel()
    outcomes = {"loaded": 0, "refused": 0}
    for _ in range(400):
        raw = bytearray(whole)
        for _ in range(draw.choice((1, 1, 8))):
            at = draw.choice(
                (draw.randrange(len(raw)), draw.randrange(600), len(raw) - 1 - draw.randrange(9000))
            )
            raw[at] ^= 1 << draw.randrange(8)
        try:
            read_kernel = read_bytes(bytes(raw), "0" * 64)
            load(read_kernel, as_booted(read_kernel, "", CPU))
            outcomes["loaded"] += 1
        except KernelFileError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 20, outcomes
