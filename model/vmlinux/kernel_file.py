"""A kernel file as tables: what was read of it once is read from the cache the next time."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from model.common.errors import KernelFileError
from model.vmlinux.btf import Btf
from model.vmlinux.elf import Layout, read_layout
from model.vmlinux.kallsyms import read_kallsyms
from model.vmlinux.memory import Memory, lay_out
from model.vmlinux.relocation import Places, read_relocations
from model.vmlinux.symbols import Symbols
from model.vmlinux.tables import Span, read_jump_labels, wrong_labels
from model.vmlinux.unpacking import read_file, unpack

BANNER_BYTES: Final = 1024
NO_BTF: Final = "has no BTF (CONFIG_DEBUG_INFO_BTF is off): where the fields of struct page lie is not known"


@dataclass
class KernelFile:
    """A kernel at rest, at the addresses that it was linked to.

    Attributes
    ----------
    sha256
        Of the file.
    size
        Bytes of the file.
    elf
        The unpacked kernel: an ELF file, and the relocation lists behind it.
    layout
        Sections and segments of the ELF file.
    compression, checksum
        How it was packed, and what vouches for its bytes: `crc32`, the compression's name, or `none`.
    kallsyms_layout
        How its symbols' addresses are written.
    """

    sha256: str
    size: int
    elf: bytes
    layout: Layout
    compression: str
    checksum: str
    kallsyms_layout: str
    symbols: Symbols
    btf: Btf

    @cached_property
    def banner(self) -> str:
        """What the kernel prints first: version, builder, compiler, distribution's build.

        Raises
        ------
        KernelFileError
            When the file has none.
        """
        text = (
            self.read(self.symbols.one("linux_banner"), BANNER_BYTES)
            .split(b"\0", 1)[0]
            .decode("latin-1")
            .strip()
        )
        if not text.startswith("Linux version "):
            raise KernelFileError("is damaged: where its banner should be is none")
        return text

    @cached_property
    def release(self) -> str:
        """As `uname -r` prints it."""
        return self.banner.split(" ")[2]

    @cached_property
    def version(self) -> tuple[int, int]:
        """Major and minor version."""
        found = re.match(r"(\d+)\.(\d+)", self.release)
        if not found:
            raise KernelFileError(f"has a version that is not known here: {self.release}")
        return int(found[1]), int(found[2])

    @cached_property
    def relocations(self) -> dict[str, Places]:
        """Linked places of the words to relocate, by kind."""
        return read_relocations(self.elf[self.layout.end :])

    def span(self, section: str, begin: str = "", end: str = "") -> Span | None:
        """Linked addresses of a table: of a section, else between two symbols; None where it has neither."""
        found = self.layout.sections.get(section) if section else None
        if found is not None:
            return found.address, found.address + found.size
        if begin and self.symbols.has(begin):
            return self.symbols.one(begin), self.symbols.one(end)
        return None

    def jump_table(self) -> Span:
        """Linked addresses of the jump table."""
        return self.symbols.one("__start___jump_table"), self.symbols.one("__stop___jump_table")

    def memory(self) -> Memory:
        """Its bytes where they lie when it is loaded, not relocated; a new copy at each call."""
        return lay_out(self.elf, self.layout.segments)

    def key_in_file(self, name: str) -> bool:
        """Whether a static key is on before anything booted."""
        return int.from_bytes(self.read(self.symbols.one(name), 4), "little", signed=True) > 0

    def read(self, address: int, size: int) -> bytes:
        """Bytes at an address as linked, fewer at a segment's end; what is no part of the file is zero.

        Raises
        ------
        KernelFileError
            When the address is in no segment.
        """
        for each in self.layout.segments:
            if each.address <= address < each.address + each.room:
                at = address - each.address
                size = min(size, each.room - at)
                stored = bytes(self.elf[each.offset + at : each.offset + min(at + size, each.size)])
                return stored.ljust(size, b"\0")
        raise KernelFileError(f"is damaged: it refers to address {address:#x}, which is not in it")


def read(path: Path | str) -> KernelFile:
    """Read a kernel file, from the cache if it was read before.

    Raises
    ------
    KernelFileError
        When it is no kernel that can be used here; one line that says why and what to do.
    """
    try:
        raw = read_file(Path(path))
        return read_bytes(raw)
    except KernelFileError as error:
        raise KernelFileError(f"{path} {error}") from None


def read_bytes(raw: bytes) -> KernelFile:
    """Read the content of a kernel file, and check that it was read right.

    Raises
    ------
    KernelFileError
    """
    unpacked = unpack(raw)
    elf = unpacked.elf
    layout = read_layout(elf)
    if ".BTF" not in layout.sections:
        raise KernelFileError(NO_BTF)
    text = layout.sections[".text"].address
    symbols, kallsyms_layout = read_kallsyms(
        _section(elf, layout, ".rodata"), _address(layout, ".rodata"), text
    )
    kernel = KernelFile(
        hashlib.sha256(raw).hexdigest(),
        len(raw),
        elf,
        layout,
        unpacked.compression,
        unpacked.checksum,
        kallsyms_layout,
        symbols,
        Btf(_section(elf, layout, ".BTF")),
    )
    check(kernel)
    return kernel


def check(kernel: KernelFile) -> None:
    """Whether the kernel was read right: what can be said twice is said the same.

    Raises
    ------
    KernelFileError
        When a jump label is not in the state that its key's value asks for.
    """
    memory = kernel.memory()
    labels = read_jump_labels(memory, kernel.jump_table())
    wrong = wrong_labels(memory, labels)
    if len(wrong) or not len(labels):
        where = kernel.symbols.at(memory.start + int(wrong[0])) if len(wrong) else None
        first = f", the first in {where.name}" if where else ""
        raise KernelFileError(
            f"is damaged, or of a version that is not known here: {len(wrong):,} of its {len(labels):,} jump "
            f"labels are not in the state that their key asks for{first}"
        )
    _ = kernel.relocations, kernel.version


def _address(layout: Layout, section: str) -> int:
    if section not in layout.sections:
        raise KernelFileError(
            f"has no section {section}: another version or configuration than is known here"
        )
    return layout.sections[section].address


def _section(elf: bytes, layout: Layout, name: str) -> bytes:
    _address(layout, name)
    found = layout.sections[name]
    return elf[found.offset : found.offset + found.size]
