#!/usr/bin/env bash
# Apache Otava 0.8.0 calls an improvement a regression where a metric is below zero.
#
# Expected: with `direction: -1` (smaller is better) a metric that falls from -2.0 to -2.2 has improved, and one
#   that rises from -2.2 to -2.0 is a regression, as it would be at +15.
# Seen: the relative change is (after - before) / before, so below zero its sign is turned. The fall is listed by
#   `--output regressions_only` as "-2.00 --> -2.20 ( +10.0%)"; for the rise it says "No regressions found".
# So: a difference over a baseline, which may be below zero, must be exported as a level.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check apache-otava==0.8.0

venv/bin/python - <<'PYTHON'
"""Three tables of 20 days; from the 11th day on the level is another. Noise: 0.004 at most, the same in each."""
noise = [0.001 * (7 * day % 9 - 4) for day in range(20)]
for name, before, after in (("falls", -2.0, -2.2), ("rises", -2.2, -2.0), ("above", 15.0, 15.15)):
    with open(f"{name}.csv", "w") as file:
        print("time,value", file=file)
        for day in range(20):
            level = (before if day < 10 else after) + noise[day]
            print(f"2026-11-{day + 1:02} 12:00:00 +0000,{level:.4f}", file=file)
PYTHON
{
    echo "tests:"
    for name in falls rises above; do
        printf '  %s:\n    type: csv\n    file: %s\n    time_column: time\n    attributes: []\n' "$name" "$folder/$name.csv"
        printf '    metrics:\n      value: {column: value, direction: -1, scale: 1}\n'
        printf "    csv_options: {delimiter: ',', quotechar: '\"'}\n"
    done
} >otava.yaml

regressions() {
    OTAVA_CONFIG=otava.yaml venv/bin/otava analyze "$1" --since 2026-01-01 --output regressions_only 2>/dev/null
}

regressions above | tee above.txt
regressions falls | tee falls.txt
regressions rises | tee rises.txt
grep -q '(  +1.0%)' above.txt             # above zero the sign is right
grep -q -- '-2.20.*( +10.0%)' falls.txt   # an improvement, listed as a regression
grep -q 'No regressions found' rises.txt  # a regression, not listed
echo "as described: below zero the sign is turned"
