#!/usr/bin/env bash
# Intel Golden Cove: dependent 64-bit additions of a small constant run six in a cycle; the same addition of 32 bits,
# or of a register, takes its cycle each.
#
# Seen on an Intel Xeon, family 6 model 207 stepping 2, with Python 3.11 alone (no package): cycles for each
# instruction of a chain in which every one needs the result of the one before, by a chain of `imul`, three cycles:
#   addq $1, %rdx        0.17      leaq 1(%rdx), %rdx    0.17
#   addl $1, %edx        1.00      addq $5000, %rdx      1.00
#   addq %rsi, %rdx      1.00      xorq $1, %rdx         1.00
# Expected: an addition has a latency of one cycle, so a chain of k of them is a clock of k cycles.
# Known: that the renamer of Alder Lake's P cores does `add rax, 1` (Tavian Barnes, "The Alder Lake anomaly,
# explained", January 2025, after Andreas Abel: five in a cycle there). So a known cost that is made of such
# additions is a sixth of what it says, on these cores only; made of 32-bit ones it is right.
# Exits 0 while this is so (and on another CPU, of which it says nothing), 1 when the six no longer differ so.
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

LENGTH, TURNS = 1024, 2000
CHAINS = {
    "addq $1, %rdx": "48 83 c2 01",
    "leaq 1(%rdx), %rdx": "48 8d 52 01",
    "addl $1, %edx": "83 c2 01",
    "addq $5000, %rdx": "48 81 c2 88 13 00 00",
    "addq %rsi, %rdx": "48 01 f2",
    "xorq $1, %rdx": "48 83 f2 01",
    "imulq %rsi, %rdx": "48 0f af d6",
}
WHILE_RENAMING = ("addq $1, %rdx", "leaq 1(%rdx), %rdx")


def function(instruction):
    """A loop over LENGTH of the instruction, and the memory that must stay."""
    code = bytearray(b"\xb9" + TURNS.to_bytes(4, "little"))  # movl $TURNS, %ecx
    begin = len(code)
    code += bytes.fromhex(instruction) * LENGTH + b"\x83\xe9\x01"  # subl $1, %ecx
    back = begin - len(code) - 6
    code += b"\x0f\x85" + back.to_bytes(4, "little", signed=True) + b"\xc3"  # jne begin; ret
    memory = mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    return ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(memory))), memory


functions = {name: function(code) for name, code in CHAINS.items()}
best = dict.fromkeys(CHAINS, float("inf"))
for _ in range(15):
    for name, (call, _memory) in functions.items():
        began = time.perf_counter()
        call()
        best[name] = min(best[name], time.perf_counter() - began)
cycle = best["imulq %rsi, %rdx"] / 3
for name, took in best.items():
    print(f"{name:20} {took / cycle:.2f} cycles")
free = all(best[name] < 0.4 * cycle for name in WHILE_RENAMING)
others = all(0.9 < best[name] / cycle < 1.1 for name in CHAINS if name not in WHILE_RENAMING and "imul" not in name)
raise SystemExit(0 if free and others else 1)
PYTHON
python3 -I "$place/chains.py"
