#!/usr/bin/env bash
# pyperf 2.10.0 stores as `date` of a run the moment at which its process had measured, and `pyperf stats`
# prints that as "Start date" and, with the duration added, as "End date": an end that is still to come.
# The date has no zone either: it is local time.
#
# Expected: "Start date" lies before the first value is measured, "End date" not after the file was written.
# Seen: both lie after all values; "End date" is later than the file itself, by as long as measuring took.
#
# One process that sleeps for three seconds in its only value, then the two dates against the clock.
# Exits 0 while it is so, 1 when it no longer is.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyperf==2.10.0
cat > "$work/bench.py" <<'PY'
import time
import pyperf

def three_seconds(loops):
    time.sleep(3)
    return 3.0

pyperf.Runner(processes=1, values=1, warmups=0, loops=1).bench_time_func("sleep", three_seconds)
PY
export TZ=UTC
before=$(date +%s)
"$work/venv/bin/python" "$work/bench.py" --inherit-environ TZ --quiet -o "$work/out.json" > "$work/said.txt"
written=$(date +%s)
"$work/venv/bin/python" -m pyperf stats "$work/out.json" > "$work/stats.txt"
start=$(date -d "$(sed -n 's/^Start date: //p' "$work/stats.txt")" +%s)
end=$(date -d "$(sed -n 's/^End date: //p' "$work/stats.txt")" +%s)
echo "begun $before, written $written; pyperf: start $start, end $end"
test "$start" -ge $((before + 3)) && test "$end" -gt "$written"
