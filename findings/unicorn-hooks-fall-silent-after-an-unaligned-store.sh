#!/usr/bin/env bash
# Unicorn 2.1.4 (PyPI): after one store to memory that is not aligned, no memory hook is called until the run ends.
#
# Expected: four stores are four calls of the store hook, wherever code and data lie; or, since an instruction may be
#           hooked twice (unicorn-store-to-another-page-counts-twice), some more.
# Seen:     one call, and all four values in memory. The first store is hooked, begins once more, and nothing that
#           follows is told of. So where memory was mapped as 1, 4 and 16 pages, code in the second and data in the
#           last, at the same offset of a page, and the stores are not aligned to 8 bytes. Aligned ones are hooked
#           too often (eight calls for five). With the 16 pages mapped first there are four calls, and five.
# Who lists what code stores gets a part of it, for some addresses of the code only, and no error.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet unicorn==2.1.4
"$place/venv/bin/python" - <<'PYTHON'
import sys

import unicorn
from unicorn import x86_const as x86

PAGE, OFFSET = 4096, 0xE00
OTHER, CODE, DATA = 0x60000000, 0x40000000, 0x10000000
ALIGNED = bytes.fromhex("488903 48894308 48894310 48894318 48894320")  # mov [rbx], rax; mov [rbx + 8], rax; ...
UNALIGNED = bytes.fromhex("48894301 48894309 48894311 48894319")  # mov [rbx + 1], rax; mov [rbx + 9], rax; ...


def told(code, data_first):
    """Calls of the store hook, and how many bytes of the data were written."""
    cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    pieces = [(OTHER, 1), (CODE, 4)]
    for at, pages in [(DATA, 16), *pieces] if data_first else [*pieces, (DATA, 16)]:
        cpu.mem_map(at, pages * PAGE)
    calls = []
    cpu.hook_add(unicorn.UC_HOOK_MEM_WRITE, lambda *_: calls.append(1))
    cpu.mem_write(CODE + OFFSET, code)
    cpu.reg_write(x86.UC_X86_REG_RBX, DATA + OFFSET)
    cpu.reg_write(x86.UC_X86_REG_RAX, 0x0101010101010101)
    cpu.emu_start(CODE + OFFSET, CODE + OFFSET + len(code))
    return len(calls), sum(cpu.mem_read(DATA + OFFSET, 64))


last = told(ALIGNED, False), told(UNALIGNED, False)
first = told(ALIGNED, True), told(UNALIGNED, True)
print(f"data mapped last, (calls, bytes written): aligned {last[0]}, unaligned {last[1]}")
print(f"data mapped first: aligned {first[0]}, unaligned {first[1]}")
sys.exit((last, first) != (((8, 40), (1, 32)), ((5, 40), (4, 32))))
PYTHON
