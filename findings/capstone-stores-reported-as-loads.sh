#!/usr/bin/env bash
# Capstone 5.0.9 (Python bindings from PyPI): stores that are reported as loads.
#
# Expected: the memory operand of `movnti [rdi], edx`, `movups [rdi], xmm0`, `movntdq [rdi], xmm0` and
#           `rol byte ptr [rdi], 1` has CS_AC_WRITE, as that of `mov [rdi], edx` has.
# Seen:     all four have CS_AC_READ only; `mov` and `movaps` are right.
# Who counts stores by the decoder's word misses non-temporal stores, and the commonest one of SSE.
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


def stores(code):
    (instruction,) = decoder.disasm(bytes.fromhex(code), 0)
    (access,) = [op.access for op in instruction.operands if op.type == capstone.x86.X86_OP_MEM]
    print(f"{instruction.mnemonic} {instruction.op_str}: access {access}")
    return bool(access & capstone.CS_AC_WRITE)


assert stores("8917"), "mov dword ptr [rdi], edx is right"
stores("0f2907")
# movnti [rdi], edx; movups [rdi], xmm0; movntdq [rdi], xmm0; rol byte ptr [rdi], 1
found = [stores(code) for code in ("0fc317", "0f1107", "660fe707", "d007")]
print("as described" if not any(found) else "the behaviour has changed")
sys.exit(any(found))
PYTHON
