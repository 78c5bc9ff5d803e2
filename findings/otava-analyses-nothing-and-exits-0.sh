#!/usr/bin/env bash
# Apache Otava 0.8.0: one empty cell in a CSV file, and nothing is analysed; the exit status is 0.
#
# Expected: a row without a value is left out of that metric's series, or filled as missing points of Graphite are;
#   if it is an error, the exit status is not 0, so that a pipeline notices.
# Seen: "ERROR: Could not convert value in column value: could not convert string to float: ''", no table, no
#   change points, exit status 0. `nan` in the cell converts, and then a step of 10 % in that series goes unseen.
# So: a table for Otava must have a finite number in every cell.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check apache-otava==0.8.0

venv/bin/python - <<'PYTHON'
"""Three tables of 20 days with a step of 10 %: whole, with an empty cell on the 4th day, with `nan` in it."""
for name, fourth in (("whole", None), ("empty", ""), ("nan", "nan")):
    with open(f"{name}.csv", "w") as file:
        print("time,value", file=file)
        for day in range(20):
            level = f"{(15.0 if day < 10 else 16.5) + 0.001 * (7 * day % 9 - 4):.4f}"
            value = fourth if day == 3 and fourth is not None else level
            print(f"2026-11-{day + 1:02} 12:00:00 +0000,{value}", file=file)
PYTHON
{
    echo "tests:"
    for name in whole empty nan; do
        printf '  %s:\n    type: csv\n    file: %s\n    time_column: time\n    attributes: []\n' "$name" "$folder/$name.csv"
        printf '    metrics:\n      value: {column: value, direction: -1, scale: 1}\n'
        printf "    csv_options: {delimiter: ',', quotechar: '\"'}\n"
    done
} >otava.yaml

analyze() {
    status=0
    OTAVA_CONFIG=otava.yaml venv/bin/otava analyze "$1" --since 2026-01-01 >"$1.txt" 2>"$1.err" || status=$?
    echo "$1: exit status $status; $(grep -c '%' "$1.txt" || true) changes; $(grep ERROR "$1.err" || true)"
}

analyze whole | tee said.txt
analyze empty | tee -a said.txt
analyze nan | tee -a said.txt
grep -q 'whole: exit status 0; 1 changes' said.txt
grep -q 'empty: exit status 0; 0 changes; ERROR: Could not convert' said.txt
grep -q 'nan: exit status 0; 0 changes' said.txt
echo "as described: an empty cell ends the analysis with exit status 0, nan hides the step"
