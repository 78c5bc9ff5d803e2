"""What an exact operation may do: it is assembled alone and read, before anything is compiled with it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from model.common.errors import FreepathError
from model.common.process import python_path

ROOT: Final = Path(__file__).parents[2]
MINE: Final = frozenset({"rdx", "edx", "dx", "dh", "dl", "rflags", "eflags"})
"""Registers that an operation may write; $0 is somewhere else, and everything else is the path's."""
FUSING: Final = ("cmp", "test")
OPERAND: Final = re.compile(r"\$+[^\s,();]*")
PAGE: Final = re.compile(r"\$0|\$\{0(:[a-z])?\}")


class OperationError(FreepathError):
    """The operation cannot stand at the patch point."""


def with_end(text: str) -> str:
    """The operation with the labels that are meant to be its end."""
    ahead = dict.fromkeys(re.findall(r"\b(\d+)f\b", text))
    missing = [label for label in ahead if not re.search(rf"(^|[;\s]){label}:", text)]
    return "; ".join([text.strip().rstrip(";"), *(f"{label}:" for label in missing)])


def check(text: str, where: str) -> list[Any]:
    """Refuse what is no plain operation on the page; returns its instructions, as Capstone decodes them.

    Parameters
    ----------
    text
        With its end (`with_end`).
    where
        What the message names.

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
        if re.match(r"\s*(\w+:)?\s*\.", statement):
            raise OperationError(
                f"{where}: '{statement.strip()}' is a directive of the assembler; give instructions"
            )
    instructions = list(_decoded(_assembled(text, where)))
    end = sum(instruction.size for instruction in instructions)
    for instruction in instructions:
        _check(instruction, end, where)
    return instructions


def slots_of(instructions: list[Any]) -> int | None:
    """Dispatch slots: a comparison and the branch behind it are one; None where a store makes it a guess."""
    if any(_stores(instruction) for instruction in instructions):
        return None
    names = [str(instruction.mnemonic) for instruction in instructions]
    return len(names) - sum(a.startswith(FUSING) and b.startswith("j") for a, b in pairwise(names))


def _stores(instruction: Any) -> bool:
    from capstone import CS_AC_WRITE
    from capstone.x86 import X86_OP_MEM

    return any(op.type == X86_OP_MEM and op.access & CS_AC_WRITE for op in instruction.operands)


def _assembled(text: str, where: str) -> bytes:
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


def _decoded(code: bytes) -> Iterator[Any]:
    import capstone

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.syntax = capstone.CS_OPT_SYNTAX_ATT
    decoder.detail = True
    yield from decoder.disasm(code, 0)


def _check(instruction: Any, end: int, where: str) -> None:
    """One instruction: it stays inside, and writes what is its own."""
    import capstone

    text = f"{instruction.mnemonic} {instruction.op_str}".strip().replace("%rdi", "$0")
    leaving = (capstone.CS_GRP_CALL, capstone.CS_GRP_RET, capstone.CS_GRP_INT, capstone.CS_GRP_IRET)
    if any(instruction.group(group) for group in (*leaving, capstone.CS_GRP_PRIVILEGE)):
        raise OperationError(f"{where}: '{text}' leaves the operation, which must run to its end")
    if instruction.group(capstone.CS_GRP_JUMP):
        target = instruction.operands[0]
        if target.type != capstone.x86.X86_OP_IMM or not 0 <= target.imm <= end:
            raise OperationError(f"{where}: '{text}' jumps out of the operation, which must run to its end")
    written = {instruction.reg_name(register) for register in instruction.regs_access()[1]} - {"rip"}
    if written - MINE:
        raise OperationError(
            f"{where}: '{text}' writes {', '.join(sorted(written - MINE))}: only edx and the flags are yours"
        )
