#!/usr/bin/env bash
# Unicorn 2.1.4 (PyPI): the code hook is called for an instruction that the CPU model does not know, with a size
# that is none.
#
# Expected: for `clwb [rdi]` under the Haswell model, which has no clwb, emu_start() fails with
#           UC_ERR_INSN_INVALID and no hook is called, or it is called with the size 4.
# Seen:     the hook is called first, with size 0xf1f1f1f1; then comes the error. For `adcx edx, edx` the size is
#           5, as if it were known, and the error comes as well. Under Ice Lake's model both run, with 4 and 5.
# Who reads that many bytes in the hook, as the examples do, reads 4 GB or a negative number.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet unicorn==2.1.4
"$place/venv/bin/python" - <<'PYTHON'
import sys

import unicorn
from unicorn import x86_const as x86


def run(model, code):
    cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    cpu.ctl_set_cpu_model(model)
    cpu.mem_map(0x1000, 0x2000)
    cpu.mem_write(0x1000, code)
    cpu.reg_write(x86.UC_X86_REG_RDI, 0x2000)
    sizes = []
    cpu.hook_add(unicorn.UC_HOOK_CODE, lambda _, __, size, ___: sizes.append(size & 0xFFFFFFFF))
    try:
        cpu.emu_start(0x1000, 0x1000 + len(code), count=1)
    except unicorn.UcError as error:
        return [hex(size) for size in sizes], error.errno == unicorn.UC_ERR_INSN_INVALID
    return [hex(size) for size in sizes], False


CLWB, ADCX = bytes.fromhex("660fae37"), bytes.fromhex("660f38f6d2")
seen = {
    (name, instruction): run(model, code)
    for name, model in (("Haswell", x86.UC_CPU_X86_HASWELL), ("Ice Lake", x86.UC_CPU_X86_ICELAKE_SERVER))
    for instruction, code in (("clwb", CLWB), ("adcx", ADCX))
}
for key, (sizes, invalid) in seen.items():
    print(*key, "hook called with", sizes, "invalid instruction" if invalid else "ran")
described = {
    ("Haswell", "clwb"): (["0xf1f1f1f1"], True),
    ("Haswell", "adcx"): (["0x5"], True),
    ("Ice Lake", "clwb"): (["0x4"], False),
    ("Ice Lake", "adcx"): (["0x5"], False),
}
print("as described" if seen == described else "the behaviour has changed")
sys.exit(seen != described)
PYTHON
