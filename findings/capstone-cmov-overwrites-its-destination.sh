#!/usr/bin/env bash
# Capstone 5.0.9 (Python bindings from PyPI): regs_access() reports the destination of `cmovCC` and of `bsf` as
# written only, not as read.
#
# Intel's manual, CMOVcc: the destination keeps its value where the condition is false (of 32 bits its lower half).
# BSF: with a source of 0 the destination is undefined; AMD's manual says that it is unchanged. So the old value
# is an input, as it is of `shld`, whose destination Capstone reports as read and written.
#
# Expected: the destination is among the registers that are read, as with `shld`.
# Seen:     `cmovle esi, edi` reads rflags and edi, and writes esi; `bsf esi, edi` reads edi.
# A liveness analysis by these lists takes a register for dead whose value a conditional move passes on.
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


def read(code):
    (instruction,) = decoder.disasm(bytes.fromhex(code), 0)
    names = [{instruction.reg_name(register) for register in some} for some in instruction.regs_access()]
    print(f"{instruction.mnemonic} {instruction.op_str}: reads {sorted(names[0])}, writes {sorted(names[1])}")
    return names[0]


assert "edi" in read("0fa4f703"), "shld edi, esi, 3 is right"
wrong = "esi" not in read("0f4ef7") and "esi" not in read("0fbcf7")  # cmovle esi, edi; bsf esi, edi
print("as described" if wrong else "the behaviour has changed")
sys.exit(not wrong)
PYTHON
