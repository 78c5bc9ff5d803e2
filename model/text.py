"""Machine code in memory: placed where asked, patched by static keys, never writable while executable."""

import contextlib
import ctypes
import errno
import mmap
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from threading import Lock, get_ident
from typing import Any, ClassVar, Final, Protocol
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from model.common.errors import CompileError, KeysBusyError, OutOfMemoryError
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


class Running:
    """Placed code runs, or it is changed: never both, whatever the threads of this process do.

    ctypes lets other threads go on while code runs. One of them could change a site under the processor that
    executes it, or take the page away for the moment of writing. The kernel patches code that runs, with
    int3 and an interrupt to every CPU; here that is refused. A call that begins during a change waits for
    its end, and a change happens as a whole or not at all.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._threads: set[int] = set()
        self._undo: Callable[[], None] | None = None

    def call(self, function: Callable[..., int], *arguments: int) -> int:
        """Run placed code in this thread."""
        thread = get_ident()
        try:
            # First the name, then the look: a change looks for names after it has told of itself.
            self._threads.add(thread)
            if self._undo is not None:
                self._wait(thread)
            return function(*arguments)
        finally:
            self._threads.discard(thread)

    def change(self, do: Callable[[], None], undo: Callable[[], None], *, code: bool) -> None:
        """Change code, and what has to agree with it.

        Parameters
        ----------
        do
            Makes the change.
        undo
            Brings everything to where it was before, however far `do` came. Where that leaves a region torn,
            the next call or change tries it again, and is refused if that is in vain: code that is half
            changed, or on a page that cannot be executed, never runs.
        code
            Whether code that may be running is changed.

        Raises
        ------
        KeysBusyError
            When another thread runs placed code. Nothing has changed then.
        """
        with self._lock:
            self._take_back()
            self._undo = undo
            # This thread is here and so runs none, even if Ctrl-C left its name behind.
            if code and self._threads - {get_ident()}:
                self._undo = None
                raise KeysBusyError(
                    "a static key cannot change while another thread runs placed code: "
                    "change keys between calls"
                )
            try:
                do()
            except BaseException:
                with contextlib.suppress(CompileError):
                    self._take_back()
                raise
            self._undo = None

    def _wait(self, thread: int) -> None:
        """Until a change is complete, or taken back."""
        self._threads.discard(thread)
        with self._lock:
            self._take_back()
            self._threads.add(thread)

    def _take_back(self) -> None:
        """Undo what was not completed; raises CompileError where code remains that must not run."""
        if self._undo is None:
            return
        self._undo()
        if Region.torn:
            raise CompileError(
                "code was being changed, and its pages cannot be made executable again: "
                "free memory, or raise vm.max_map_count; or run again"
            )
        self._undo = None


RUNNING: Final = Running()


class Region:
    """Whole pages that are either writable or executable.

    Attributes
    ----------
    start
        Address of the first byte.
    torn
        Regions that are being written, or whose writing was broken off and not repeated.

    Raises
    ------
    OutOfMemoryError
        When there is no memory for it.
    """

    torn: ClassVar["WeakSet[Region]"] = WeakSet()

    def __init__(self, size: int) -> None:
        self.size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            self._memory = mmap.mmap(-1, self.size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, PROT_RW)
        except OSError as error:
            raise OutOfMemoryError(
                f"no memory for {self.size >> 10} KiB of code ({error.strerror}): "
                "free some, or raise the limits (ulimit -v, vm.max_map_count)"
            ) from None
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))

    def bytes(self) -> npt.NDArray[np.uint8]:
        """uint8[size], the memory itself."""
        return np.frombuffer(self._memory, np.uint8)

    @contextmanager
    def writable(self) -> Iterator[npt.NDArray[np.uint8]]:
        """The memory, writable for as long as this lasts; nobody may run it meanwhile."""
        self.torn.add(self)
        try:
            self._protect(PROT_RW)
            yield self.bytes()
        finally:
            self.seal()
        self.torn.discard(self)

    def seal(self) -> None:
        """Make it executable.

        Raises
        ------
        CompileError
            Where the system does not let a program run what it has written.
        """
        self._protect(PROT_RX)

    def _protect(self, protection: int) -> None:
        if _libc.mprotect(self.start, self.size, protection) == 0:
            return
        number = ctypes.get_errno()
        said = os.strerror(number)
        if number in (errno.EACCES, errno.EPERM):
            raise CompileError(
                f"this system does not let a program run code that it has placed in memory ({said}): "
                "allow it for this command (SELinux: execmem; systemd: MemoryDenyWriteExecute=no), "
                "or measure elsewhere"
            )
        raise OutOfMemoryError(
            f"the protection of {self.size >> 10} KiB of code cannot be changed ({said}): "
            "free memory, or raise vm.max_map_count"
        )


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
        """Write JMP or NOP to every site of a key. Called by StaticKeys, which knows that nobody runs it."""
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
        """A function of this copy, callable with 64-bit integers. The caller sets %gs first.

        It keeps the copy's memory for as long as it lives itself.
        """
        return callable_at(self.address(name), arguments, self._region, returns)


def callable_at(
    address: int, arguments: int, keeps: Region, returns: type | None = ctypes.c_int64
) -> Callable[..., int]:
    """Placed code as a function of 64-bit integers, which holds on to the region that it lies in."""
    function: Any = ctypes.CFUNCTYPE(returns, *[ctypes.c_int64] * arguments)(address)
    function.keeps = keeps
    return partial(RUNNING.call, function)


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
        self.call = callable_at(self._region.start, 3, self._region)


class Follower(Protocol):
    """Code with jump labels."""

    def patch(self, key: int, enabled: bool) -> None:
        """Write JMP or NOP to every site of a key."""


class StaticKeys:
    """The static keys of one machine: reference counted, and known in code and in memory.

    A flip reaches every copy registered here; a copy that is placed later starts in the key's current
    state. Patching under load (int3, IPIs) is left out: a key that would have to patch while another thread
    runs placed code, of whichever machine, is refused with KeysBusyError and stays as it was. So change keys
    between calls. A flip that fails is taken back, so that counts, memory and every site agree.
    """

    def __init__(self, set_count: Callable[[str, int], None]) -> None:
        self._counts = dict.fromkeys(KEYS, 0)
        self._set_count = set_count
        self._followers: list[Follower] = []
        self._lock = Lock()

    def enabled(self, name: str) -> bool:
        """Whether the key's count is above zero."""
        return self._counts[name] > 0

    def register(self, followers: Iterable[Follower]) -> None:
        """Let these copies follow the keys.

        Raises
        ------
        KeysBusyError
            When a key is on, so that they have to be patched, and another thread runs placed code.
        """
        new = list(followers)
        with self._lock:
            on = [KEYS[name] for name in KEYS if self.enabled(name)]
            RUNNING.change(lambda: _patch(new, on, True), lambda: _patch_back(new, on, False), code=bool(on))
            self._followers += new

    def inc(self, name: str) -> None:
        """static_key_slow_inc(): only the first one patches.

        Raises
        ------
        KeysBusyError
            When it has to patch, and another thread runs placed code.
        """
        self._change(name, 1)

    def dec(self, name: str) -> None:
        """static_key_slow_dec(): only the last one patches.

        Raises
        ------
        ValueError
            When the count is zero already.
        KeysBusyError
            When it has to patch, and another thread runs placed code.
        """
        self._change(name, -1)

    def _change(self, name: str, step: int) -> None:
        with self._lock:
            before = self._counts[name]
            after = before + step
            if after < 0:
                raise ValueError(f"static key {name}: more decrements than increments")
            flips = (before > 0) != (after > 0)
            followers, keys = self._followers if flips else [], [KEYS[name]]

            def count(references: int) -> None:
                self._set_count(name, references)
                self._counts[name] = references

            def do() -> None:
                _patch(followers, keys, after > 0)
                count(after)

            def undo() -> None:
                _patch_back(followers, keys, before > 0)
                count(before)

            RUNNING.change(do, undo, code=bool(followers))


def _patch(followers: Iterable[Follower], keys: Iterable[int], enabled: bool) -> None:
    for follower, key in product(followers, keys):
        follower.patch(key, enabled)


def _patch_back(followers: Iterable[Follower], keys: Iterable[int], enabled: bool) -> None:
    """Patch whoever can be; who fails has said so before, and his region is torn."""
    for follower, key in product(followers, keys):
        with contextlib.suppress(Exception):
            follower.patch(key, enabled)
