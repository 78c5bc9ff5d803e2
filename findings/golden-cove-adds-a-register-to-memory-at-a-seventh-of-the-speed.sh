#!/usr/bin/env bash
# Intel Golden Cove: `addq $1, (%rdi)` repeated on one word takes 1 cycle, `addq %rsi, (%rdi)` takes 7, and the same
# addition as load, add, store takes 1.2.
#
# Python 3.11 alone, no package; a NOP of eight bytes behind each. Seen on an Intel Xeon, family 6 model 207 stepping 2,
# cycles for each, by a chain of `imul` of three cycles:
#   addq $1, (%rdi)     1.07      addq %rsi, (%rdi)                              7.03
#   incq (%rdi)         1.04      orq %rsi, (%rdi)                               7.03
#   xorq $1, (%rdi)     1.07      movq (%rdi), %rdx; addq %rsi, %rdx; movq back  1.16
# Expected: 5 to 7 cycles for all, load to use after a store and the addition; or, as this core hands a store's value
#           to a load of the same address form at once, 1 to 2 cycles for all. What is added is there long before.
# So: a counter that goes up by a variable costs another order of magnitude than one that goes up by a constant, where
# it is the longest chain of a loop; and a compiler that folds load, add and store into one instruction makes it slower.
# Without the NOP, in straight code of 16 and more, `incl (%rdi)` takes 7 cycles, too: its place in the code decides.
# Exits 0 while this is so (and on another CPU, of which it says nothing), 1 when the two forms no longer differ so.
set -euo pipefail
models=" 143 151 154 183 186 191 207 "  # Sapphire Rapids, Alder Lake, Raptor Lake, Emerald Rapids
family=$(awk '/^cpu family/ {print $4; exit}' /proc/cpuinfo)
model=$(awk '/^model[[:space:]]*:/ {print $3; exit}' /proc/cpuinfo)
if ! grep -q GenuineIntel /proc/cpuinfo || [[ $family != 6 || $models != *" $model "* ]]; then
    echo "no Golden Cove: not tried"
    exit 0
fi
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cat > "$place/chains.py" <<'PYTHON'
import ctypes
import mmap
import time

LENGTH, TURNS = 64, 2000
NOP = "0f 1f 84 00 00 00 00 00"
CONSTANT = {"addq $1, (%rdi)": "48 83 07 01", "incq (%rdi)": "48 ff 07", "xorq $1, (%rdi)": "48 83 37 01"}
REGISTER = {"addq %rsi, (%rdi)": "48 01 37", "orq %rsi, (%rdi)": "48 09 37"}
IN_THREE = {"movq, addq %rsi, movq": "48 8b 17 48 01 f2 48 89 17"}  # by way of rdx
CLOCK = {"imulq %rsi, %rdx": "48 0f af d6"}


def function(body):
    """A loop over LENGTH of the body, and the memory that must stay."""
    code = bytearray(b"\xb9" + TURNS.to_bytes(4, "little"))  # movl $TURNS, %ecx
    begin = len(code)
    code += bytes.fromhex(body + NOP) * LENGTH + b"\x83\xe9\x01"  # subl $1, %ecx
    code += b"\x0f\x85" + (begin - len(code) - 6).to_bytes(4, "little", signed=True) + b"\xc3"  # jne begin; ret
    memory = mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(memory))), memory


word = ctypes.c_uint64()
functions = {name: function(body) for name, body in {**CONSTANT, **REGISTER, **IN_THREE, **CLOCK}.items()}
best = dict.fromkeys(functions, float("inf"))
for _ in range(25):
    for name, (call, _memory) in functions.items():
        began = time.perf_counter()
        call(ctypes.addressof(word))
        best[name] = min(best[name], time.perf_counter() - began)
cycle = best["imulq %rsi, %rdx"] / 3
for name, took in best.items():
    print(f"{name:22} {took / cycle:.2f} cycles")
fast = max(best[name] for name in (*CONSTANT, *IN_THREE)) < 2 * cycle
slow = min(best[name] for name in REGISTER) > 5 * cycle
raise SystemExit(0 if fast and slow else 1)
PYTHON
python3 -I "$place/chains.py"
