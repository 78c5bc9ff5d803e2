#!/usr/bin/env bash
# pyperf 2.10.0: `compare_to` calls half of all pairs of equal programs different, where processes differ by more than
# the values within one do, as they usually do (layout, hash seeds, which pages): its t-test takes every value for
# independent of the others.
#
# Two files of 20 processes with 10 values each. Each process has a level of its own, drawn from one distribution for
# both files, with a standard deviation of 1 %; its values spread by 0.1 % around it. Nothing differs but the draw.
# Expected: "Not significant!" in 95 of 100 pairs, the test's level; the file has the values process by process.
# Seen:     a line "... faster" or "... slower" for 46 of 100, the others are hidden as not significant. Of the means
#           of the same processes, 20 against 20, the same test finds 5.
# So: a verdict over several processes needs their means, or an interval over processes.
# Exits 0 while more than 30 of 100 are called different, 1 otherwise.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pyperf==2.10.0
cd "$place"
cat > pairs.py <<'PYTHON'
import random
import statistics

import pyperf

draw = random.Random(1)
PROCESSES, VALUES, PAIRS = 20, 10, 100


def benchmark(name, means):
    """A benchmark of the same program, or of its processes' means alone."""
    runs = []
    for _ in range(PROCESSES):
        level = 100e-9 * (1 + draw.gauss(0, 0.01))
        values = [level * (1 + draw.gauss(0, 0.001)) for _ in range(VALUES)]
        about = {"name": name, "loops": 1}
        means[name].append(pyperf.Run([statistics.mean(values)], metadata=about, collect_metadata=False))
        runs.append(pyperf.Run(values, metadata=about, collect_metadata=False))
    return pyperf.Benchmark(runs)


for file in ("old", "new"):
    names = [f"pair-{number:03}" for number in range(PAIRS)]
    means = {name: [] for name in names}
    pyperf.BenchmarkSuite([benchmark(name, means) for name in names]).dump(f"{file}.json")
    pyperf.BenchmarkSuite([pyperf.Benchmark(means[name]) for name in names]).dump(f"{file}-means.json")
PYTHON
venv/bin/python pairs.py
different() {  # how many of the pairs are listed as faster or slower
    venv/bin/python -m pyperf compare_to "$1" "$2" | grep -cE '^pair-[0-9]+: Mean \+- std dev: .*(faster|slower)' || true
}
all=$(different old.json new.json)
means=$(different old-means.json new-means.json)
echo "called different: $all of 100 by all values, $means of 100 by the processes' means"
test "$all" -gt 30 && test "$means" -lt 12
