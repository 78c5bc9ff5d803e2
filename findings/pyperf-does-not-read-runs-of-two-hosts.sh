#!/usr/bin/env bash
# pyperf 2.10.0: a file whose runs differ in host name, kernel or path of Python cannot be read back.
#
# Expected: Benchmark.add_run refuses a run with another hostname (it is documented to compare metadata), but a
# file that holds such runs is read, since reading need not validate again what was validated when written.
# Seen: reading goes through the same check. `pyperf show` ends with a traceback,
#   ValueError: incompatible benchmark, metadata hostname is different: current=one, run=two
# and the same for platform and python_executable; a metadata name that pyperf does not know may differ.
#
# So one benchmark that is measured in two sittings of a container (a new hostname each time) needs its host
# names under another name. Exits with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyperf==2.10.0

file() { # NAME: two runs that differ in this metadata
    cat > "$folder/run.json" <<JSON
{"version": "1.0", "metadata": {"unit": "second"}, "benchmarks": [{"metadata": {"name": "b"}, "runs": [
  {"values": [1.0], "metadata": {"$1": "one"}}, {"values": [1.0], "metadata": {"$1": "two"}}]}]}
JSON
}

status=0
for name in hostname platform python_executable; do
    file "$name"
    if "$folder/venv/bin/python" -m pyperf show "$folder/run.json" > "$folder/said" 2>&1; then
        echo "$name: read"
        status=1
    elif grep -q "metadata $name is different" "$folder/said"; then
        echo "$name: refused, as in 2.10.0"
    else
        cat "$folder/said"
        status=1
    fi
done
file process_hostname
"$folder/venv/bin/python" -m pyperf show "$folder/run.json" > /dev/null && echo "a name of one's own: read" || status=1
exit $status
