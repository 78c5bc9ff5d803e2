"""A kernel file as tables and as bytes, at the addresses that it was linked to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from model.common.errors import KernelFileError
from model.vmlinux.btf import Btf
from model.vmlinux.elf import Layout
from model.vmlinux.memory import Memory
from model.vmlinux.relocation import Places
from model.vmlinux.symbols import Symbols
from model.vmlinux.tables import JumpLabels, Span, read_jump_labels

BANNER_BYTES: Final = 1024


@dataclass(frozen=True)
class Origin:
    """Which file it is, and how it was read.

    Attributes
    ----------
    sha256, size
        Of the file; bytes.
    compression, checksum
        How it was packed, and what vouches for its bytes: `crc32`, the compression's name, or `none`.
    kallsyms_layout
        How the addresses of its symbols are written.
    """

    sha256: str
    size: int
    compression: str
    checksum: str
    kallsyms_layout: str


@dataclass
class KernelFile:
    """A kernel at rest.

    Attributes
    ----------
    origin
        Which file it is.
    layout
        Sections and segments of its ELF file.
    image
        Its bytes where they lie when it is loaded, not relocated, and the linked address of the first one.
    relocations
        Linked places of the words to relocate, by kind.
    operands
        Of each replacement of an alternative, offsets of the distances that lead out of it.
    """

    origin: Origin
    layout: Layout
    image: Memory
    symbols: Symbols
    btf: Btf
    relocations: dict[str, Places]
    operands: Mapping[int, Sequence[int]]

    @cached_property
    def banner(self) -> str:
        """What the kernel prints first: version, builder, compiler, distribution's build.

        Raises
        ------
        KernelFileError
            When the file has none.
        """
        text = self.read(self.symbols.one("linux_banner"), BANNER_BYTES).split(b"\0", 1)[0].decode("latin-1")
        if not text.startswith("Linux version "):
            raise KernelFileError("is damaged: where its banner should be is none")
        return text.strip()

    @cached_property
    def release(self) -> str:
        """As `uname -r` prints it."""
        return self.banner.split(" ")[2]

    @cached_property
    def version(self) -> tuple[int, int]:
        """Major and minor version.

        Raises
        ------
        KernelFileError
            When its banner has none.
        """
        found = re.match(r"(\d+)\.(\d+)", self.release)
        if not found:
            raise KernelFileError(f"has a version that is not known here: {self.release}")
        return int(found[1]), int(found[2])

    def span(self, section: str, begin: str = "", end: str = "") -> Span | None:
        """Linked addresses of a table: of a section, else between two symbols; None where it has neither."""
        found = self.layout.sections.get(section) if section else None
        if found is not None:
            return found.address, found.address + found.size
        if begin and self.symbols.has(begin):
            return self.symbols.one(begin), self.symbols.one(end)
        return None

    def jump_table(self) -> Span:
        """Linked addresses of the jump table.

        Raises
        ------
        KernelFileError
            When the kernel has none.
        """
        return self.symbols.one("__start___jump_table"), self.symbols.one("__stop___jump_table")

    @cached_property
    def labels(self) -> JumpLabels:
        """All sites of static keys, as places in the image's bytes.

        Raises
        ------
        KernelFileError
            When one leads outside.
        """
        return read_jump_labels(self.image, self.jump_table())

    @cached_property
    def _keys(self) -> frozenset[int]:
        return frozenset(self.image.start + place for place in np.unique(self.labels.key).tolist())

    def has_key(self, name: str) -> bool:
        """Whether there is a static key of this name, and code that tests it."""
        return any(address in self._keys for address in self.symbols.all(name))

    def key_in_file(self, name: str) -> bool:
        """Whether a static key is on before anything booted."""
        return self.image.s32(self.symbols.one(name)) > 0

    def read(self, address: int, size: int) -> bytes:
        """Bytes at an address as linked, fewer at the kernel's end.

        Raises
        ------
        KernelFileError
            When the address is not in the kernel.
        """
        at = self.image.place(address)
        return bytes(self.image.data[at : at + size])

    def memory(self) -> Memory:
        """A copy of its bytes, to be written to."""
        return Memory(self.image.start, bytearray(self.image.data))
