"""One compiled image: position-independent bytes, and the tables that belong to them."""

import hashlib
import json
import struct
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Final, Protocol

from model.machine_code.x86 import JMP_REL32, SITE_BYTES

LINE: Final = 64
"""Bytes of a cache line."""


class Spec(Protocol):
    """Which part of which kernel is compiled, and how: a frozen dataclass of plain values.

    Attributes
    ----------
    kernel
        Version.
    name
        Of the image, unique in its kernel; also of its file.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    kernel: ClassVar[str]

    @property
    def patched(self) -> str:
        """The function that holds the patch point."""

    @property
    def name(self) -> str:
        """Name of the image."""


def to_json(spec: Spec) -> dict[str, Any]:
    """Plain data: the kernel, the part, and its fields."""
    return {"kernel": spec.kernel, "part": type(spec).__name__, **asdict(spec)}


@dataclass(frozen=True)
class Site:
    """One jump label: address of the NOP or JMP, target of the JMP, number of the key."""

    code: int
    target: int
    key: int

    @property
    def jump(self) -> bytes:
        """The five bytes of the site while its key is enabled."""
        return struct.pack("<Bi", JMP_REL32, self.target - (self.code + SITE_BYTES))


@dataclass(frozen=True)
class Code:
    """One compiled image: position-independent bytes and the tables that belong to them."""

    spec: Spec
    cpu: str
    code: bytes = field(repr=False)
    functions: dict[str, tuple[int, int]]
    """Offset and size of each function."""
    sites: tuple[Site, ...]
    """Jump table, offsets from the image's start."""
    points: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    """Offset and key of each insertion point (model.compiler.insertion_points)."""
    branches: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    """Offset and target of each jump and call."""
    references: tuple[tuple[int, int, int], ...] = field(default=(), repr=False)
    """Of each 32-bit distance to a fixed address outside of the image: its offset, the end of its
    instruction, and the address. Such an image lies in the first 2 GiB."""

    @cached_property
    def digest(self) -> str:
        """Of the machine code and its tables, 16 hexadecimal digits; the same for equal code of two arms."""
        sites = [(site.code, site.target, site.key) for site in self.sites]
        tables: list[Any] = [self.functions, sites, self.points, self.branches]
        tables += [self.references] if self.references else []
        text = json.dumps(tables, sort_keys=True)
        return hashlib.sha256(self.code + text.encode()).hexdigest()[:16]
