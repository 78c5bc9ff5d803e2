"""Run compiled functions instruction by instruction, on the model's real memory, and name every access.

The Unicorn emulator executes the same bytes at the same addresses as the processor would. What it cannot
execute or reach, or executes as something else, is an error, never a shorter count.
"""

import ctypes
import mmap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import groupby, pairwise
from typing import Any, Final

import capstone
import unicorn
from unicorn import x86_const as x86

from model.common.errors import FreepathError, OutOfMemoryError
from model.common.signals import meet_end
from model.kernels.contract import Machine
from model.kernels.instructions import JUMPS, LONGEST, locked, name_of, shown, vector
from model.machine_code.placement import Placement

STACK: Final = 0x10000000
STACK_BYTES: Final = 0x10000
RETURN: Final = 0x20000000
LINE: Final = 64
MODEL: Final = x86.UC_CPU_X86_ICELAKE_SERVER
"""The processor that Unicorn emulates: no other of its models knows an instruction for general registers that
this one lacks (tests/test_emulator.py)."""
TRANSLATED: Final = 16 << 20
"""Bytes of translated code that are kept. Unicorn 2.1.4 reserves 1 GiB by default, and ends the process
where it gets none."""
DECODED: Final = 1 << 12
"""Instructions that are kept decoded, some 2 kB each: several times a kernel's path."""
UNKNOWN: Final = "the emulator does not know {}; it cannot be counted"
ARGUMENTS: Final = (x86.UC_X86_REG_RDI, x86.UC_X86_REG_RSI, x86.UC_X86_REG_RDX)


class EmulationError(FreepathError):
    """The emulator met an instruction or an address that it cannot handle."""


@dataclass(frozen=True, order=True)
class Access:
    """One load or store, named."""

    op: str
    object: str
    field: str
    offset: int
    size: int


@dataclass
class Trace:
    """What one or more calls did."""

    instructions: int = 0
    branches: int = 0
    taken: int = 0
    locked: int = 0
    loads: int = 0
    stores: int = 0
    freed: int = 1
    """Pages or blocks that the call freed."""

    accesses: Counter[Access] = field(default_factory=Counter)
    lines: set[int] = field(default_factory=set)
    executed: dict[int, int] = field(default_factory=dict)
    """Address to size of each instruction that ran."""

    decoded: dict[int, Any] = field(default_factory=dict)
    """Address to Capstone's instruction, for each that ran: the code itself may be gone by then."""

    path: list[int] = field(default_factory=list)
    """Address of every instruction, in the order in which they ran."""

    sequence: list[tuple[int, Access]] = field(default_factory=list)
    """Accesses in program order, each with the address of its instruction."""

    @property
    def code_bytes(self) -> int:
        """Bytes of code that ran, each counted once."""
        return sum(self.executed.values())


@dataclass(frozen=True, slots=True)
class Decoded:
    """An instruction, and what is asked of it each time that it runs."""

    instruction: Any
    locked: bool
    jump: bool
    vector: bool


