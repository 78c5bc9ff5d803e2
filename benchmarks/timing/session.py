"""The parent's side of a run: compile what is missing, start pyperf's workers, keep what they wrote."""

import hashlib
import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks import kernel_files
from benchmarks.cases import Case, with_arms
from benchmarks.commit import sources
from benchmarks.progress import progress
from benchmarks.timing.append import Codes, check_append, check_codes, codes_of
from benchmarks.timing.collect import collect, dumps, join, load_suite, mark_dirty, pair_ids
from benchmarks.timing.dates import dated_like
from benchmarks.timing.forecast import Forecast, foretell, seconds_of
from benchmarks.timing.nursery import nursery
from benchmarks.timing.options import VIEWS, views
from benchmarks.timing.partial import Partial
from benchmarks.timing.partner import kept_busy
from benchmarks.timing.plan import Work
from benchmarks.timing.raw import gather
from benchmarks.timing.reasons import EXPECTED, reason_of
from benchmarks.timing.rehearsal import rehearse
from benchmarks.timing.runner import PairedRunner
from benchmarks.timing.scheme import Scheme
from benchmarks.timing.until import round_of, until_decided
from benchmarks.timing.verdict_hooks import VerdictHooks
from benchmarks.units import seconds
from model.common.command import complain
from model.common.errors import CompileError, FreepathError
from model.common.files import write_new
from model.common.shell import quoted
from model.common.signals import Ended
from model.common.streams import note, say
from model.kernels.lay_out.image import LAY_OUT
from model.kernels.store import Store
from model.vocabulary.partial_run import PLAIN

POLL_S = 0.2
PLAIN_VALUES, PLAIN_LOOPS = 3, 3200
"""pyperf's own defaults: three values of at least 0.1 s."""
TURNS: Final = 3
"""Turns in which a run measures its scenarios: what the machine does for ten seconds falls on a few processes
of several scenarios, so that their intervals tell of it, and not on all processes of one."""


