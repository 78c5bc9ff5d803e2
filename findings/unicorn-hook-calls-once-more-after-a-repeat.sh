#!/usr/bin/env bash
# Unicorn 2.1.4 (PyPI): the code hook of a repeated string instruction is called once more than it stores.
#
# Expected: `rep stosb` with rcx = 3 calls the code hook three times, once for each byte that it stores (or once in all,
#           as for an instruction that a debugger steps over).
# Seen:     four calls: rcx is 3, 2, 1 and 0 in them. With rcx = 0 there is one call and no store. The stores are right.
# Who counts instructions by the hook has to leave out the call that finds rcx at 0; a trace in which an instruction
# follows itself cannot tell it from a jump to itself.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet unicorn==2.1.4
"$place/venv/bin/python" - <<'PYTHON'
import sys

import unicorn
from unicorn import x86_const as x86

CODE, DATA = 0x1000, 0x10000
REP_STOSB = bytes.fromhex("f3aa")


def hooked(count):
    """rcx in each call of the code hook, and the number of stores."""
    cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    cpu.mem_map(CODE, 0x1000)
    cpu.mem_map(DATA, 0x1000)
    cpu.mem_write(CODE, REP_STOSB)
    seen, stores = [], []
    cpu.hook_add(unicorn.UC_HOOK_CODE, lambda uc, *_: seen.append(uc.reg_read(x86.UC_X86_REG_RCX)))
    cpu.hook_add(unicorn.UC_HOOK_MEM_WRITE, lambda *_: stores.append(1))
    cpu.reg_write(x86.UC_X86_REG_RCX, count)
    cpu.reg_write(x86.UC_X86_REG_RDI, DATA)
    cpu.emu_start(CODE, CODE + len(REP_STOSB))
    return seen, len(stores)


found = {count: hooked(count) for count in (0, 1, 3)}
for count, (seen, stores) in found.items():
    print(f"rcx = {count}: the hook saw rcx = {seen}; {stores} stores")
sys.exit(found != {0: ([0], 0), 1: ([1, 0], 1), 3: ([3, 2, 1, 0], 3)})
PYTHON
