#!/usr/bin/env bash
# Unicorn 2.1.4 (PyPI): AVX with three operands is executed as SSE with two, without an error.
#
# Expected: `vpaddd xmm2, xmm1, xmm0` sets xmm2 = xmm1 + xmm0, or ends with UC_ERR_INSN_INVALID where the model
#           of the CPU, or the emulator, has no AVX.
# Seen:     xmm2 = xmm2 + xmm0: the first source, which only VEX has, is ignored. So under the models from Sandy
#           Bridge on, and AMD's from Opteron G4 on; older models end with UC_ERR_INSN_INVALID. A count of
#           instructions is right, whatever depends on the result is not.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet unicorn==2.1.4
"$place/venv/bin/python" - <<'PYTHON'
import sys

import unicorn
from unicorn import x86_const as x86

CODE = bytes.fromhex("c5f1fed0")  # vpaddd xmm2, xmm1, xmm0


def xmm2(model):
    cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    cpu.ctl_set_cpu_model(model)
    cpu.mem_map(0x1000, 0x1000)
    cpu.mem_write(0x1000, CODE)
    for register, value in ((0, 1), (1, 10), (2, 100)):
        cpu.reg_write(x86.UC_X86_REG_XMM0 + register, value)
    try:
        cpu.emu_start(0x1000, 0x1000 + len(CODE), count=1)
    except unicorn.UcError as error:
        return f"error {error.errno}"
    return cpu.reg_read(x86.UC_X86_REG_XMM2)


names = ("NEHALEM", "SANDYBRIDGE", "HASWELL", "SKYLAKE_SERVER", "ICELAKE_SERVER", "EPYC", "EPYC_ROME")
seen = {name: xmm2(getattr(x86, f"UC_CPU_X86_{name}")) for name in names}
for name, value in seen.items():
    print(f"{name}: xmm2 = {value} (a processor: 11; SSE's two operands: 101)")
wrong = {name for name, value in seen.items() if value == 101}
described = wrong == set(names) - {"NEHALEM"} and seen["NEHALEM"] == f"error {unicorn.UC_ERR_INSN_INVALID}"
print("as described" if described else "the behaviour has changed")
sys.exit(not described)
PYTHON
