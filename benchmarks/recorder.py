"""Run the same code of many builds in the emulator, and keep only which blocks ran and what was stored.

The hooks are machine code: a hook in Python for each instruction (`benchmarks.emulator`) takes a second for
eight builds of a kernel's free path. What remains is what Unicorn takes to translate: about 1 ms a build.
"""

import ctypes
import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import unicorn
from unicorn import x86_const as x86
from unicorn.unicorn_py3.unicorn import uclib

from benchmarks.emulator import (
    MODEL,
    RETURN,
    STACK,
    STACK_BYTES,
    TRANSLATED,
    EmulationError,
    check_translation,
    map_stack,
)
from model.kernels.arrays import address_of
from model.kernels.contract import Machine
from model.machine_code.region import Region

PAGE: Final = mmap.PAGESIZE
MOST: Final = 1 << 13
"""Blocks, and stores, of one free with its loop: a world that is ill made leads into printk."""

# Both are given the address of a log: next entry, end, and where uc_emu_stop is, which a full log jumps to.
# mov rax,[rcx]; cmp rax,[rcx+8]; jae full; mov [rax],rsi; mov edx,edx; mov [rax+8],rdx; add rax,16;
# mov [rcx],rax; ret; full: jmp [rcx+16]
ON_BLOCK: Final = bytes.fromhex("488b01483b41087311 488930 89d2 48895008 4883c010 488901 c3 ff6110")
# The same for (engine, kind, address, size, value, log): three words an entry.
ON_STORE: Final = bytes.fromhex(
    "498b01493b41087315 488910 89c9 48894808 4c894010 4883c018 498901 c3 41ff6110"
)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Recorded:
    """What one call did.

    Attributes
    ----------
    blocks
        int64[blocks, 2]: address and bytes of each straight run, in the order in which they ran.
    stores
        int64[stores, 3]: address, bytes and value, in order, without those to the stack.
    """

    blocks: Ints
    stores: Ints

    @property
    def code(self) -> bytes:
        """The code that ran, each byte once, in the order of addresses."""
        starts, sizes = self.blocks[np.argsort(self.blocks[:, 0], kind="stable")].T
        ends = np.maximum.accumulate(starts + sizes)
        last = np.append(starts[1:] > ends[:-1], [True])  # a block may begin in the middle of another one
        first = np.append([True], last[:-1])
        pieces = zip(starts[first].tolist(), ends[last].tolist(), strict=True)
        return b"".join(ctypes.string_at(start, end - start) for start, end in pieces)


class _Log:
    """Entries that a hook of machine code appends to."""

    def __init__(self, words: int) -> None:
        self._entries = np.zeros((MOST, words), np.int64)
        stop = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value
        start = address_of(self._entries)
        self._head = np.array([start, start + self._entries.nbytes, stop], np.int64)

    @property
    def address(self) -> int:
        """What the hook is given."""
        return address_of(self._head)

    @property
    def full(self) -> bool:
        """Whether the hook has stopped the emulator."""
        return bool(self._head[0] == self._head[1])

    def clear(self) -> None:
        """Begin again."""
        self._head[0] = address_of(self._entries)

    def taken(self) -> Ints:
        """int64[entries, words], a copy."""
        return self._entries[
            : (int(self._head[0]) - address_of(self._entries)) // self._entries.strides[0]
        ].copy()