def turns(processes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Which case is measured next, by index, and how many of its processes, until all are."""
    for turn in range(TURNS):
        for index, count in enumerate(processes):
            yield index, count * (turn + 1) // TURNS - count * turn // TURNS


class Session:
    """One run of the command.

    Parameters
    ----------
    runner
        Its arguments are parsed, and the seed is among them.
    cases
        What to measure.
    context
        Metadata for every run.
    partial
        Where complete processes go; after a resumption some are there.
    hooks
        Verdict hooks of later stages.
    """

    def __init__(
        self,
        runner: PairedRunner,
        cases: list[Case],
        store: Store,
        context: dict[str, Any],
        partial: Partial,
        hooks: VerdictHooks,
    ) -> None:
        self.runner, self.cases, self.store = runner, cases, store
        self.context, self.partial, self.hooks = context, partial, hooks
        args = runner.args
        self.at = ""
        """Name of the scenario that is measured."""
        self.codes: Codes = {}
        self.began = time.monotonic()
        self.written = False
        self.verdicts: Sequence[str] = ()
        # pyperf prints the first arm only: its views are shown here, for all arms.
        self.verbose, self.views = args.verbose, views(args)
        args.verbose, args.quiet = False, True
        for view in VIEWS:
            setattr(args, view, False)

    def run(self) -> int:
        """Measure everything that is missing; returns the exit status."""
        args, late = self.runner.args, None
        try:
            rehearse([(case, self._wanted(case)) for case in self.cases], args, self.context, self.hooks.read)
            self._foretell()
            self._compile()
            self._announce()
            if args.until_decided:
                self._set_looks(self.partial.plan.get("looks", 1))
            with kept_busy(args), nursery(self.runner):
                with self._progress():
                    for index, processes in turns(self._missing()):
                        self._measure(index, processes)
                if args.until_decided:
                    end = self.began + seconds(args.budget)
                    until_decided(self.context["looks"], end, self._look, partial(self._add, end))
            self._save()
            self.verdicts = self.hooks.brought(self.partial.folder, args.margin)
        except (Ended, SystemExit, Exception) as stop:
            if not self.written:
                return self._stopped(stop)
            late = stop
        finally:
            self._close()
        self._tell()
        if late is not None:
            raise late
        target = self.partial.target
        return self.hooks.calibration(target) if args.calibrate and target else 0

    def _close(self) -> None:
        """Release the folder, also when a signal arrives meanwhile: only one is raised."""
        try:
            self.partial.close(done=self.written)
        except Ended:
            self.partial.close(done=self.written)
            raise

    def _foretell(self) -> None:
        """Say what will be measured, for how long, and where it goes."""
        foretell(self.cases, self._missing(), self.runner.args.values, self.partial.target)

    def _missing(self) -> list[int]:
        """Processes of each case that are not there yet."""
        return [max(0, self._wanted(c) - self.partial.count(n)) for n, c in enumerate(self.cases)]

    def _wanted(self, case: Case) -> int:
        return int(case.processes or self.runner.args.processes)

    def _add(self, end: float, index: int, arms: frozenset[str]) -> None:
        """Measure these arms of a case, and what they are compared with, in a round of further processes."""
        case = with_arms(self.cases[index], arms)
        each = seconds_of(case, self.runner.args.values)
        self.work["cases"][index] = asdict(case)
        self.partial.save_plan()
        self._measure(index, round_of(self.partial.count(index), (end - time.monotonic()) / each))
        self.work["cases"][index] = asdict(self.cases[index])

    def _measure(self, index: int, processes: int) -> None:
        """Let pyperf measure one case, with so many processes, and values as it or the command line says."""
        if processes <= 0:
            return
        args, case = self.runner.args, self.cases[index]
        self.at = case.scenario.name
        asked = args.processes, args.values, args.loops
        args.processes = processes
        args.values = case.values or args.values
        if case.pyperf_alone:
            args.values, args.loops = PLAIN_VALUES, PLAIN_LOOPS
        try:
            # Even a quiet pyperf prints the first arm's mean, which says nothing about the others.
            with redirect_stdout(io.StringIO()):
                self.runner.measure(self.partial.told(index))
        finally:
            args.processes, args.values, args.loops = asked
        for line in self.partial.words().splitlines():
            note(line)

    def _set_looks(self, look: int) -> None:
        """Note how often verdicts were looked at: every look is one more chance to be wrong."""
        self.context["looks"] = look
        self.partial.save_plan(looks=look)

    def _look(self, look: int) -> dict[int, frozenset[str]]:
        """Cases with an open verdict, by index, each with the names of its undecided arms."""
        self._set_looks(look)
        found = self.hooks.undecided(self.partial.folder, self.runner.args.margin)
        numbers = {case.scenario.name: index for index, case in enumerate(self.cases)}
        return {numbers[name]: arms for name, arms in found.items()}

    def _compile(self) -> None:
        with progress("compiling") as update:
            self.store.ensure(
                [LAY_OUT, *(image for case in self.cases for image in case.images())],
                lambda done, total, name: update(done, total, name),
            )

    def _announce(self) -> None:
        """Put into the plan what workers are told, and a digest of this run's code into every run.

        Raises
        ------
        CompileError
            When a run that is resumed began with other code.
        """
        arms = self.store.sums(image for case in self.cases for image in case.images())
        sums = {**arms, **self.store.sums([LAY_OUT])}
        if self.partial.plan.get("code", sums) != sums:
            raise CompileError("the compiled code is not the code that this run began with: measure anew")
        whole = hashlib.sha256(json.dumps(arms, sort_keys=True).encode())
        self.context["code_digest"] = whole.hexdigest()[:16]
        self.codes = codes_of(self.cases, self.store)
        self._check_codes()
        args = self.runner.args
        self.work: Work = {
            "cases": [asdict(case) for case in self.cases],
            "context": self.context,
            "counts": self.hooks.counted(),
            "scheme": asdict(Scheme(args.builds, args.scheme)),
            "cache": str(self.store.root),
            "cpu": self.store.cpu,
            "digest": self.store.digest,
            "files": kernel_files.as_plain(args),
            "store_bypass": args.store_bypass,
            "raw": bool(args.raw),
        }
        self.partial.save_plan(code=sums, work=self.work)

    def _check_codes(self) -> None:
        """Refuse to join a file in which an arm of the same name ran other machine code.

        Raises
        ------
        FreepathError
        """
        if self.partial.plan["append"] and self.partial.target:
            check_codes(self.partial.target, self.codes, self.context["compiler_settings"])

    @contextmanager
    def _progress(self) -> Iterator[None]:
        """Count complete processes, and keep a copy of each."""
        wanted = [self._wanted(case) for case in self.cases]
        total, forecast = sum(wanted), self._forecast(wanted)
        finished = threading.Event()
        with progress("measuring") as update:

            def watch() -> None:
                while not finished.wait(POLL_S):
                    new = self.partial.remember()
                    done = self.partial.seen
                    if self.verbose:
                        for name in new:
                            note(f"complete: {self._named(name)}")
                    update(done, total, self.at)
                    if new and forecast.due(counts := self._counts(), now := time.monotonic()):
                        forecast.say(counts, now)

            thread = threading.Thread(target=watch, daemon=True)
            thread.start()
            try:
                yield
            finally:
                finished.set()
                thread.join()

    def _counts(self) -> list[int]:
        """Complete processes of each case."""
        return [self.partial.count(index) for index in range(len(self.cases))]

    def _forecast(self, wanted: list[int]) -> Forecast:
        args, folder = self.runner.args, self.partial.folder
        judge = partial(self.hooks.sharpness, folder)
        return Forecast(self.cases, wanted, self._counts(), args.values, judge)

    def _named(self, file: str) -> str:
        """A process file in words."""
        case, _, number = file.partition(".")[0].partition("-")
        return f"{self.cases[int(case)].scenario.name}, process {int(number)}"

    def _save(self) -> None:
        """Write the file; until that is done, the processes stay where they are.

        Raises
        ------
        FreepathError
            When a process is missing or damaged, or the file cannot be written.
        """
        partial, target = self.partial, self.partial.target
        if any(partial.count(index) < self._wanted(case) for index, case in enumerate(self.cases)):
            raise FreepathError("not every process left a result")
        suite = collect(partial.complete())
        if sources() != partial.plan["sources"]:
            mark_dirty(suite, self.context["commit"])
            note("model/ or benchmarks/ was changed while this was measured: the file says so (-dirty)")
        gather(partial.folder, self.runner.args.raw)
        self.levels = [
            f"{base.get_name()}: {base.mean() * 1e9:.2f} ns/page, {len(case.arms)} arms\n"
            for case in self.cases
            if not case.pyperf_alone
            for base in [suite.get_benchmark(case.benchmark(0))]
        ]
        if target:
            if plain := partial.complete(pyperf_alone=True):
                write_new(target.with_suffix(PLAIN), dumps(collect(plain)), replace=True)
            self._write(suite, target)
        self.written = True

    def _write(self, suite: Any, target: Path) -> None:
        """Put the processes into the target, which may have changed while they were measured."""
        if not target.exists():
            write_new(target, self._readable(suite, target))
            return
        before = load_suite(target)
        if pair_ids(suite) <= pair_ids(before):
            return  # written in full just before an interruption
        if not self.partial.plan["append"]:
            raise FreepathError(f"{target} appeared while this was measured, and is left as it is")
        check_append(target, self.context, None)
        self._check_codes()
        merged = join([before, dated_like(before, suite)])
        write_new(target, self._readable(merged, target), replace=True)

    def _readable(self, suite: Any, target: Path) -> str:
        """The suite as the content of a file, checked to be readable.

        Raises
        ------
        FreepathError
        """
        content = dumps(suite)
        try:
            self.hooks.read(content, target)
        except FreepathError as error:
            raise FreepathError(f"nothing is written, for it could not be read: {error}") from None
        return content

    def _tell(self) -> None:
        """Print what was measured, after it was saved."""
        target = self.partial.target
        say("".join([*self.levels, *(f"{line}\n" for line in self.verdicts)]))
        for view in self.views:
            subprocess.run([sys.executable, "-m", "pyperf", view, str(target)])
        if target:
            note(f"wrote {target}; next: {quoted('-m', 'results', 'show', str(target))}")
        else:
            note("nothing was stored; add -o FILE to compare and draw")

    def _stopped(self, stop: BaseException) -> int:
        """Say why, what is kept and how to go on; returns the exit status."""
        reason, status = reason_of(stop, self.partial, self.runner.args)
        self.partial.rescue()
        other = ("-o", "OTHER") if isinstance(stop, FreepathError | OSError) else ()
        complain("python -m benchmarks", f"{reason}; {self.partial.what_is_kept(*other)}")
        if not isinstance(stop, EXPECTED):
            raise stop
        return status
