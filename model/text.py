"""Machine code in memory: placed where asked, patched by static keys, never writable while executable."""

import ctypes
import mmap
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from model.image import Spec
from model.keys import JMP_REL32, KEYS, NOP5, SITE_BYTES

LINE = 64
STEP = 4
"""Functions and loop heads are aligned to 16 bytes, but where in a function the patch point falls is the
accident of one compilation. Steps of 4 average over that as well (docs/decisions/0002)."""
POSITIONS = LINE // STEP
"""Places within a cache line that every process measures."""

PROT_RW = mmap.PROT_READ | mmap.PROT_WRITE
PROT_RX = mmap.PROT_READ | mmap.PROT_EXEC

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


@dataclass(frozen=True)
class Site:
    """One jump label: where the NOP or JMP stands, where the JMP leads, which key decides."""

    code: int
    target: int
    key: int

    @property
    def jump(self) -> bytes:
        """The five bytes that the site holds while its key is on."""
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


class Placement:
    """One copy of an image at one address.

    Attributes
    ----------
    base
        Address of the image's first byte.
    sites
        The jump labels' addresses in this copy.
    """

    def __init__(self, code: Code, offset: int) -> None:
        self.code = code
        size = -(-(offset + len(code.code)) // mmap.PAGESIZE) * mmap.PAGESIZE
        self._memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, PROT_RW)
        self._size = size
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self.base = self._start + offset
        self._memory[offset : offset + len(code.code)] = code.code
        self.sites = tuple(Site(s.code + self.base, s.target + self.base, s.key) for s in code.sites)
        self._protect(PROT_RX)

    def patch(self, key: int, enabled: bool) -> None:
        """Write JMP or NOP to every site of a key. No other thread may be running this copy."""
        wanted = [site for site in self.sites if site.key == key]
        if not wanted:
            return
        self._protect(PROT_RW)
        for site in wanted:
            at = site.code - self._start
            self._memory[at : at + SITE_BYTES] = site.jump if enabled else NOP5
        self._protect(PROT_RX)

    def read(self, name: str) -> bytes:
        """The bytes of one function as they stand in memory."""
        offset, size = self.code.functions[name]
        return ctypes.string_at(self.base + offset, size)

    def address(self, name: str) -> int:
        """Address of a function."""
        return self.base + self.code.functions[name][0]

    def function(
        self, name: str, arguments: int, returns: type | None = ctypes.c_int64
    ) -> Callable[..., int]:
        """A function of this copy, callable with 64-bit integers. The caller sets %gs first."""
        kind = ctypes.CFUNCTYPE(returns, *[ctypes.c_int64] * arguments)
        call: Callable[..., int] = kind(self.address(name))
        return call

    def _protect(self, protection: int) -> None:
        if _libc.mprotect(self._start, self._size, protection) != 0:
            raise OSError(ctypes.get_errno(), "mprotect of the code pages failed")


class StaticKeys:
    """The static keys of one machine: reference counted, and known in code and in memory.

    A flip reaches every copy registered here; a copy that is placed later starts in the key's current
    state. Patching under load (int3, IPIs) is left out: nobody runs the code meanwhile.
    """

    def __init__(self, set_count: Callable[[str, int], None]) -> None:
        self._counts = dict.fromkeys(KEYS, 0)
        self._set_count = set_count
        self._placements: list[Placement] = []

    def enabled(self, name: str) -> bool:
        """Whether the key's count is above zero."""
        return self._counts[name] > 0

    def register(self, placements: Iterable[Placement]) -> None:
        """Let these copies follow the keys."""
        for placement in placements:
            self._placements.append(placement)
            for name in KEYS:
                if self.enabled(name):
                    placement.patch(KEYS[name], True)

    def inc(self, name: str) -> None:
        """static_key_slow_inc(): only the first one patches."""
        self._change(name, self._counts[name] + 1)

    def dec(self, name: str) -> None:
        """static_key_slow_dec(): only the last one patches.

        Raises
        ------
        ValueError
            When the count is zero already.
        """
        if self._counts[name] == 0:
            raise ValueError(f"static key {name}: more decrements than increments")
        self._change(name, self._counts[name] - 1)

    def _change(self, name: str, count: int) -> None:
        before = self.enabled(name)
        self._counts[name] = count
        self._set_count(name, count)
        if self.enabled(name) != before:
            for placement in self._placements:
                placement.patch(KEYS[name], not before)