class Recorder:
    """An emulated processor that sees a machine's memory, and code as it lies in this process.

    Parameters
    ----------
    machine
        Its memory is seen at its own addresses.
    shown
        First address and bytes of more that may be read.
    code
        First address and bytes of what may be executed: leaving it is an error.
    private
        Address of a page -> its content. Where given, such pages are written in copies, and writing to any
        other one is an error. Else all is written in place, and `before` has what pages were.

    Attributes
    ----------
    before
        Address -> content of each page that was written in place, as it was before.
    """

    def __init__(
        self,
        machine: Machine,
        shown: Iterable[tuple[int, int]],
        code: tuple[int, int],
        private: Mapping[int, bytes] | None = None,
    ) -> None:
        check_translation()
        self.before: dict[int, bytes] = {}
        self.cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self.cpu.ctl_set_tcg_buffer_size(TRANSLATED)
        self.cpu.ctl_set_cpu_model(MODEL)
        map_stack(self.cpu)
        self._copies = {at: bytearray(content) for at, content in (private or {}).items()}
        self._private = dict(private or {})
        rights = unicorn.UC_PROT_READ | (unicorn.UC_PROT_WRITE if private is None else 0)
        self._map([*machine.memory.regions().values(), *shown], rights)
        self._map([code], unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        for at, copy in self._copies.items():
            where = (ctypes.c_char * PAGE).from_buffer(copy)
            self.cpu.mem_map_ptr(at, PAGE, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE, where)
        self.cpu.reg_write(x86.UC_X86_REG_GS_BASE, machine.gs_base)
        self._blocks, self._stores = _Log(2), _Log(3)
        self._regions = [
            self._hook(unicorn.UC_HOOK_BLOCK, ON_BLOCK, self._blocks),
            self._hook(unicorn.UC_HOOK_MEM_WRITE, ON_STORE, self._stores),
        ]
        if private is None:
            self.cpu.hook_add(unicorn.UC_HOOK_MEM_WRITE, self._before_write)

    def call(self, address: int, argument: int) -> Recorded:
        """Run one function to its return.

        Raises
        ------
        EmulationError
        """
        for at, content in self._private.items():
            self._copies[at][:] = content
        for log in (self._blocks, self._stores):
            log.clear()
        top = STACK + STACK_BYTES // 2
        self.cpu.mem_write(top, RETURN.to_bytes(8, "little"))
        self.cpu.reg_write(x86.UC_X86_REG_RSP, top)
        self.cpu.reg_write(x86.UC_X86_REG_RDI, argument)
        try:
            self.cpu.emu_start(address, RETURN)
        except unicorn.UcError as error:
            at = self.cpu.reg_read(x86.UC_X86_REG_RIP)
            if error.errno in (unicorn.UC_ERR_FETCH_PROT, unicorn.UC_ERR_FETCH_UNMAPPED):
                raise EmulationError(f"it leaves its own code for {at:#x}") from None
            raise EmulationError(f"the emulator stopped at {at:#x}: {error}") from None
        if self._blocks.full or self._stores.full or self.cpu.reg_read(x86.UC_X86_REG_RIP) != RETURN:
            raise EmulationError(f"it did not return within {MOST:,} blocks and stores")
        stores = self._stores.taken()
        stores = stores[(stores[:, 0] < STACK) | (stores[:, 0] >= STACK + STACK_BYTES)]
        return Recorded(self._blocks.taken(), _once(stores))

    def undo(self) -> None:
        """Make memory that was written in place what it was before."""
        for at, content in self.before.items():
            ctypes.memmove(at, content, PAGE)

    def _map(self, spans: Iterable[tuple[int, int]], rights: int) -> None:
        for start, end in _pages(spans, sorted(self._copies)):
            self.cpu.mem_map_ptr(start, end - start, rights, ctypes.c_void_p(start))

    def _hook(self, kind: int, code: bytes, log: _Log) -> Region:
        """Let Unicorn call machine code: its Python package only passes functions of Python."""
        region = Region(len(code))
        region.bytes()[: len(code)] = np.frombuffer(code, np.uint8)
        region.seal()
        every = ctypes.c_uint64(1), ctypes.c_uint64(0)
        function, argument = ctypes.c_void_p(region.start), ctypes.c_void_p(log.address)
        error = uclib.uc_hook_add(
            self.cpu._uch, ctypes.byref(ctypes.c_size_t()), kind, function, argument, *every
        )
        if error != unicorn.UC_ERR_OK:
            raise unicorn.UcError(error)
        return region

    def _before_write(self, _: Any, __: int, at: int, size: int, *___: Any) -> None:
        for page in range(at // PAGE * PAGE, at + size, PAGE):
            if page not in self.before and not STACK <= page < STACK + STACK_BYTES:
                self.before[page] = ctypes.string_at(page, PAGE)


def _pages(spans: Iterable[tuple[int, int]], without: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last address of whole pages in which some memory lies, each page once, without some."""
    done = 0
    for first, size in sorted(spans):
        start, end = max(done, first // PAGE * PAGE), -(-(first + size) // PAGE) * PAGE
        for hole in without:
            if start <= hole < end:
                if start < hole:
                    yield start, hole
                start = hole + PAGE
        if start < end:
            yield start, end
        done = max(done, end)


def _once(stores: Ints) -> Ints:
    """Unicorn 2.1.4 may begin a storing instruction twice, but it executes it once."""
    again = np.zeros(len(stores), bool)
    again[1:] = (stores[1:] == stores[:-1]).all(axis=1)
    return stores[~again]
