#!/usr/bin/env bash
# llvm-mca of LLVM 19.1.7: a lock prefix costs nothing, on every x86 CPU that was tried. A real one takes 16 to 18
# times as long with it.
#
# 1,000 times `lock addq $1, (%rdi)`, and 1,000 times the same without the prefix.
# Expected: more cycles with the prefix, as on every x86 CPU, where the locked one waits until its line is its own and
#           all stores before it are done.
# Seen:     the same number of cycles for both on znver3, znver4, icelake-server, sapphirerapids and alderlake (675,
#           675, 509, 1,014, 1,014), for `lock cmpxchgq` as well; no warning. The additions to one word do not
#           wait for each other, either: one in half a cycle to a cycle. Intel Xeon, family 6 model 207 stepping 2,
#           takes 0.33 ns without the prefix and 5.9 ns with it.
# So: no static price for a spinlock, a trylock or an atomic counter; the tables have no entry for the prefix.
# Needs Debian 12's apt for LLVM 19 (1:19.1.7-3~deb12u1), which is unpacked in a temporary folder. Exits 0 while this
# is so, 1 when llvm-mca or the CPU says otherwise.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
for package in llvm-19 libllvm19; do
    apt-get -qq -o APT::Sandbox::User=root download "$package=1:19.1.7-3~deb12u1"
    dpkg-deb -x "$package"_*.deb root
done
export LD_LIBRARY_PATH="$place/root/usr/lib/llvm-19/lib:$place/root/usr/lib/x86_64-linux-gnu"
cycles() {  # of 1,000 times an instruction
    printf '%s\n' "$2" | root/usr/lib/llvm-19/bin/llvm-mca "-mcpu=$1" -iterations=1000 | awk '/^Total Cycles/ {print $3}'
}
same=yes
for cpu in znver3 znver4 icelake-server sapphirerapids alderlake; do
    for instruction in 'addq $1, (%rdi)' 'cmpxchgq %rcx, (%rdi)'; do
        plain=$(cycles "$cpu" "$instruction") locked=$(cycles "$cpu" "lock $instruction")
        echo "$cpu: 1,000 times $instruction: $plain cycles, with lock $locked"
        [[ -n $plain && $plain == "$locked" ]] || same=no
    done
done
python3 - <<'PYTHON'
import ctypes
import mmap
import time

COUNT, TURNS = 256, 2000
WORD = ctypes.c_uint64()
best = {}
for name, instruction in {"addq": "48 83 07 01", "lock addq": "f0 48 83 07 01"}.items():  # $1, (%rdi)
    code = bytearray(b"\xb9" + TURNS.to_bytes(4, "little"))  # movl $TURNS, %ecx
    begin = len(code)
    code += bytes.fromhex(instruction) * COUNT + b"\x83\xe9\x01"  # subl $1, %ecx
    code += b"\x0f\x85" + (begin - len(code) - 6).to_bytes(4, "little", signed=True) + b"\xc3"  # jne begin; ret
    memory = mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    for _ in range(15):
        began = time.perf_counter()
        call(ctypes.addressof(WORD))
        best[name] = min(best.get(name, 1.0), time.perf_counter() - began)
for name, took in best.items():
    print(f"this CPU: {name} {took * 1e9 / COUNT / TURNS:.2f} ns")
raise SystemExit(0 if best["lock addq"] > 1.5 * best["addq"] else 1)
PYTHON
[[ $same == yes ]]
