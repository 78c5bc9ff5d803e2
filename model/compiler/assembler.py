"""The machine code of an exact operation alone: python -m model.compiler.assembler, text on standard input.

A process of its own, since LLVM ends the process that gives it wrong assembly; LLVM's message is on standard
error then.
"""

import sys
from typing import Final

import llvmlite.binding as llvm

from model.common.errors import CompileError
from model.compiler.object_file import TRIPLE, read_object, target_machine

CPU: Final = "x86-64"
RETURN_BYTES: Final = 1
FUNCTION: Final = """target triple = "{triple}"
define void @operation(i64 %page) {{
  call void asm sideeffect "{text}", "r,~{{edx}},~{{dirflag}},~{{fpsr}},~{{flags}}"(i64 %page)
  ret void
}}
"""
"""LLVM IR with the constraints of the slot (model.compiler.slot); the page's address is in rdi here."""


def machine_code(text: str) -> bytes:
    """Assemble one operation in AT&T syntax, `$0` the page's address."""
    quoted = '"\\'
    escaped = "".join(c if c.isprintable() and c not in quoted else f"\\{ord(c):02X}" for c in text)
    module = llvm.parse_assembly(FUNCTION.format(triple=TRIPLE, text=escaped))
    code = bytes.fromhex(read_object(bytes(target_machine(CPU).emit_object(module)))["code"])
    return code[:-RETURN_BYTES]


if __name__ == "__main__":
    try:
        print(machine_code(sys.stdin.read()).hex())
    except CompileError as error:
        sys.exit(f"error: {error}")
