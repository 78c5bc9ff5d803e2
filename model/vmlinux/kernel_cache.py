"""Kernel files that were read before: tables and bytes as data, found by the file's SHA-256.

The bytes are executed later, so a folder is believed only if it belongs to this user, nobody else can write
to it, and every file in it is whole by its own checksum.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import stat
import zipfile
import zlib
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.common.errors import KernelFileError
from model.common.files import user_cache
from model.vmlinux.btf import Btf
from model.vmlinux.elf import Layout, Section, Segment
from model.vmlinux.kernel_file import KernelFile, Origin
from model.vmlinux.memory import Memory
from model.vmlinux.symbols import Symbols

KEPT: Final = 6
"""Kernels that are kept, the last used ones: each takes about 70 MB."""
IMAGE, TABLES, DESCRIPTION = "image", "tables.npz", "kernel.json"
UNBELIEVED: Final = (OSError, EOFError, ValueError, LookupError, TypeError, zlib.error, zipfile.BadZipFile)
"""What a file of the cache raises that was damaged, cut off or removed."""
Arrays = dict[str, npt.NDArray[Any]]


class KernelCache:
    """A folder of kernels that were read.

    Parameters
    ----------
    folder
        `kernels` in this user's cache unless a test wants its own; without a home nothing is kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        home = user_cache()
        self.folder = folder or (home and home / "kernels")

    def load(self, sha256: str) -> KernelFile | None:
        """A kernel that was read before; None where it was not, or where what is kept cannot be believed."""
        folder = self._place(sha256)
        if folder is None:
            return None
        try:
            _check_owner(folder)
            kernel = _load(folder, sha256)
            os.utime(folder)
        except (*UNBELIEVED, KernelFileError):
            return None  # read the file again
        return kernel

    def save(self, kernel: KernelFile) -> None:
        """Keep a kernel, as a whole or not at all; a cache that cannot be written changes nothing."""
        target = self._place(kernel.origin.sha256)
        if target is None:
            return
        temporary = target.with_name(f".{secrets.token_hex(8)}")
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.mkdir(mode=0o700)
            _save(temporary, kernel)
            if target.exists():  # it could not be believed, else nobody would save it
                shutil.rmtree(target)
            temporary.rename(target)
            self._prune()
        except OSError:
            pass
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _place(self, sha256: str) -> Path | None:
        return self.folder and self.folder / f"{sha256[:32]}-{_reader()}"

    def _prune(self) -> None:
        assert self.folder is not None
        with contextlib.suppress(OSError):
            folders = [place for place in self.folder.iterdir() if not place.name.startswith(".")]
            folders.sort(key=lambda place: place.lstat().st_mtime, reverse=True)
            for place in folders[KEPT:]:
                shutil.rmtree(place, ignore_errors=True)


@cache
def _reader() -> str:
    """What reads: other sources may read something else out of the same file."""
    hashed = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        hashed.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return hashed.hexdigest()[:16]


def _check_owner(folder: Path) -> None:
    for place in (folder, *folder.iterdir()):
        status = place.lstat()
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError


def _save(folder: Path, kernel: KernelFile) -> None:
    _write(folder / IMAGE, kernel.image.data)
    with (folder / TABLES).open("wb") as stream:
        np.savez(stream, allow_pickle=False, **_arrays(kernel))
    description = {
        "origin": asdict(kernel.origin),
        "layout": asdict(kernel.layout),
        "start": kernel.image.start,
        "image_crc32": zlib.crc32(kernel.image.data),
    }
    _write(folder / DESCRIPTION, json.dumps(description).encode())


def _write(place: Path, content: bytes | bytearray) -> None:
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)


def _load(folder: Path, sha256: str) -> KernelFile:
    description = json.loads((folder / DESCRIPTION).read_bytes())
    origin = Origin(**description["origin"])
    if origin.sha256 != sha256:
        raise ValueError
    data = _read(folder / IMAGE)
    if zlib.crc32(data) != description["image_crc32"]:
        raise ValueError
    # Opened here: NumPy leaves a file open that it refuses.
    with (folder / TABLES).open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    layout = Layout(
        {name: Section(**each) for name, each in description["layout"]["sections"].items()},
        tuple(Segment(**each) for each in description["layout"]["segments"]),
        description["layout"]["end"],
    )
    image = Memory(description["start"], data)
    btf = layout.sections[".BTF"]
    return KernelFile(
        origin,
        layout,
        image,
        Symbols.from_arrays(_named(arrays, "symbols")),
        Btf(image.read(btf.address, btf.size), arrays["btf"]),
        _named(arrays, "relocations"),
        _grouped(arrays["operands"]),
    )


def _read(place: Path) -> bytearray:
    data = bytearray(place.stat().st_size)
    with place.open("rb", buffering=0) as stream:
        size = stream.readinto(data)
    if size != len(data):
        raise ValueError
    return data


def _arrays(kernel: KernelFile) -> Arrays:
    pairs = [(number, at) for number, offsets in kernel.operands.items() for at in offsets]
    return {
        "btf": kernel.btf.starts,
        "operands": np.array(pairs, np.int64).reshape(-1, 2),
        **{f"symbols.{name}": array for name, array in kernel.symbols.as_arrays().items()},
        **{f"relocations.{name}": places for name, places in kernel.relocations.items()},
    }


def _named(arrays: Arrays, group: str) -> Arrays:
    return {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{group}.")}


def _grouped(pairs: npt.NDArray[np.int64]) -> dict[int, list[int]]:
    operands: dict[int, list[int]] = {}
    for number, at in pairs.tolist():
        operands.setdefault(number, []).append(at)
    return operands
