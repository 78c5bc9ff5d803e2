"""Disassembly of compiled images, for tests."""

from dataclasses import dataclass
from functools import cache

import capstone
from capstone import x86

from model.kernels.lay_out.image import lay_out_of
from model.kernels.store import Store
from model.kernels.v4_3.image import Image
from model.machine_code.builds import LayOut
from model.machine_code.image import Code


@cache
def code_of(image: Image) -> Code:
    """The compiled image."""
    return Store().load(image)


@cache
def lay_out() -> LayOut:
    """The compiled function that lays builds out."""
    return lay_out_of(Store())


@cache
def disassemble(image: Image, function: str) -> tuple["capstone.CsInsn", ...]:
    """Every instruction of one function."""
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    code = code_of(image)
    start, size = code.functions[function]
    return tuple(decoder.disasm(code.code[start : start + size], start))


def text(image: Image, function: str, *, padding: bool = True) -> list[str]:
    """Instructions without the addresses that jumps lead to; `padding`: with NOPs that align a loop head."""
    loops = {
        i.operands[0].imm
        for i in disassemble(image, function)
        if i.group(capstone.CS_GRP_JUMP) and i.operands[0].imm <= i.address
    }
    lines = []
    for instruction in disassemble(image, function):
        if not padding and instruction.mnemonic == "nop" and instruction.address + instruction.size in loops:
            continue
        jump = instruction.group(capstone.CS_GRP_JUMP) or instruction.group(capstone.CS_GRP_CALL)
        lines.append(instruction.mnemonic if jump else f"{instruction.mnemonic} {instruction.op_str}".strip())
    return lines


@dataclass(frozen=True)
class Memory:
    """One memory operand."""

    displacement: int
    size: int
    written: bool


def memory_operands(image: Image, function: str) -> list[Memory]:
    """Memory operands in program order, %gs and stack excluded."""
    operands = []
    for instruction in disassemble(image, function):
        for operand in instruction.operands:
            if operand.type == x86.X86_OP_MEM and operand.mem.base not in (x86.X86_REG_RSP, x86.X86_REG_RIP):
                written = bool(operand.access & capstone.CS_AC_WRITE)
                if instruction.mnemonic not in ("nop", "lea"):
                    operands.append(Memory(operand.mem.disp, operand.size, written))
    return operands
