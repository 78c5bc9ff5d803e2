"""python -m tests.fuzz [SECONDS]: feed mutated files to every reader until the time is up.

Any exception but BadRunError is a defect: the input is kept and named, and the exit status is 1.
"""

import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from results import claims, compare, report, show
from results.load import BadRunError, load, read_json
from results.verdict import Margin
from tests import runfile
from tests.command import ROOT

MARGIN = Margin(1.0, percent=True)
SPLICES = (
    b"",
    b"0",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"[]",
    b"{}",
    b'"',
    b"\\u0000",
    b"<script>",
    b"../",
    b"[[[[",
)


def read_all(path: Path) -> None:
    """Every reader of a run and of a census."""
    document = read_json(path)
    if compare.is_census(document):
        compare.compare_census(document, document)
        return
    run = load(path)
    show.document(run, MARGIN)
    show.as_table(run, MARGIN)
    claims.answers(run, None, MARGIN)
    compare.compare_runs(run, run, MARGIN, across=False)
    report.as_text(run, None, "1%")


def facts_first(document: dict[str, Any]) -> bytes:
    """A run without its long rows of cells' digits, so that more of the mutations hit what describes them."""
    for bench in document["benchmarks"]:
        for each in bench["runs"]:
            each["values"] = [15e-9] * len(each["values"])
            each["metadata"]["build_ns"] = " ".join(["15"] * len(each["metadata"]["build_ns"].split()))
    return json.dumps(document).encode()


def mutated(original: bytes, rng: random.Random) -> bytes:
    """A few bytes replaced, dropped or doubled."""
    data = bytearray(original)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(data))
        data[at : at + rng.choice((0, 1, 8, 60))] = rng.choice(SPLICES) or data[at : at + 40]
    return bytes(data)


def fuzz(seconds: float, seed: int) -> int:
    """Run; returns how many inputs were tried, and raises what a reader should not have raised."""
    rng = random.Random(seed)
    census = json.loads((ROOT / "results" / "reference" / "census-x86-64-v3.json").read_text())
    census["arms"] = census["arms"][:4]
    originals = [
        json.dumps(runfile.document(runfile.Session(processes=2, blocks=4))).encode(),
        json.dumps(runfile.document(runfile.Session(processes=2, blocks=4, builds=0))).encode(),
        facts_first(runfile.document(runfile.Session(processes=2, blocks=2))),
        json.dumps(census).encode(),
    ]
    kept = Path(tempfile.mkdtemp(prefix="freepath-fuzz-")) / "input.json"
    tried, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        kept.write_bytes(mutated(rng.choice(originals), rng))
        try:
            read_all(kept)
        except BadRunError:
            pass
        except BaseException:
            print(f"seed {seed}, input {tried}: kept in {kept}", file=sys.stderr)
            raise
        tried += 1
    kept.unlink()
    return tried


if __name__ == "__main__":
    count = fuzz(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0, seed=int(time.time()))
    print(f"{count} inputs, no defect")
