"""What an exact operation may do: it is assembled alone and checked, before anything is compiled with it.

Every byte is decoded, and every instruction must be in a list (model.kernels.instructions). Before it is
measured, the operation also runs alone in the emulator (benchmarks.census.trial).
"""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from model.common.errors import FreepathError
from model.common.process import python_path
from model.kernels.instructions import (
    GENERAL,
    JUMPS,
    LEAVING,
    WRITES,
    name_of,
    registers,
    shown,
    vector,
    written,
)

ROOT: Final = Path(__file__).parents[2]
PAGE_REGISTER: Final = "rdi"
"""Register of the page's address while the operation is assembled alone; an image may use another."""
MINE: Final = "rdx"
"""The only register that an operation may write; $0 is another one."""
OPERAND: Final = re.compile(r"\$+[^\s,();]*")
PAGE: Final = re.compile(r"\$0|\$\{0(:[a-z])?\}")
DIRECTIVE: Final = re.compile(r"(?<![\w.$)])\.[A-Za-z]")
PAGE_BY_NAME: Final = re.compile(r"%(rdi|edi|di|dil)\b")
COMMENT: Final = re.compile(r"/\*[\s\S]*?\*/|(#|//).*")
LABEL: Final = re.compile(r"(?<!\S)[\w.$]+:")
PREFIX: Final = re.compile(r"\b(lock|rep\w*|data16|rex64|xacquire|xrelease)\s*[;\n]\s*(?=\S)")
MAY: Final = (
    "moves, arithmetic, tests and jumps of general registers, loads, stores, locked operations, prefetches "
    "and fences"
)
OPERAND_SIZE: Final = 0x66


class OperationError(FreepathError):
    """The operation cannot stand at the patch point."""


def with_end(text: str) -> str:
    """The operation with the labels that are meant to be its end."""
    ahead = dict.fromkeys(re.findall(r"\b(\d+)f\b", text))
    missing = [label for label in ahead if not re.search(rf"(^|[;\s]){label}:", text)]
    return "; ".join([text.strip().rstrip(";"), *(f"{label}:" for label in missing)])


def check(text: str, where: str) -> list[Any]:
    """Refuse what is no allowed operation on the page; returns its instructions, decoded by Capstone.

    Parameters
    ----------
    text
        With its end (`with_end`).
    where
        The source that the message names.

    Raises
    ------
    OperationError
    """
    for operand in OPERAND.findall(text):
        if not operand.startswith("$$") and not PAGE.fullmatch(operand):
            raise OperationError(
                f"{where}: {operand} in '{text}': a number is written $${operand.lstrip('$')}, and $0 is the "
                "register with the page's address"
            )
    for statement in re.split(r"[;\n]", text):
        if DIRECTIVE.search(statement):
            raise OperationError(
                f"{where}: '{statement.strip()}' is a directive of the assembler; give instructions"
            )
    if named := PAGE_BY_NAME.search(text):
        raise OperationError(f"{where}: {named[0]} is not where the page's address is: write $0")
    instructions = _decoded(text, assembled(text, where), where)
    ends = {0, *(instruction.address + instruction.size for instruction in instructions)}
    for instruction in instructions:
        _check(instruction, ends, where)
    return instructions


def code_of(text: str, where: str) -> bytes:
    """Machine code of an operation that was checked, with the page's address in `PAGE_REGISTER`."""
    return b"".join(bytes(instruction.bytes) for instruction in check(text, where))


@cache
def assembled(text: str, where: str) -> bytes:
    """Machine code, by LLVM."""
    environment = {**os.environ, "PYTHONPATH": python_path(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "model.compiler.assembler"],
        input=text,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode or not done.stdout:
        said = re.sub(r"error: <inline asm>:[\d:]+ |^error: ", "", done.stderr.strip()) or "nothing"
        message, *shown = said.expandtabs().splitlines()
        raise OperationError(f"{where}: the assembler says: {message}", shown)
    return bytes.fromhex(done.stdout.strip())


def _decoded(text: str, code: bytes, where: str) -> list[Any]:
    """All instructions, or an error that names the first one that cannot be decoded."""
    import capstone

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.syntax = capstone.CS_OPT_SYNTAX_ATT
    decoder.detail = True
    instructions = list(decoder.disasm(code, 0))
    if (end := sum(instruction.size for instruction in instructions)) < len(code):
        plain = PREFIX.sub(r"\1 ", LABEL.sub(" ", COMMENT.sub(" ", text)))
        statements = [part.strip() for part in re.split(r"[;\n]", plain) if part.strip()]
        name = statements[len(instructions)] if len(instructions) < len(statements) else "what follows"
        raise OperationError(
            f"{where}: '{name}' ({shown(code[end:])}) is unknown to the disassembler; it cannot be checked"
        )
    return instructions


def _check(instruction: Any, ends: set[int], where: str) -> None:
    """Check one instruction: it is in the list, stays inside, and writes only what it may."""
    text = f"{instruction.mnemonic} {instruction.op_str}".strip().replace(f"%{PAGE_REGISTER}", "$0")
    name = name_of(instruction)
    if name in LEAVING:
        raise OperationError(f"{where}: '{text}' leaves the operation, which must run to its end")
    if vector(instruction):
        raise OperationError(f"{where}: '{text}' is vector or floating-point code: the free path has none")
    if name not in WRITES or not GENERAL.keys() >= set(registers(instruction)):
        raise OperationError(f"{where}: '{text}' is not for a check, which may have {MAY}")
    if name in JUMPS:
        _check_jump(instruction, text, ends, where)
    changed, memory = written(instruction)
    if others := changed - {MINE}:
        names = ", ".join(sorted(_as_written(instruction, other) for other in others))
        raise OperationError(f"{where}: '{text}' writes {names}: only edx and the flags are yours")
    for address in memory:
        _check_address(instruction, address, text, where)


def _as_written(instruction: Any, register: str) -> str:
    """The name by which the instruction calls a register, where it does."""
    return next((part for part in registers(instruction) if GENERAL[part] == register), register)


def _check_jump(instruction: Any, text: str, ends: set[int], where: str) -> None:
    """Check that a jump leads to the beginning of an instruction, or to the end of the last one."""
    from capstone.x86 import X86_OP_IMM

    target = instruction.operands[0]
    if target.type != X86_OP_IMM or not 0 <= target.imm <= max(ends):
        raise OperationError(f"{where}: '{text}' jumps out of the operation, which must run to its end")
    if target.imm not in ends:
        raise OperationError(f"{where}: '{text}' jumps into the middle of an instruction")
    if OPERAND_SIZE in instruction.prefix:
        raise OperationError(f"{where}: '{text}' has a prefix for which AMD jumps elsewhere than Intel")


def _check_address(instruction: Any, address: Any, text: str, where: str) -> None:
    """Check that a store goes by the page's address, edx or %gs, this CPU's area."""
    names = [instruction.reg_name(register) for register in (address.base, address.index) if register]
    segment = instruction.reg_name(address.segment) if address.segment else None
    known = all(GENERAL.get(name) in (PAGE_REGISTER, MINE) for name in names)
    if not known or segment not in (None, "gs") or not (names or segment):
        raise OperationError(f"{where}: '{text}' stores elsewhere than by $0, edx and %gs")
