"""The checks that CONFIG_UBSAN compiles into a kernel file's path: bounds of arrays, and widths of shifts.

Each is a comparison and a conditional jump that is never taken; out of line it calls a handler that reports.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from capstone import x86

from model.kernels.instructions import LONGEST
from model.kernels.kernel_file.cutting import Function, Instruction, decoder
from model.kernels.kernel_file.survey import Survey, flags_dead
from model.vmlinux.loading import LoadedKernel

HANDLERS: Final = "__ubsan_handle_"
"""How the handlers' names begin (lib/ubsan.c, v6.12)."""
LOOK_AHEAD: Final = 24
"""Instructions within which the code out of line calls one: it only passes values on."""


def ubsan_checks(
    loaded: LoadedKernel, survey: Survey, functions: Sequence[Function]
) -> Iterator[tuple[Instruction, Instruction]]:
    """The checks that run: each the comparison and the jump, of which nothing else uses the flags."""
    ran = set(survey.executed)
    for function in functions:
        for comparison, jump in zip(function.instructions, function.instructions[1:], strict=False):
            if jump.address not in ran or not jump.conditional or not _compares(comparison):
                continue
            behind = jump.address + len(jump.code)
            if jump.target and _reports(loaded, jump.target) and flags_dead(loaded, behind):
                yield comparison, jump


def _compares(instruction: Instruction) -> bool:
    decoded = next(decoder().disasm(instruction.code, instruction.address, 1), None)
    return decoded is not None and decoded.mnemonic.startswith(("cmp", "test")) and not decoded.prefix[0]


def _reports(loaded: LoadedKernel, address: int) -> bool:
    """Whether the code there calls one of UBSAN's handlers."""
    disassembler = decoder()
    for _ in range(LOOK_AHEAD):
        if not loaded.memory.holds(address, LONGEST):
            return False
        each = next(disassembler.disasm(loaded.memory.read(address, LONGEST), address, 1), None)
        if each is None:
            return False
        direct = bool(each.operands) and each.operands[0].type == x86.X86_OP_IMM
        if each.mnemonic.startswith("call") and direct:
            symbol = loaded.name(each.operands[0].imm)
            return symbol is not None and symbol.name.startswith(HANDLERS)
        if each.mnemonic == "jmp" and direct:
            address = each.operands[0].imm
        elif each.group(x86.X86_GRP_JUMP) or each.group(x86.X86_GRP_RET):
            return False
        else:
            address += each.size
    return False
