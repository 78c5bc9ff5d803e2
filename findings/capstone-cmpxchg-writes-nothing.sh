#!/usr/bin/env bash
# Capstone 5.0.9 (Python bindings from PyPI): `cmpxchg` is reported to write no register and no memory, with or
# without the lock prefix.
#
# Intel's manual, CMPXCHG: the accumulator is compared with the destination; ZF is set and the source stored
# there, or ZF is cleared and the destination loaded into the accumulator. So eax, the flags and memory are
# written.
#
# Expected: regs_access() names eax and eflags as written, and the memory operand's access has CS_AC_WRITE.
# Seen:     no register is written, not even eflags; the memory operand has CS_AC_READ only. The memory operands
#           of `lock dec` and `lock xadd` beside it are right.
# Who decides by what the decoder reports takes a compare-and-swap for an instruction that changes nothing.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet capstone==5.0.9
"$place/venv/bin/python" - <<'PYTHON'
import sys

import capstone

decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
decoder.detail = True


def reported(code):
    (instruction,) = decoder.disasm(bytes.fromhex(code), 0)
    written = sorted(instruction.reg_name(register) for register in instruction.regs_access()[1])
    access = [op.access for op in instruction.operands if op.type == capstone.x86.X86_OP_MEM]
    print(f"{instruction.mnemonic} {instruction.op_str}: writes {written}, memory operand has access {access}")
    return written, access


for code in ("f0ff0f", "f00fc117"):  # lock dec dword ptr [rdi]; lock xadd dword ptr [rdi], edx
    assert reported(code)[1] == [capstone.CS_AC_READ | capstone.CS_AC_WRITE], "dec and xadd are right"
surprises = [reported(code) for code in ("0fb117", "f00fb117")]  # cmpxchg dword ptr [rdi], edx; with lock
wrong = all(seen == ([], [capstone.CS_AC_READ]) for seen in surprises)
print("as described" if wrong else "the behaviour has changed")
sys.exit(not wrong)
PYTHON
