#!/usr/bin/env bash
# Unicorn 2.1.4 (PyPI): an instruction that stores to another page than its own may be hooked twice.
#
# Expected: the code hook is called once for each instruction that executes, so `mov [rdi], rax; ret` gives two calls,
#           wherever rdi points.
# Seen:     three calls, with memory mapped by mem_map_ptr() as 1, 2 and 1 pages, the code in the last one, and
#           rdi at the same offset within the first of the two pages as the code has in its own. One page at a time
#           (1, 1, 1, 1) gives two calls for the same addresses. The memory hook is called once more, too; the
#           stored value is right. It looks as if the store were taken for one that changes the running code.
# Who counts instructions or stores gets too many, and by an amount that depends on how the memory was mapped.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet unicorn==2.1.4
"$place/venv/bin/python" - <<'PYTHON'
import ctypes
import mmap
import sys

import unicorn
from unicorn import x86_const as x86

PAGE, FIRST, APART, STACK, OFFSET = 4096, 0x10000000, 0x1000000, 0x800000, 0x100


def hooked(*pieces):
    """Calls of the code hook and of the store hook, for a store to the second piece."""
    cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    memory = []
    for number, pages in enumerate(pieces):
        memory.append(mmap.mmap(-1, pages * PAGE))
        pointer = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory[-1])))
        cpu.mem_map_ptr(FIRST + number * APART, pages * PAGE, unicorn.UC_PROT_ALL, pointer)
    code = FIRST + (len(pieces) - 1) * APART + OFFSET
    memory[-1][OFFSET : OFFSET + 4] = bytes.fromhex("488907c3")  # mov [rdi], rax; ret
    cpu.mem_map(STACK, 2 * PAGE)
    top, end = STACK + PAGE // 2, STACK + PAGE
    cpu.mem_write(top, end.to_bytes(8, "little"))
    cpu.reg_write(x86.UC_X86_REG_RSP, top)
    cpu.reg_write(x86.UC_X86_REG_RDI, FIRST + APART + OFFSET)
    cpu.reg_write(x86.UC_X86_REG_RAX, 42)
    steps, stores = [], []
    cpu.hook_add(unicorn.UC_HOOK_CODE, lambda _, at, size, __: steps.append(at))
    cpu.hook_add(unicorn.UC_HOOK_MEM_WRITE, lambda *_: stores.append(1))
    cpu.emu_start(code, end)
    assert memory[1][OFFSET] == 42
    return len(steps), len(stores)


large, small = hooked(1, 2, 1), hooked(1, 1, 1, 1)
print(f"a piece of two pages: {large[0]} instructions, {large[1]} stores; pieces of one: {small[0]}, {small[1]}")
sys.exit((large, small) != ((3, 2), (2, 1)))
PYTHON
