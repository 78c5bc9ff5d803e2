#!/usr/bin/env bash
# Intel Golden Cove: a load of the word that a locked instruction has just written costs 4 ns, 13 cycles; a load of the
# word beside it, in the same cache line, costs nothing, and so does a load after a plain store.
#
# Python 3.11 alone, no package. Loops of nothing but `lock decl (%rdi)` and one load, whose result nobody uses. Seen
# on an Intel Xeon, family 6 model 207 stepping 2, ns for each turn:
#   lock decl (%rdi)                              5.8
#   lock decl (%rdi); movl 4(%rdi), %edx          5.8
#   lock decl (%rdi); movl 64(%rdi), %edx         5.8
#   lock decl (%rdi); movl (%rdi), %edx           9.7
#   lock decl (%rdi); movq (%rdi), %rdx           9.7
#   movl $0, (%rdi); movl (%rdi), %edx            0.2
# Expected: the locked instruction waits for its line, and when it is done every load of that line is a hit; or the
#           value is forwarded from the store, as after a plain one.
# So: a test of a reference count right after it was decremented is not "a load of a line that is there", as the same
# test of the word beside it is. Linux's page checks load `_refcount` after put_page_testzero().
# Exits 0 while this is so (and on another CPU, of which it says nothing), 1 when such a load is as cheap as others.
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

LENGTH, TURNS = 128, 1000
LOCK = "f0 ff 0f"
BODIES = {
    "lock decl (%rdi)": LOCK,
    "lock decl (%rdi); movl 4(%rdi), %edx": LOCK + "8b 57 04",
    "lock decl (%rdi); movl 64(%rdi), %edx": LOCK + "8b 57 40",
    "lock decl (%rdi); movl (%rdi), %edx": LOCK + "8b 17",
    "lock decl (%rdi); movq (%rdi), %rdx": LOCK + "48 8b 17",
    "movl $0, (%rdi); movl (%rdi), %edx": "c7 07 00 00 00 00 8b 17",
}


def function(body):
    """A loop over LENGTH of the body, and the memory that must stay."""
    code = bytearray(b"\xb9" + TURNS.to_bytes(4, "little"))  # movl $TURNS, %ecx
    begin = len(code)
    code += bytes.fromhex(body) * LENGTH + b"\x83\xe9\x01"  # subl $1, %ecx
    code += b"\x0f\x85" + (begin - len(code) - 6).to_bytes(4, "little", signed=True) + b"\xc3"  # jne begin; ret
    memory = mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(memory))), memory


page = mmap.mmap(-1, mmap.PAGESIZE)  # begins on a line
words = ctypes.addressof(ctypes.c_char.from_buffer(page))
functions = {name: function(body) for name, body in BODIES.items()}
best = dict.fromkeys(BODIES, float("inf"))
for _ in range(25):
    for name, (call, _memory) in functions.items():
        began = time.perf_counter()
        call(words)
        best[name] = min(best[name], (time.perf_counter() - began) * 1e9 / LENGTH / TURNS)
for name, took in best.items():
    print(f"{name:42} {took:5.2f} ns")
alone, beside, other_line, same, wider, plain = best.values()
waits = min(same, wider) > 1.4 * alone
others = max(beside, other_line) < 1.1 * alone and plain < 0.5 * alone
raise SystemExit(0 if waits and others else 1)
PYTHON
python3 -I "$place/chains.py"