class Emulator:
    """An emulated processor that shares the memory of a machine.

    Parameters
    ----------
    machine
        Its arena, tables and page array become visible at their own addresses.
    placements
        Code to make executable there.
    """

    def __init__(self, machine: Machine, placements: Iterable[Placement]) -> None:
        self.machine = machine
        check_translation()
        self.cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self.cpu.ctl_set_tcg_buffer_size(TRANSLATED)
        self.cpu.ctl_set_cpu_model(MODEL)
        map_stack(self.cpu)
        self._mapped: set[int] = set()
        self._shown: list[range] = []
        for start, size in machine.memory.regions().values():
            self._map(start, size)
        self._code: dict[int, Decoded] = {}
        self._before = 0
        self._accesses: dict[tuple[int, int, int], Access] = {}
        for placement in placements:
            self._map(placement.base, len(placement.code.code))
        self.cpu.reg_write(x86.UC_X86_REG_GS_BASE, machine.gs_base)
        self.cpu.hook_add(unicorn.UC_HOOK_CODE, self._on_instruction)
        self.cpu.hook_add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, self._on_access)
        self.names = machine.memory.names()
        self._trace = Trace()

    def call(self, address: int, *arguments: int, page: int = 0, limit: int = 0) -> Trace:
        """Run one function to its return.

        Parameters
        ----------
        address
            Of the function.
        arguments
            64-bit integers.
        page
            Address of the struct page that accesses are named by; others are neighbours.
        limit
            Instructions after which it is stopped; 0: never.

        Raises
        ------
        EmulationError
            With the address and the instruction.
        """
        top = STACK + STACK_BYTES // 2
        self.cpu.mem_write(top, RETURN.to_bytes(8, "little"))
        self.cpu.reg_write(x86.UC_X86_REG_RSP, top)
        for register, value in zip(ARGUMENTS, arguments, strict=False):
            self.cpu.reg_write(register, value)
        return self.run(address, RETURN, page=page, limit=limit)

    def run(self, address: int, end: int, *, page: int = 0, limit: int = 0) -> Trace:
        """Run from one address to another, with the registers as they are; otherwise as `call`."""
        self._trace, self._before = Trace(), 0
        self._accesses.clear()
        self.names.page = page
        try:
            self.cpu.emu_start(address, end, count=limit)
        except unicorn.UcError as error:
            raise EmulationError(self._describe(error)) from None
        meet_end()
        if limit and self.cpu.reg_read(x86.UC_X86_REG_RIP) != end:
            raise EmulationError(f"it did not return within {limit:,} instructions")
        return self._counted()

    def show(self, start: int, size: int) -> None:
        """Let the emulator see more of this process's memory, that of no object of the machine."""
        self._map(start, size)
        self._shown.append(range(start, start + size))

    def where(self, at: int) -> str:
        """An address as a function of the kernel file, where the machine is one; else as a number."""
        loaded = getattr(self.machine, "loaded", None)
        symbol = loaded.name(at) if loaded else None
        return symbol.name if symbol else hex(at)

    def decoded(self, at: int) -> Any:
        """The instruction at an address that ran."""
        return self._code[at].instruction

    def _describe(self, error: unicorn.UcError) -> str:
        at = self.cpu.reg_read(x86.UC_X86_REG_RIP)
        decoded = self._code.get(at)
        known = decoded and decoded.instruction
        if known and error.errno == unicorn.UC_ERR_INSN_INVALID:
            return UNKNOWN.format(known.mnemonic)
        text = f"{known.mnemonic} {known.op_str}" if known else "an unknown instruction"
        return f"the emulator stopped at {at:#x}, {text}: {error}"

    def _map(self, start: int, size: int) -> None:
        """Show this process's memory to the emulator: whole pages, each once, and as few pieces as can be."""
        first, last = start // mmap.PAGESIZE, (start + size - 1) // mmap.PAGESIZE
        new = [number for number in range(first, last + 1) if number not in self._mapped]
        self._mapped.update(new)
        for _, run in groupby(enumerate(new), lambda pair: pair[1] - pair[0]):
            numbers = [number for _, number in run]
            at, length = numbers[0] * mmap.PAGESIZE, len(numbers) * mmap.PAGESIZE
            self.cpu.mem_map_ptr(at, length, unicorn.UC_PROT_ALL, ctypes.c_void_p(at))

    def _decode(self, at: int, size: int) -> Decoded:
        """Done once for each address; out-of-line code belongs to no function, so this follows execution.

        Where the emulator does not know an instruction, the hook gets a filler for its size, and the error
        comes afterwards. So the bytes are read, and the two sizes compared.
        """
        code = self._bytes(at)
        known = _decoded(code, at)
        if known is None:
            raise EmulationError(f"the disassembler does not know {shown(code)}; it cannot be counted")
        decoded = known.instruction
        if known.vector:
            text = f"{decoded.mnemonic} {decoded.op_str}".strip()
            raise EmulationError(f"'{text}' is vector or floating-point code, which is not counted")
        if decoded.size != size:
            raise EmulationError(UNKNOWN.format(decoded.mnemonic))
        self._code[at] = known
        return known

    def _bytes(self, at: int) -> bytes:
        """Code from there on, as much as an instruction can have; less at the end of what is mapped."""
        try:
            return bytes(self.cpu.mem_read(at, LONGEST))
        except unicorn.UcError:
            return bytes(self.cpu.mem_read(at, mmap.PAGESIZE - at % mmap.PAGESIZE))

    def _on_instruction(self, _: Any, at: int, size: int, __: Any) -> None:
        known = self._code.get(at) or self._decode(at, size)
        trace = self._trace
        if trace.path and trace.path[-1] == at and not self._goes_on(known):
            return
        self._before = len(trace.sequence)
        trace.path.append(at)

    def _goes_on(self, known: Decoded) -> bool:
        """Whether an instruction that follows itself executes again: a jump to itself, or a repeated one."""
        if known.jump:
            return True
        if known.instruction.prefix[0] in (0xF2, 0xF3):
            # Unicorn 2.1.4 comes back once more, to find that nothing is left to repeat.
            return bool(self.cpu.reg_read(x86.UC_X86_REG_RCX))
        # Unicorn 2.1.4 may begin a storing instruction twice, with both hooks, but it executes it once.
        del self._trace.sequence[self._before :]
        return False

    def named(self, at: int, size: int) -> tuple[str, str, int]:
        """Object, field and offset within the object.

        Raises
        ------
        EmulationError
            The address is in no memory of the model.
        """
        if STACK <= at < STACK + STACK_BYTES:
            return "stack", "", 0
        found: tuple[str, str, int] | None = self.names.of(at, size)
        if found is None and any(at in shown for shown in self._shown):
            return "shown", "", 0
        if found is None:
            raise EmulationError(f"an access at {at:#x} is in no memory of the model")
        return found

    def _on_access(self, _: Any, kind: int, at: int, size: int, __: int, ___: Any) -> None:
        access = self._accesses.get((kind, at, size)) or self._name(kind, at, size)
        self._trace.sequence.append((self._trace.path[-1], access))

    def _name(self, kind: int, at: int, size: int) -> Access:
        """Done once in a run for each address, since the page that is followed differs between runs."""
        op = "store" if kind == unicorn.UC_MEM_WRITE else "load"
        access = _access(op, *self.named(at, size), size)
        self._accesses[kind, at, size] = access
        self._trace.lines.update({at // LINE, (at + size - 1) // LINE})
        return access

    def _counted(self) -> Trace:
        """The trace, with everything that follows from its path and its sequence of accesses."""
        trace, behind = self._trace, dict[int, int]()
        for at, times in Counter(trace.path).items():
            known = self._code[at]
            trace.decoded[at] = known.instruction
            trace.executed[at] = known.instruction.size
            trace.locked += times * known.locked
            if known.jump:
                trace.branches += times
                behind[at] = at + known.instruction.size
        trace.instructions = len(trace.path)
        trace.taken = sum(behind.get(at, then) != then for at, then in pairwise(trace.path))
        trace.accesses = Counter(access for _, access in trace.sequence)
        trace.loads = sum(count for access, count in trace.accesses.items() if access.op == "load")
        trace.stores = len(trace.sequence) - trace.loads
        return trace


_access = cache(Access)
"""Nearly all accesses are one of a few dozen."""


@cache
def _decoder() -> Any:
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    return decoder


@lru_cache(maxsize=DECODED)
def _decoded(code: bytes, at: int) -> Decoded | None:
    """The first instruction of some bytes at an address; None: it is not known. Arms have most in common."""
    found = next(_decoder().disasm(code, at, 1), None)
    return found and Decoded(found, locked(found), name_of(found) in JUMPS, vector(found))


def map_stack(cpu: Any) -> None:
    """Map the stack and where a call returns to, before all other memory.

    Mapped behind it, Unicorn 2.1.4 may take a page of the stack for one of the code. It tells of no access
    any more once a store that is not aligned seems to change the running code
    (findings/unicorn-hooks-fall-silent-after-an-unaligned-store.sh).
    """
    cpu.mem_map(STACK, STACK_BYTES)
    cpu.mem_map(RETURN, mmap.PAGESIZE)


def check_translation() -> None:
    """Refuse where the emulator could not keep what it translates: it would end the process.

    Raises
    ------
    EmulationError, OutOfMemoryError
    """
    try:
        mmap.mmap(-1, TRANSLATED, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except PermissionError as error:
        raise EmulationError(
            f"this system forbids memory that is writable and executable ({error.strerror}), which the "
            "emulator needs: allow it for this command (SELinux: execmem; systemd: "
            "MemoryDenyWriteExecute=no), or measure elsewhere"
        ) from None
    except OSError as error:
        raise OutOfMemoryError(
            f"no memory for the emulator, {TRANSLATED >> 20} MiB ({error.strerror}): free some, or raise "
            "ulimit -v"
        ) from None
