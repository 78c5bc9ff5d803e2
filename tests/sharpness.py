"""Two checkouts in turn on one machine, for the same time: say how wide their intervals are.

`make sharpness`, or `python -m tests.sharpness` with options of its own. The base commit lies in a worktree
of its own and uses the same Python. Its run takes as long as it takes; then this checkout gets as many
processes as fit into that time, counted in processor time, since on a machine that others use wall clock
tells how busy they were. Prints a table: half-widths of 95 % intervals in ns per page (median over all cells,
`v1` on-idle, the A/A controls), the seconds of the whole command, and the share of processor time in which
slices were timed. With --keep rows are added to a file, so that the pairs can be measured in several pieces;
the ratios are of all of them.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).parents[1]
BASE: Final = "3083954"
USUAL: Final = "on-idle/plain/warm/sequential/pcp"
LEAST: Final = 3
FIRST: Final = 6
"""Processes of the second run of this checkout: with one of a single process it tells how long one takes."""


@dataclass(frozen=True)
class Sharpness:
    """What one run gave.

    Attributes
    ----------
    seconds, cpu, processes
        Of the whole command, wall clock and processor time; how many processes of each scenario were stored.
    cells, v1, twin
        Half-widths of 95 % intervals, ns per page: median over cells, `v1` on-idle, median of A/A controls.
    timed
        Share of the processor time that was spent in slices, interruptions left out.
    load
        Whether a process computed on the last CPU.
    """

    name: str
    seconds: float
    cpu: float
    processes: int
    cells: float
    v1: float
    twin: float
    timed: float
    load: bool

    def row(self) -> str:
        """In the table."""
        widths = f"{self.cells:11.4f}{self.v1:9.4f}{self.twin:9.4f}{self.timed:8.0%}"
        return f"{self.name:9}{self.load!s:6}{self.seconds:9.1f}{self.cpu:8.1f}{self.processes:11}{widths}"


def measure(name: str, checkout: Path, options: list[str], load: bool) -> Sharpness:
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
        processes, timed = slices_of(json.loads(file.read_bytes()))
    halves = {
        (cell["scenario"], f"{cell['variant']}/{cell['gate']}"): (high - low) / 2
        for cell in shown["cells"]
        for low, high in [cell["ci95_ns"] or (0.0, 0.0)]  # none with a single process
    }
    twins = [half for (_, arm), half in halves.items() if arm.startswith("base-twin/")]
    others = [half for (_, arm), half in halves.items() if not arm.startswith("base-twin/")]
    v1 = halves.get((USUAL, "v1/jump-label"), float("nan"))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Sharpness(name, took, cpu, processes, median(others), v1, median(twins), timed / cpu, load)


def slices_of(document: dict[str, Any]) -> tuple[int, float]:
    """Processes of a scenario, and the seconds that all slices took without interruptions."""
    processes, scenarios, seconds = set(), set(), 0.0
    for bench in document["benchmarks"]:
        for run in bench["runs"]:
            facts = {**document.get("metadata", {}), **bench.get("metadata", {}), **run.get("metadata", {})}
            processes.add(facts["pair_id"])
            scenarios.add(facts["scenario"])
            seconds += sum(run["values"]) * facts["loops"] * facts["inner_loops"] * facts.get("places", 1)
    return round(len(processes) / len(scenarios)), seconds


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
def busy(wanted: bool) -> Iterator[None]:
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


def compare(rows: list[Sharpness], base: Path, options: list[str], load: bool) -> None:
    """Measure both once more, for the same time."""
    if not rows:
        for checkout in (base, ROOT):
            measure("", checkout, ["-p", "1", *options], load)  # compiles what is missing
    known = [row for row in rows if row.name != "base" and row.load == load]
    if not known:
        rows += [measure("first", ROOT, ["-p", str(count), *options], load) for count in (1, FIRST)]
        known = rows[-2:]
    each, command = np.polyfit([row.processes for row in known], [row.cpu for row in known], 1)
    pair = [measure("base", base, options, load)]
    count = max(LEAST, round((pair[0].cpu - command) / each))
    pair.append(measure("this", ROOT, ["-p", str(count), *options], load))
    rows += pair
    print(*(row.row() for row in pair), sep="\n", flush=True)


def ratios(rows: list[Sharpness]) -> list[str]:
    """Median ratios over the pairs, each with and without load."""
    lines = []
    for load in sorted({row.load for row in rows if row.name == "base"}):
        old, new = ([r for r in rows if r.name == name and r.load == load] for name in ("base", "this"))
        pairs = list(zip(old, new, strict=True))
        cells, v1, twin, seconds, cpu = (
            median(getattr(a, field) / getattr(b, field) for a, b in pairs)
            for field in ("cells", "v1", "twin", "seconds", "cpu")
        )
        where = "beside a busy process" if load else "as found"
        lines += [
            f"{where}, {len(pairs)} pairs: narrower by a factor of {cells:.1f} (all cells), {v1:.1f} (v1), "
            f"{twin:.1f} (twins), in {1 / cpu:.2f} of the processor time, {1 / seconds:.2f} of the time",
            f"{where}: the same half-width in 1/{cells**2 * cpu:.0f} of the processor time",
        ]
    return lines


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.sharpness", description=__doc__)
    parser.add_argument("--base", default=BASE, help=f"commit to compare with ({BASE})")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--only", default="", help="cells, as for python -m benchmarks; all of --quick")
    parser.add_argument("--load", action="store_true", help="beside a busy process on the last CPU")
    parser.add_argument("--keep", type=Path, help="file to which rows are added")
    asked = parser.parse_args()
    options = ["--only", asked.only] if asked.only else []
    kept = asked.keep and asked.keep.exists()
    rows = [Sharpness(**row) for row in json.loads(asked.keep.read_text())] if kept else []
    print(f"{'':9}{'load':6}{'seconds':>9}{'cpu':>8}{'processes':>11}{'all cells':>11}", end="")
    print(f"{'v1':>9}{'twins':>9}{'timed':>8}")
    for row in rows:
        print(row.row())
    with worktree(asked.base) as base, busy(asked.load):
        for _ in range(asked.pairs):
            try:
                compare(rows, base, options, asked.load)
            finally:
                if asked.keep:
                    asked.keep.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print(*ratios(rows), sep="\n")


if __name__ == "__main__":
    main()
