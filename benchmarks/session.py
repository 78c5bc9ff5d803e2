"""The parent's side of a run: compile what is missing, start pyperf's workers, keep what they wrote."""

import hashlib
import io
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Final

import pyperf

from benchmarks.cases import Case
from benchmarks.runner import PairedRunner, benchmark_name, collect, side_files
from benchmarks.units import seconds
from model.common.errors import FreepathError
from model.store import Store

POLL_S = 0.2
ROUND: Final = 4
"""Processes per round of --until-decided."""
MOST_LOOKS: Final = 100
PLAIN_VALUES, PLAIN_LOOPS = 3, 3200
"""pyperf's own defaults: three values of at least 0.1 s."""


class Session:
    """One run of the command.

    Parameters
    ----------
    runner
        Its arguments are parsed.
    cases
        What to measure.
    context
        Metadata for every run.
    """

    def __init__(
        self, runner: PairedRunner, cases: list[Case], store: Store, context: dict[str, Any]
    ) -> None:
        self.runner, self.cases, self.store, self.context = runner, cases, store, context
        args = runner.args
        self.plain: list[pyperf.Benchmark] = []
        self.schedule: list[int] = []
        self.began = time.monotonic()
        self.output = Path(args.output) if args.output else None
        self.append = Path(args.append) if args.append else None
        # Complete processes are merged here, with all their arms; pyperf alone would keep the first arm.
        args.output = args.append = None
        args.quiet = not args.verbose
        if args.seed is None:
            args.seed = secrets.randbits(31)

    def run(self) -> int:
        """Measure everything; returns the exit status."""
        args = self.runner.args
        args.context = json.dumps(self.context, separators=(",", ":"))
        folder = Path(tempfile.mkdtemp(prefix="freepath-"))
        args.pair_dir = str(folder)
        try:
            self._compile()
            self._announce()
            if args.until_decided:
                self._set_looks(1)
            with self._progress(folder):
                for index in range(len(self.cases)):
                    self._measure(index)
            if args.until_decided:
                self._until_decided(folder)
        except (KeyboardInterrupt, SystemExit, RuntimeError) as stop:
            return self._stopped(folder, stop)
        else:
            self._save(folder)
            return self._judge_calibration() if args.calibrate else 0
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _measure(self, index: int) -> None:
        """Let pyperf measure one case, with as many processes as it or the command line says."""
        args, case = self.runner.args, self.cases[index]
        self.schedule.append(index)
        args.schedule = ",".join(map(str, self.schedule))
        asked = args.processes, args.values, args.loops
        args.processes = case.processes or args.processes
        args.values = case.values or args.values
        if case.plain:
            args.values, args.loops = PLAIN_VALUES, PLAIN_LOOPS
        try:
            # pyperf would print the first arm's mean, which says nothing about the others.
            with redirect_stdout(io.StringIO() if args.quiet else sys.stdout):
                bench = self.runner.bench_case(index, case, _never)
        finally:
            args.processes, args.values, args.loops = asked
        if case.plain and bench is not None:
            self.plain.append(bench)

    def _until_decided(self, folder: Path) -> None:
        """Add rounds of processes to the cases that have an open verdict, while the budget lasts.

        The verdicts come from `python -m results show`, as a user would get them. Every look is one more
        chance to be wrong, so results narrow the error of each (`looks` in the metadata).
        """
        args = self.runner.args
        asked, args.processes = args.processes, ROUND
        budget = self.began + seconds(args.budget)
        try:
            for look in range(1, MOST_LOOKS):
                self._set_looks(look + 1)
                before = time.monotonic()
                open_cases = self._open_cases(folder, args.margin)
                if not open_cases:
                    print("every verdict is settled", file=sys.stderr)
                    return
                for index in open_cases:
                    if time.monotonic() > budget:
                        print(f"the budget is spent; {len(open_cases)} scenarios are open", file=sys.stderr)
                        return
                    self._measure(index)
                took = time.monotonic() - before
                print(
                    f"look {look}: {len(open_cases)} scenarios were open, {took:.0f} s more", file=sys.stderr
                )
        finally:
            args.processes = asked

    def _set_looks(self, look: int) -> None:
        self.context["looks"] = look
        self.runner.args.context = json.dumps(self.context, separators=(",", ":"))

    def _open_cases(self, folder: Path, margin: str) -> list[int]:
        """Cases with an undecided cell, by index."""
        suite = collect(side_files(folder))
        if suite is None:
            return []
        merged = folder / "merged"
        suite.dump(str(merged), replace=True)
        command = [
            sys.executable,
            "-m",
            "results",
            "show",
            str(merged),
            "--format",
            "json",
            f"--margin={margin}",
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise FreepathError(f"--until-decided: {done.stderr.strip()}")
        undecided = {c["scenario"] for c in json.loads(done.stdout)["cells"] if c["verdict"] == "undecided"}
        return [index for index, case in enumerate(self.cases) if case.scenario.name in undecided]

    def _compile(self) -> None:
        images = [case.scenario.image(arm) for case in self.cases for arm in case.arms]
        if not self.store.missing(images):
            return
        with _bar("compiling") as update:
            self.store.ensure(images, lambda done, total, name: update(done, total, name))

    def _announce(self) -> None:
        """Tell the workers which code this run is about, and keep its digest in every run."""
        sums = self.store.sums(case.scenario.image(arm) for case in self.cases for arm in case.arms)
        self.runner.args.code = json.dumps(sums, separators=(",", ":"))
        whole = hashlib.sha256(json.dumps(sums, sort_keys=True).encode())
        self.context["code_digest"] = whole.hexdigest()[:16]
        self.runner.args.context = json.dumps(self.context, separators=(",", ":"))

    @contextmanager
    def _progress(self, folder: Path) -> Iterator[None]:
        """Count side files: each is one complete process."""
        total = sum(case.processes or self.runner.args.processes for case in self.cases if not case.plain)
        finished = threading.Event()
        with _bar("measuring") as update:

            def watch() -> None:
                while not finished.wait(POLL_S):
                    done = len(side_files(folder))
                    case = self.cases[min(done * len(self.cases) // total, len(self.cases) - 1)]
                    update(done, total, case.scenario.name)

            thread = threading.Thread(target=watch, daemon=True)
            thread.start()
            try:
                yield
            finally:
                finished.set()
                thread.join()

    def _save(self, folder: Path) -> None:
        target = self.output or self.append
        before = (
            pyperf.BenchmarkSuite.load(str(self.append)) if self.append and self.append.exists() else None
        )
        suite = collect(side_files(folder), before)
        if suite is None:
            raise FreepathError("no worker wrote a result; run with --debug-single-value to see why")
        for case in self.cases:
            if case.plain:
                continue
            base = suite.get_benchmark(benchmark_name(case, 0))
            print(f"{base.get_name()}: {base.mean() * 1e9:.2f} ns/page, {len(case.arms)} arms")
        if target:
            _write(suite, target)
            if self.plain:
                _write(pyperf.BenchmarkSuite(self.plain), target.with_suffix(".plain.json"))
            print(f"wrote {target}; next: python -m results show {target}", file=sys.stderr)
        else:
            print("nothing was stored; add -o FILE to compare and draw", file=sys.stderr)

    def _judge_calibration(self) -> int:
        """Asked, got, reached, as `python -m results calibration` says it; its exit status."""
        target = self.output or self.append
        if target is None:
            return 0
        return subprocess.run([sys.executable, "-m", "results", "calibration", str(target)]).returncode

    def _stopped(self, folder: Path, stop: BaseException) -> int:
        """Keep complete processes beside the file that they were meant for."""
        target = self.output or self.append
        suite = collect(side_files(folder))
        if suite is not None and target:
            partial = _free_name(target.with_name(f"{target.name}.partial"))
            _write(suite, partial)
            print(
                f"stopped: {len(side_files(folder))} complete processes are kept in {partial}",
                file=sys.stderr,
            )
        if isinstance(stop, RuntimeError):
            print("python -m benchmarks: a worker failed; its message is above", file=sys.stderr)
            return 2
        return 130


def _never(case: Case, seed: list[int]) -> Any:
    raise AssertionError("only workers measure")


def _write(suite: pyperf.BenchmarkSuite, target: Path) -> None:
    """All of the file or nothing, also when the disk is full."""
    temporary = target.with_name(f".{target.name}.tmp")
    suite.dump(str(temporary), replace=True)
    temporary.replace(target)


def _free_name(path: Path) -> Path:
    number = 1
    candidate = path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}.{number}")
    return candidate


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar with time left on a terminal; elsewhere one line per quarter."""
    if not sys.stderr.isatty():
        shown: set[int] = set()

        def line(done: int, total: int, name: str) -> None:
            quarter = 4 * done // total
            if quarter and quarter not in shown:
                shown.add(quarter)
                print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[name]}"), console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None, name="")
        yield lambda done, total, name: progress.update(task, completed=done, total=total, name=name)
