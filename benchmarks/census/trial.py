"""Run an operation alone in the emulator, and list what it changed beyond edx, the flags and memory."""

import mmap
from dataclasses import dataclass
from typing import Final

from unicorn import x86_const as x86

from benchmarks.emulator import STACK, STACK_BYTES, Emulator, Trace

CODE: Final = 0x30000000
"""Address of the operation's code, outside of the model's memory."""
ARITHMETIC: Final = 0x8D5
"""Flags that comparisons and additions write: overflow, sign, zero, adjust, parity, carry."""
ALWAYS: Final = 0x202
"""Flags that are set in every program: interrupts, and the bit that is always 1."""
GENERAL: Final = {
    f"r{name}": getattr(x86, f"UC_X86_REG_R{name.upper()}")
    for name in ("ax", "bx", "cx", "si", "di", "bp", "sp", *map(str, range(8, 16)))
}
OTHERS: Final = {
    "the base of fs": x86.UC_X86_REG_FS_BASE,
    "the base of gs": x86.UC_X86_REG_GS_BASE,
    "mxcsr": x86.UC_X86_REG_MXCSR,
    "the x87 control word": x86.UC_X86_REG_FPCW,
    "the x87 status word": x86.UC_X86_REG_FPSW,
    "the x87 tag word": x86.UC_X86_REG_FPTAG,
    **{f"xmm{number}": getattr(x86, f"UC_X86_REG_XMM{number}") for number in range(16)},
}
KEPT: Final = {**GENERAL, **OTHERS}
"""Registers that an operation must not change."""
STARTS: Final = [(edx, flags) for edx in (0, (1 << 64) - 1) for flags in (ALWAYS, ALWAYS | ARITHMETIC)]
"""Start values of rdx and the flags; between them a branch may go either way."""


@dataclass(frozen=True)
class Effects:
    """Effects of one run of an operation.

    Attributes
    ----------
    others
        Names of what it changed, other than rdx, the flags of arithmetic, and the model's memory.
    edx
        Whether rdx changed.
    trace
        Its instructions and accesses.
    """

    others: frozenset[str]
    edx: bool
    trace: Trace


def effects(emulator: Emulator, code: bytes, page: int, limit: int) -> list[Effects]:
    """Run it once from each of `STARTS`.

    Parameters
    ----------
    emulator
        With the memory of a machine, which the code may change; for one operation.
    code
        Assembled alone (model.kernels.user_variants.operation).
    page
        Address of the struct page, which the code expects in rdi.
    limit
        Instructions after which it is stopped.

    Raises
    ------
    EmulationError
        When it does not reach its end, or accesses other memory than the model's.
    """
    emulator.cpu.mem_map(CODE, (len(code) // mmap.PAGESIZE + 1) * mmap.PAGESIZE)
    emulator.cpu.mem_write(CODE, code)
    return [_effects(emulator, CODE + len(code), page, limit, *start) for start in STARTS]


def _effects(emulator: Emulator, end: int, page: int, limit: int, edx: int, flags: int) -> Effects:
    cpu = emulator.cpu
    for number, register in enumerate(GENERAL.values(), 1):
        cpu.reg_write(register, number * 0x0101_0101_0101_0101)
    cpu.reg_write(x86.UC_X86_REG_RDI, page)
    cpu.reg_write(x86.UC_X86_REG_RSP, STACK + STACK_BYTES // 2)
    cpu.reg_write(x86.UC_X86_REG_RDX, edx)
    cpu.reg_write(x86.UC_X86_REG_EFLAGS, flags)
    before = {name: cpu.reg_read(register) for name, register in KEPT.items()}
    trace = emulator.run(CODE, end, page=page, limit=limit)
    others = {name for name, register in KEPT.items() if cpu.reg_read(register) != before[name]}
    if (cpu.reg_read(x86.UC_X86_REG_EFLAGS) ^ flags) & ~ARITHMETIC:
        others.add("flags other than those of arithmetic")
    if any(access.op == "store" and access.object == "stack" for access in trace.accesses):
        others.add("the stack")
    return Effects(frozenset(others), cpu.reg_read(x86.UC_X86_REG_RDX) != edx, trace)
