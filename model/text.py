"""Machine code in memory: placed where asked, patched by static keys, never writable while executable."""

import ctypes
import mmap
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

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
    points: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    """Offset and key of each place that a build may open (model.kernel.seams)."""
    branches: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    """Offset and target of each jump and call."""


class Region:
    """Whole pages that are either writable or executable.

    Attributes
    ----------
    start
        Address of the first byte.
    """

    def __init__(self, size: int) -> None:
        self.size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        self._memory = mmap.mmap(-1, self.size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, PROT_RW)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))

    def bytes(self) -> npt.NDArray[np.uint8]:
        """uint8[size], the memory itself."""
        return np.frombuffer(self._memory, np.uint8)

    @contextmanager
    def writable(self) -> Iterator[npt.NDArray[np.uint8]]:
        """The memory, writable for as long as this lasts; nobody may run it meanwhile."""
        self._protect(PROT_RW)
        try:
            yield self.bytes()
        finally:
            self.seal()

    def seal(self) -> None:
        """Make it executable."""
        self._protect(PROT_RX)

    def _protect(self, protection: int) -> None:
        if _libc.mprotect(self.start, self.size, protection) != 0:
            raise OSError(ctypes.get_errno(), "mprotect of the code pages failed")


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
        self._region = Region(offset + len(code.code))
        self.base = self._region.start + offset
        self._region.bytes()[offset : offset + len(code.code)] = np.frombuffer(code.code, np.uint8)
        self.sites = tuple(Site(s.code + self.base, s.target + self.base, s.key) for s in code.sites)
        self._region.seal()

    def patch(self, key: int, enabled: bool) -> None:
        """Write JMP or NOP to every site of a key. No other thread may be running this copy."""
        wanted = [site for site in self.sites if site.key == key]
        if not wanted:
            return
        with self._region.writable() as memory:
            for site in wanted:
                at = site.code - self._region.start
                memory[at : at + SITE_BYTES] = np.frombuffer(site.jump if enabled else NOP5, np.uint8)

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


# push rbx; mov rbx,rsi; sub rsp,rbx; call rdx; add rsp,rbx; pop rbx; ret
TRAMPOLINE: Final = bytes.fromhex("534889f34829dcffd24801dc5bc3")
STACK_STEP: Final = 8
"""The kernel keeps its stack aligned to 8 bytes."""
STACK_PLACES: Final = LINE // STACK_STEP


class Trampoline:
    """Calls compiled code with the stack moved down: call(argument, bytes, address)."""

    def __init__(self) -> None:
        self._region = Region(len(TRAMPOLINE))
        self._region.bytes()[: len(TRAMPOLINE)] = np.frombuffer(TRAMPOLINE, np.uint8)
        self._region.seal()
        self.call: Callable[..., int] = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 3)(
            self._region.start
        )


class Follower(Protocol):
    """Code with jump labels."""

    def patch(self, key: int, enabled: bool) -> None:
        """Write JMP or NOP to every site of a key."""


class StaticKeys:
    """The static keys of one machine: reference counted, and known in code and in memory.

    A flip reaches every copy registered here; a copy that is placed later starts in the key's current
    state. Patching under load (int3, IPIs) is left out: nobody runs the code meanwhile.
    """

    def __init__(self, set_count: Callable[[str, int], None]) -> None:
        self._counts = dict.fromkeys(KEYS, 0)
        self._set_count = set_count
        self._followers: list[Follower] = []

    def enabled(self, name: str) -> bool:
        """Whether the key's count is above zero."""
        return self._counts[name] > 0

    def register(self, followers: Iterable[Follower]) -> None:
        """Let these copies follow the keys."""
        for follower in followers:
            self._followers.append(follower)
            for name in KEYS:
                if self.enabled(name):
                    follower.patch(KEYS[name], True)

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
            for follower in self._followers:
                follower.patch(KEYS[name], not before)
