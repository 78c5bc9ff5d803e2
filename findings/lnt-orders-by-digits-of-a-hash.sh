#!/usr/bin/env bash
# LLVM's LNT 0.4.20 orders runs by the digits that it finds in `llvm_project_revision`, also in a commit's hash.
#
# Expected: revisions that are no numbers are ordered by when they were submitted, or by `start_time`; or refused.
# Seen: every group of digits in the text becomes a number, and the groups are compared as a tuple. The hash
#   "9f3c1a2b4d5e" is (9, 3, 1, 2, 4, 5), "c0ffee12abcd" is (0, 12). So three runs that are imported in the order of
#   their time, 9f3c..., 1a7b..., c0ff..., stand as c0ff..., 1a7b..., 9f3c...: "previous" and "next" are turned round,
#   and with them what is a regression. `lnt checkformat` accepts each report without a word.
# So: the revision must be a number that grows.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check llvm-lnt==0.4.20

venv/bin/lnt create instance >/dev/null 2>&1
day=0
for revision in 9f3c1a2b4d5e 1a7b22c90d33 c0ffee12abcd; do
    day=$((day + 1))
    cat >"$day.json" <<JSON
{"format_version": "2", "machine": {"name": "one"},
 "run": {"start_time": "2026-11-0${day}T12:00:00", "end_time": "2026-11-0${day}T12:00:00",
         "llvm_project_revision": "$revision"},
 "tests": [{"name": "suite.test", "execution_time": [1$day.0]}]}
JSON
    venv/bin/lnt checkformat "$day.json"
    venv/bin/lnt import instance "$day.json" >/dev/null 2>&1
done

venv/bin/python - 2>/dev/null <<'PYTHON' | tee order.txt
from lnt.server.instance import Instance

database = Instance.frompath("instance").get_database("default")
session, suite = database.make_session(), database.testsuite["nts"]
runs = session.query(suite.Run).all()
print("by time:", *(run.order.llvm_project_revision for run in sorted(runs, key=lambda run: run.start_time)))
order = next(run.order for run in runs if run.order.previous_order_id is None)
names = []
while order:
    names.append(order.llvm_project_revision)
    order = order.next_order
print("as LNT orders them:", *names)
PYTHON
grep -q 'by time: 9f3c1a2b4d5e 1a7b22c90d33 c0ffee12abcd' order.txt
grep -q 'as LNT orders them: c0ffee12abcd 1a7b22c90d33 9f3c1a2b4d5e' order.txt
echo "as described: the history is turned round"
