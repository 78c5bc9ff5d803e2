#!/usr/bin/env bash
# Unicorn 2.1.4 (PyPI): an emulation that a hook of stores stops, and that goes on where it stopped, stores twice.
#
# `incl (%rdi)` on a word that is 0; the hook calls emu_stop(), and a second emu_start() begins at the rip that the
# first one left.
# Expected: the store is carried out and rip lies behind the instruction, or neither; 1 is in the word in the end.
# Seen:     the word is 1 after the stop, and rip is still that of the instruction; in the end the word is 2. The
#           same with the lock prefix. A store of a register and a push are carried out twice, too, which their
#           result does not show. A hook of loads that stops leaves an instruction that has not begun.
# So: who stops at a store (the first that does not fit, for instance) and goes on has another result than a run
# that never stopped. To stop in a hook of instructions is safe: that one is called before the instruction.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check unicorn==2.1.4
"$place/venv/bin/python" - <<'PYTHON'
import unicorn
from unicorn import x86_const as x86

CODE, DATA, STACK = 0x1000, 0x10000, 0x20000
INCL, LOCK_INCL, NOP = bytes.fromhex("ff07"), bytes.fromhex("f0ff07"), b"\x90"


def stopped_once(instruction, kind):
    """The word and rip after the stop, and the word after going on; `kind` is that of the hook."""
    cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    for page in (STACK, CODE, DATA):
        cpu.mem_map(page, 0x1000)
    cpu.mem_write(CODE, instruction + NOP)
    cpu.reg_write(x86.UC_X86_REG_RDI, DATA)
    word = lambda: int.from_bytes(cpu.mem_read(DATA, 4), "little")
    hook = cpu.hook_add(kind, lambda *_: cpu.emu_stop())
    end = CODE + len(instruction) + len(NOP)
    cpu.emu_start(CODE, end)
    after, at = word(), cpu.reg_read(x86.UC_X86_REG_RIP)
    cpu.hook_del(hook)
    cpu.emu_start(at, end)
    return after, at - CODE, word()


ok = True
for name, instruction in (("incl (%rdi)", INCL), ("lock incl (%rdi)", LOCK_INCL)):
    store = stopped_once(instruction, unicorn.UC_HOOK_MEM_WRITE)
    load = stopped_once(instruction, unicorn.UC_HOOK_MEM_READ)
    code = stopped_once(instruction, unicorn.UC_HOOK_CODE)
    for kind, (after, at, end) in (("stores", store), ("loads", load), ("instructions", code)):
        print(f"{name}, stopped by a hook of {kind}: word {after}, rip +{at}; after going on: word {end}")
    ok &= store == (1, 0, 2) and load == (0, 0, 1) and code == (0, 0, 1)
raise SystemExit(0 if ok else 1)
PYTHON
