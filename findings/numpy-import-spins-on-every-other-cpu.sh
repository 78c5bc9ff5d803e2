#!/usr/bin/env bash
# numpy 2.4.6 (wheel for Linux, with its OpenBLAS): `import numpy` starts a thread for each other CPU, and each
# of them spins for some 50 ms before it sleeps, although nothing is multiplied. So a benchmark process that
# has just imported numpy runs beside busy CPUs of its own making, siblings of its core among them, and every
# start of a command pays that CPU time.
#
# Expected: threads without work sleep; CPU time of the import is that of the thread which imports, to a
# few milliseconds.
# Seen: on two CPUs (AMD EPYC, Zen 4) the second thread takes 54 ms (31 beside load), the import 75 ms; none with
# OPENBLAS_NUM_THREADS=1, nor where the process may use one CPU alone.
#
# CPU time of the process minus that of the importing thread; median of nine processes each. Needs two CPUs.
# Exits 0 while it is so, 1 when it no longer is.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
test "$(nproc)" -ge 2 || { echo "one CPU: nothing to see" >&2; exit 2; }
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6
cat > "$work/others.py" <<'PY'
import time

process, own = time.process_time(), time.thread_time()
import numpy

time.sleep(0.3)
own = time.thread_time() - own
print(round(1000 * (time.process_time() - process - own), 1))
PY
others() {
    for _ in 1 2 3 4 5 6 7 8 9; do "$@" "$work/venv/bin/python" "$work/others.py"; done | sort -n | sed -n 5p
}
unset OPENBLAS_NUM_THREADS OMP_NUM_THREADS
usual=$(others env)
alone=$(others env OPENBLAS_NUM_THREADS=1)
pinned=$(others taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')")
echo "CPU time of other threads, ms: $usual; OPENBLAS_NUM_THREADS=1: $alone; one CPU: $pinned"
awk -v usual="$usual" -v alone="$alone" -v pinned="$pinned" 'BEGIN { exit !(usual > 10 && alone < 2 && pinned < 2) }'
