#!/usr/bin/env bash
# AMD Zen 4: two loads in turn, both lines in a first-level cache with room for eight of their set, take 2.7 times
# as long where eight bits made of address bits 12 to 27 are equal, as in one of 256 pairs of pages.
#
# Versions: numba 0.68.1, llvmlite 0.50.0, numpy 2.4.6, Python 3.11, Linux x86-64; AMD EPYC, family 25 model 17
# stepping 1.
# Expected: an 8-way set holds two lines, so it does not matter which pages they are in.
# Seen: where the tags of the pages are equal a load takes 6.0 ns, where one bit of the tag differs 2.2 ns, each time
# and for every pair tried. The tag is known from Zen to Zen 2 (Lipp, Hadzic, Schwarz, Perais, Maurice, Gruss: "Take A
# Way: Exploring the Security Implications of AMD's Cache Way Predictors", 2020): bit k is the exclusive or of two
# address bits, 12^27, 13^26, 14^25, 15^20, 16^21, 17^22, 18^23, 19^24. A benchmark whose data is drawn anew in each
# process is slower in some of them for this reason alone.
# Exits 0 while this is so (and on a CPU that is no Zen, of which it says nothing), 1 when such pairs are as fast.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! grep -q AuthenticAMD /proc/cpuinfo || (( $(awk '/^cpu family/ {print $4; exit}' /proc/cpuinfo) < 23 )); then
    echo "no AMD Zen: not tried"
    exit 0
fi
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numba==0.68.1 llvmlite==0.50.0 numpy==2.4.6

cat > "$folder/pairs.py" <<'EOF'
import random
import statistics
import time

import numpy as np
from numba import njit

PAIRS = ((12, 27), (13, 26), (14, 25), (15, 20), (16, 21), (17, 22), (18, 23), (19, 24))
PAGE, LOADS = 4096, 20_000


@njit
def in_turn(words, one, other, count):
    found = 0
    for _ in range(count):
        found = words[one + found]  # all words are 0, so each load waits for the one before
        found = words[other + found]
    return found


def tag(address):
    return sum((address >> low & 1 ^ address >> high & 1) << at for at, (low, high) in enumerate(PAIRS))


def ns(one, other):
    best = 1e9
    for _ in range(5):
        began = time.perf_counter()
        in_turn(words, one, other, LOADS)
        best = min(best, time.perf_counter() - began)
    return best * 1e9 / LOADS / 2


words = np.zeros((160 << 20) // 8, np.int64)
words[::512] = 0  # every page is there
start = words.ctypes.data
in_turn(words, 0, 0, 1)
draw = random.Random(1)
line = 8 * 5
first = -(-start // PAGE) * PAGE - start  # a page's first byte in the array
pages = (words.nbytes - first) // PAGE
by_tag = {}
for page in range(pages):
    by_tag.setdefault(tag(start + first + page * PAGE), []).append(page)
index = lambda page: (first + page * PAGE) // 8 + line
equal, one_bit = [], []
for _ in range(60):
    value = draw.randrange(256)
    one, other = draw.sample(by_tag[value], 2)
    equal.append(ns(index(one), index(other)))
    one_bit.append(ns(index(one), index(draw.choice(by_tag[value ^ 1 << draw.randrange(8)]))))
print(f"equal tags:      {statistics.median(equal):.2f} ns a load, {min(equal):.2f} to {max(equal):.2f}")
print(f"one bit differs: {statistics.median(one_bit):.2f} ns a load, {min(one_bit):.2f} to {max(one_bit):.2f}")
raise SystemExit(0 if statistics.quantiles(equal, n=10)[0] > 2 * statistics.median(one_bit) else 1)
EOF
"$folder/venv/bin/python" "$folder/pairs.py"
