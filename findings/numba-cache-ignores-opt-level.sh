#!/usr/bin/env bash
# Numba's on-disk cache (cache=True) does not tell NUMBA_OPT, NUMBA_LOOP_VECTORIZE and NUMBA_BOUNDSCHECK apart.
#
# Versions: numba 0.68.1, llvmlite 0.50.0, numpy 2.4.6, Python 3.11, Linux x86-64.
# Expected: a process with another setting of the code generator compiles anew, as it does for another CPU name.
# Seen: it loads what was compiled under the first setting. Each of the three changes the assembly of the function
# when the cache is empty, and each is a hit in a cache that was filled without it. With NUMBA_BOUNDSCHECK=1 an
# index beyond the end raises IndexError after an empty cache, and nothing after a full one. So a measurement
# under such a setting may be of other code than it says.
# Exits 0 while this is so, 1 when the cache tells the settings apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numba==0.68.1 llvmlite==0.50.0 numpy==2.4.6

cat > "$folder/ask.py" <<'EOF'
import hashlib

import numpy as np
from numba import njit


@njit(cache=True)
def total(values, count):
    result = 0
    for index in range(count):
        result += values[index] * 3
    return result


raised = "no-error"
try:
    total(np.arange(1000)[:500], 700)  # beyond the view, inside of the array that it is a view of
except IndexError:
    raised = "IndexError"
if sum(total.stats.cache_hits.values()):
    print("hit", "-", raised)  # Numba gives no assembly of what came from its cache
else:
    (code,) = total.inspect_asm().values()
    print("compiled", hashlib.sha256(code.encode()).hexdigest()[:16], raised)
EOF

ask() { # CACHE [NAME=VALUE]: "hit" or "compiled", a digest of the assembly, what an index beyond the end does
    (cd "$folder" && env -u NUMBA_OPT -u NUMBA_LOOP_VECTORIZE -u NUMBA_BOUNDSCHECK "NUMBA_CACHE_DIR=$folder/$1" "${@:2}" venv/bin/python ask.py)
}

read -r state usual raised < <(ask shared)
echo "no setting: $state $usual $raised"
[[ "$state $raised" == "compiled no-error" ]] || exit 1
status=0
for setting in NUMBA_OPT=0 NUMBA_LOOP_VECTORIZE=0 NUMBA_BOUNDSCHECK=1; do
    read -r _ anew raised < <(ask "empty-$setting" "$setting")
    read -r state _ later < <(ask shared "$setting")
    echo "$setting: empty cache: $anew $raised; cache filled without it: $state $later"
    [[ $anew != "$usual" ]] || { echo "  the setting changes no code here"; status=1; }
    [[ $state == hit && $later == no-error ]] || { echo "  the cache knows the setting"; status=1; }
    [[ $setting != NUMBA_BOUNDSCHECK=1 || $raised == IndexError ]] || { echo "  no bounds check"; status=1; }
done
read -r state _ < <(ask shared NUMBA_CPU_NAME=nehalem)
echo "NUMBA_CPU_NAME=nehalem: $state"
[[ $state == compiled ]] || { echo "  the cache does not know the CPU either"; status=1; }
exit $status
