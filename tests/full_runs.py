"""python -m tests.full_runs: the full run and every sweep of every kernel, as commands, with the least work.

Prints a line for each; the exit status is 1 if one did not end with 0 or its file cannot be shown.
"""

import sys
import tempfile
from pathlib import Path

from model.kernels import kernels
from tests.command import run

LEAST = ("-p", "1", "-n", "1")


def commands() -> list[tuple[str, ...]]:
    """What is given to `python -m benchmarks`, beside `LEAST` and the file."""
    along = [("--sweep", f"{kernel.name}/{axis}") for kernel in kernels() for axis in kernel.sweeps]
    return [(), ("--quick",), ("--sweep", "kernel"), *along]


def main() -> int:
    """Run the command; returns the exit status."""
    failed = 0
    for words in commands():
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder) / "full.json")
            done = run("benchmarks", *words, *LEAST, "-o", file)
            shown = run("results", "show", file)
        good = done.returncode == shown.returncode == 0
        failed += not good
        last = (done.stderr if done.returncode else shown.stderr).strip().rpartition("\n")[2]
        said = "done" if good else f"exit {done.returncode}: {last}"
        print(f"{' '.join(words) or 'everything'}: {said}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
