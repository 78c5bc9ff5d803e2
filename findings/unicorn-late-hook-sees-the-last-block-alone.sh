#!/usr/bin/env bash
# Unicorn 2.1.4 (PyPI): a code hook that is added after a first run is called in the block that ends the run, and in
# no other that ran before. In code without a jump, as a first try has it, all seems well.
#
# Expected: after hook_add() every instruction calls the hook, or none does.
# Seen:     of a loop of three turns and a nop behind it, 8 calls with the hook from the start, and 1, the nop's,
#           when the code has run once before; never more, however often it runs. Of three nops all 3 calls either way.
# Known: upstream issue 2200 (2025, open) says that late hooks "don't take effect" on code that ran; that the last
# block is another matter makes a trace short instead of empty. A new Uc, or a hook before the first run, has them all.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check unicorn==2.1.4
"$place/venv/bin/python" - <<'PYTHON'
import unicorn

CODE = 0x1000
LOOP = bytes.fromhex("b903000000" "ffc9" "75fc" "90")  # movl $3, %ecx; 1: decl %ecx; jne 1b; nop
STRAIGHT = bytes.fromhex("909090")


def calls(code, runs_before):
    """Offsets for which the hook is called in the run after `runs_before` others."""
    cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    cpu.mem_map(CODE, 0x1000)
    cpu.mem_write(CODE, code)
    run = lambda: cpu.emu_start(CODE, CODE + len(code))
    for _ in range(runs_before):
        run()
    seen = []
    cpu.hook_add(unicorn.UC_HOOK_CODE, lambda _cpu, address, *_: seen.append(address - CODE))
    run()
    return seen


ok = True
for name, code in (("loop", LOOP), ("straight", STRAIGHT)):
    every, late, later = (calls(code, runs) for runs in (0, 1, 3))
    print(f"{name}: hook from the start {every}, after one run {late}, after three {later}")
    ok &= late == later == ([9] if code is LOOP else every) and len(every) == (8 if code is LOOP else 3)
raise SystemExit(0 if ok else 1)
PYTHON
