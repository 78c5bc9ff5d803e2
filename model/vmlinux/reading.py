"""Reading a kernel file: from its bytes to tables, checked; the second time from the cache."""

import hashlib
import struct
from pathlib import Path
from typing import Final

import numpy as np

from model.common.errors import KernelFileError
from model.vmlinux.alternatives import operands_of
from model.vmlinux.btf import Btf
from model.vmlinux.elf import Layout, read_layout
from model.vmlinux.kallsyms import read_kallsyms
from model.vmlinux.kernel_cache import KernelCache
from model.vmlinux.kernel_file import KernelFile, Origin
from model.vmlinux.memory import Memory, lay_out
from model.vmlinux.relocation import read_relocations
from model.vmlinux.tables import read_alternatives, wrong_labels
from model.vmlinux.unpacking import Unpacked, read_file, unpack

DAMAGE: Final = (struct.error, IndexError, ValueError, OverflowError, MemoryError)
"""What a table raises that leads outside of the file, where nothing looked before."""
NEEDED: Final = {
    ".rodata": "it is no x86-64 kernel, or of a version that is not known here",
    ".BTF": "CONFIG_DEBUG_INFO_BTF is off, so where the fields of struct page lie is not known",
    ".altinstructions": "it is no x86-64 kernel, or of a version that is not known here",
}
"""Sections without which a kernel cannot be used, and what it means that one is missing."""


def read(path: Path | str, cache: KernelCache | None = None) -> KernelFile:
    """Read a kernel file, from the cache if it was read before.

    Parameters
    ----------
    cache
        The user's unless a test wants its own.

    Raises
    ------
    KernelFileError
        When it is no kernel that can be used here; one line that says why and what to do.
    """
    cache = cache or KernelCache()
    try:
        raw = read_file(Path(path))
        sha256 = hashlib.sha256(raw).hexdigest()
        kernel = cache.load(sha256)
        if kernel is None:
            kernel = read_bytes(raw, sha256)
            cache.save(kernel)
    except KernelFileError as error:
        raise KernelFileError(f"{path} {error}") from None
    return kernel


def read_bytes(raw: bytes, sha256: str) -> KernelFile:
    """Read the content of a kernel file, and check that it was read right.

    Raises
    ------
    KernelFileError
    """
    unpacked = unpack(raw)
    try:
        return _read(unpacked, len(raw), sha256)
    except DAMAGE as error:
        raise KernelFileError(f"is damaged: a table in it leads nowhere ({error})") from None


def _read(unpacked: Unpacked, size: int, sha256: str) -> KernelFile:
    layout = read_layout(unpacked.elf)
    for section, meaning in NEEDED.items():
        if section not in layout.sections:
            raise KernelFileError(f"has no section {section}: {meaning}")
    image = lay_out(unpacked.elf, layout.segments)
    btf = Btf(_section(image, layout, ".BTF"))
    rodata = layout.sections[".rodata"]
    symbols, kallsyms_layout = read_kallsyms(
        _section(image, layout, ".rodata"), rodata.address, layout.sections[".text"].address
    )
    alternatives = layout.sections[".altinstructions"]
    table = read_alternatives(image, (alternatives.address, alternatives.address + alternatives.size), btf)
    kernel = KernelFile(
        Origin(
            sha256,
            size,
            unpacked.compression,
            unpacked.checksum,
            kallsyms_layout,
        ),
        layout,
        image,
        symbols,
        btf,
        read_relocations(unpacked.elf[layout.end :]),
        operands_of(image, table),
    )
    _check(kernel)
    return kernel


def _section(image: Memory, layout: Layout, name: str) -> bytes:
    found = layout.sections[name]
    return image.read(found.address, found.size)


def _check(kernel: KernelFile) -> None:
    """Whether the kernel was read right: what can be said twice is said the same."""
    labels = kernel.labels
    wrong = np.sort(wrong_labels(kernel.image, labels))
    if len(wrong) or not len(labels):
        where = kernel.symbols.at(kernel.image.start + int(wrong[0])) if len(wrong) else None
        first = f", the first of them in {where.name}" if where else ""
        raise KernelFileError(
            f"is damaged, or of a version that is not known here: {len(wrong):,} of its {len(labels):,} jump "
            f"labels are not in the state that their key asks for{first}"
        )
    _ = kernel.version
