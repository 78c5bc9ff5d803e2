"""Two checkouts in turn on one machine, for the same time: how wide are their intervals?

`make sharpness` or `python -m tests.sharpness [--base COMMIT] [--pairs N] [--only EXPR] [--load]`. The base
commit lies in a worktree of its own and uses the same Python. Its run takes as long as it takes; then this
checkout gets as many processes as fit into that time. Prints a table: half-widths of 95 % intervals in ns per
page (median over all cells, `v1` on-idle, the A/A control), the seconds, and the share of a worker's life in
which slices were timed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
BASE: Final = "3083954"
USUAL: Final = "on-idle/plain/warm/sequential/pcp"
PILOT: Final = 4
"""Processes of the pilot run that tells how long one takes here."""
LEAST: Final = 3


@dataclass(frozen=True)
class Sharpness:
    """What one run gave.

    Attributes
    ----------
    seconds, processes
        Of the whole command, and how many processes were stored.
    cells, v1, twin
        Half-widths of 95 % intervals, ns per page: median over cells, of `v1` on-idle, median of A/A controls.
    timed
        Share of the command's processor time that was spent in slices.
    """

    seconds: float
    processes: int
    cells: float
    v1: float
    twin: float
    timed: float


def measure(checkout: Path, options: list[str]) -> Sharpness:
    """Run `--quick` with a checkout, and judge its file with this one."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.json"
        command = [sys.executable, "-m", "benchmarks", "--quick", *options, "-o", str(file)]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
        took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
        show = [sys.executable, "-m", "results", "show", str(file), "--format", "json"]
        shown = json.loads(subprocess.run(show, cwd=ROOT, capture_output=True, check=True).stdout)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        processes, timed = slices_of(json.loads(file.read_bytes()))
    halves = {
        (cell["scenario"], f"{cell['variant']}/{cell['gate']}"): (high - low) / 2
        for cell in shown["cells"]
        for low, high in [cell["ci95_ns"] or (0.0, 0.0)]  # none with a single process
    }
    twins = [half for (_, arm), half in halves.items() if arm.startswith("base-twin/")]
    others = [half for (_, arm), half in halves.items() if not arm.startswith("base-twin/")]
    v1 = halves.get((USUAL, "v1/jump-label"), float("nan"))
    return Sharpness(took, processes, median(others), v1, median(twins), timed / spent)


def slices_of(document: dict[str, Any]) -> tuple[int, float]:
    """Processes of a run file, and the seconds that their slices took without interruptions."""
    processes, seconds = set(), 0.0
    for bench in document["benchmarks"]:
        for run in bench["runs"]:
            facts = {**document.get("metadata", {}), **bench.get("metadata", {}), **run.get("metadata", {})}
            processes.add(facts["pair_id"])
            seconds += sum(run["values"]) * facts["loops"] * facts["inner_loops"] * facts.get("places", 1)
    return len(processes), seconds


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """The sources of a commit in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="sharpness-") as folder:
        path = Path(folder) / "base"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", "-q", str(path), commit], check=True)
        try:
            yield path
        finally:
            subprocess.run([*git, "remove", "--force", str(path)], check=True)


@contextmanager
def load(wanted: bool) -> Iterator[None]:
    """A process that computes on the last CPU while the block runs."""
    if not wanted:
        yield
        return
    cpu = max(os.sched_getaffinity(0))
    spin = f"import os\nos.sched_setaffinity(0, {{{cpu}}})\nwhile True: sum(range(1000))"
    process = subprocess.Popen([sys.executable, "-c", spin])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def compare(base: Path, options: list[str], pairs: int) -> None:
    """Measure in turn, and print a row per run and the ratios."""
    measure(base, ["-p", "1", *options])  # compiles what is missing
    pilot = measure(ROOT, ["-p", str(PILOT), *options])
    each = pilot.seconds / PILOT
    print(f"{'':12}{'seconds':>9}{'processes':>11}{'all cells':>11}{'v1':>8}{'twin':>8}{'timed':>8}")
    ratios = []
    for _ in range(pairs):
        old = measure(base, options)
        new = measure(ROOT, ["-p", str(max(LEAST, round(old.seconds / each))), *options])
        for name, run in (("base", old), ("this", new)):
            widths = f"{run.cells:11.4f}{run.v1:8.3f}{run.twin:8.4f}{run.timed:8.0%}"
            print(f"{name:12}{run.seconds:9.1f}{run.processes:11}{widths}", flush=True)
        ratios.append([old.cells / new.cells, old.v1 / new.v1, old.twin / new.twin, old.seconds / new.seconds])
        each *= (new.seconds / old.seconds) ** 0.5  # the machine may have become busier
    cells, v1, twin, seconds = (median(column) for column in zip(*ratios, strict=True))
    print(f"narrower by a factor of (median of {pairs} pairs): all cells {cells:.1f}, v1 {v1:.1f}, twin {twin:.1f}")
    print(f"in {1 / seconds:.2f} of the time; the same half-width in 1/{cells**2 * seconds:.0f} of the time")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.sharpness", description=__doc__)
    parser.add_argument("--base", default=BASE, help=f"commit to compare with ({BASE})")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--only", default="", help="cells, as for python -m benchmarks; all of --quick")
    parser.add_argument("--load", action="store_true", help="beside a busy process on the last CPU")
    asked = parser.parse_args()
    options = ["--only", asked.only] if asked.only else []
    with worktree(asked.base) as base, load(asked.load):
        compare(base, options, asked.pairs)


if __name__ == "__main__":
    main()
