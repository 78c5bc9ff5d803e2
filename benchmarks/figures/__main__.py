"""python -m benchmarks.figures: measure every run that the documents quote, again.

For example:
  python -m benchmarks.figures --list                  what, and how long
  python -m benchmarks.figures                         what is missing in results/runs/figures
  python -m benchmarks.figures --kernels 'FILE FILE'   price lists of kernel files, too
  python -m benchmarks.figures --only 'sweep-v6-18*'   a part
Started again, it resumes the run that was interrupted and keeps those that are complete.
then: python -m results.filing results/runs/figures
"""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from benchmarks.cases import BARE, lasting, values_of
from benchmarks.commit import DIRTY, commit
from benchmarks.figures.plan import PLAN, Entry, File, of_files
from benchmarks.process_settings import can_hold_loads
from benchmarks.selection import select_for
from benchmarks.timing.forecast import START_S, VALUE_S, seconds_of
from benchmarks.timing.options import add_options
from benchmarks.timing.runner import DEFAULT, QUICK
from benchmarks.units import counted, duration
from model.common.command import leave, run
from model.common.errors import UsageError
from model.common.files import write_new
from model.common.parser import Parser
from model.common.signals import Ended
from model.common.streams import note, say
from model.vocabulary import partial_run

NAME: Final = "python -m benchmarks.figures"
FOLDER: Final = "results/runs/figures"
TOOK: Final = "took.json"
"""File in the folder: seconds that each finished run took, and was foretold to take."""
PROBE: Final = "--sweep kernel --seed 1 -p 2 -n 4"
FILE_ARMS: Final = 10
"""Arms of a kernel file's price list, to say how long it will take."""
SSBD: Final = "--store-bypass off"
CALIBRATION_S: Final = 120.0
"""As --help says of --calibrate."""
TRIES: Final = 12
"""Attempts at one run, each of which resumes the one before."""
FOUND: Final = frozenset({0, 1})
"""Exit statuses with a complete file: 1 says that a calibration misses a target."""


@dataclass(frozen=True)
class Task:
    """One run with one seed.

    Attributes
    ----------
    foretold
        Seconds, on the CPU of the forecast.
    """

    entry: Entry
    seed: int
    file: Path
    options: tuple[str, ...]
    foretold: float

    @property
    def name(self) -> str:
        """`sweep-between, seed 1`."""
        return f"{self.entry.name}, seed {self.seed}"

    @property
    def partial(self) -> Path:
        """Where it lies while it is measured."""
        return self.file.with_name(f"{self.file.name}{partial_run.SUFFIX}")


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    args = _parser().parse_args(argv)
    if not args.kernels.split():
        note("left out: kernel files; name them: make figures KERNELS='FILE FILE'")
    tasks = list(_tasks(args))
    if not tasks:
        raise UsageError(f"--only '{args.only}' names no run; --list shows them")
    folder = Path(args.output)
    if args.list:
        _show(tasks, folder)
        return 0
    if commit().endswith(DIRTY) and not args.less:
        raise UsageError("model/ or benchmarks/ differ from the commit: a run of them would not be filed")
    folder.mkdir(parents=True, exist_ok=True)
    missing = [task for task in tasks if not _there(task)]
    note(f"{counted(len(tasks), 'run')} in {folder}, {len(tasks) - len(missing)} complete")
    took = _took(folder)
    if missing and not took:
        took["probe"] = _probe()
        _save(folder, took)
    failed = []
    for at, task in enumerate(missing):
        left = duration(_seconds(missing[at:], took))
        note(f"{len(tasks) - len(missing) + at + 1} of {len(tasks)}: {task.name}; {left} left")
        began = time.monotonic()
        try:
            resumed = _patiently(task)
        except UsageError as error:
            note(f"  not measured: {error}")
            failed.append(task.name)
            continue
        spent = time.monotonic() - began
        note(f"  took {spent:.0f} s")
        if not resumed:
            took[task.file.name] = {"took_s": spent, "foretold_s": task.foretold}
            _save(folder, took)
    if failed:
        raise UsageError(f"not measured, as said above: {'; '.join(failed)}")
    note(f"all {len(tasks)} are complete; next: python -m results.filing {folder}")
    return 0


def _parser() -> Parser:
    parser = Parser(prog=NAME, description=__doc__)
    add = parser.add_argument
    add("-o", "--output", metavar="DIR", default=FOLDER, help=f"folder of the runs; {FOLDER} by default")
    add("--list", action="store_true", help="show the runs, which are complete, and how long the rest takes")
    add("--only", metavar="NAME", default="*", help="comma-separated globs of names: sweep-*,kernel-*")
    add("--kernels", metavar="FILES", default="", help="kernel files, separated by blanks")
    about = "options after those of each run, for a rehearsal: '-p 2 -n 1'; give -o another folder"
    add("--less", metavar="OPTIONS", default="", help=about)
    return parser


def _tasks(args: Any) -> Iterator[Task]:
    """Seed 1 of everything, then seed 2: an interrupted series has one of each. Last what has one seed."""
    wanted = args.only.split(",")
    try:
        files = [_file(path) for path in shlex.split(args.kernels)]
    except ValueError as error:
        raise UsageError(f"--kernels {args.kernels}: {error}; quote a name as for a shell") from None
    entries = [*PLAN[:1], *of_files(files), *PLAN[1:]]
    if not can_hold_loads():
        entries = [entry for entry in entries if SSBD not in entry.options]
        note("left out: runs with SSBD, which this kernel or CPU refuses")
    chosen = [each for each in entries if any(fnmatchcase(each.name, glob) for glob in wanted)]
    pairs = [(entry, seed) for entry in chosen for seed in entry.seeds]
    for entry, seed in sorted(pairs, key=lambda pair: (len(pair[0].seeds) == 1, pair[1])):
        options = (*shlex.split(entry.options), "--seed", str(seed), *shlex.split(args.less))
        file = Path(args.output) / f"{entry.name}-seed{seed}.json"
        yield Task(entry, seed, file, options, foretold(options))


def _file(path: str) -> File:
    """A kernel file with its release, which reading it tells.

    Raises
    ------
    UsageError
        For what is no kernel file.
    """
    command = [sys.executable, "-m", "benchmarks", "--vmlinux", path, "--list", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UsageError(f"--kernels: {_last(done.stderr)}")
    return File(json.loads(done.stdout)["scenarios"][0]["kernel"], shlex.quote(path))


def foretold(options: Sequence[str]) -> float:
    """Seconds that a run with these options is foreseen to take; of a kernel file roughly."""
    parser = Parser(add_help=False)
    add_options(parser)
    parser.add_argument("-p", type=int)
    parser.add_argument("-n", type=int)
    given = parser.parse_known_args(options)[0]
    usual = QUICK if given.quick else DEFAULT
    processes, values = given.p or usual["processes"], given.n or usual["values"]
    if given.calibrate:
        return CALIBRATION_S
    if given.vmlinux:
        arms = FILE_ARMS * len(given.vmlinux) // (5 if given.only else 1)
        return processes * (START_S + arms * values * 0.04)
    if given.insert:
        arms = len(given.insert) + len(BARE)
        return processes * (START_S + arms * (given.n or values_of(arms, values)) * VALUE_S)
    cases = select_for(given, given.memory)
    lengths = cases if given.n else [lasting(case, values) for case in cases]
    return processes * sum(seconds_of(case, values) for case in lengths)


def _there(task: Task) -> bool:
    """Whether it is complete, and of these options.

    Raises
    ------
    UsageError
        When another run has its name.
    """
    if not task.file.exists():
        return False
    try:
        suite = json.loads(task.file.read_text())
        part = suite["benchmarks"][0]
        layers = (suite, part, *part["runs"])  # pyperf stores a fact where it is of all
        known = next(fact for each in layers if (fact := each.get("metadata", {}).get("freepath_command")))
        command = shlex.split(known)
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
        raise UsageError(f"{task.file} is damaged: remove it, and it is measured again") from None
    # Folders of kernel files and of the output are not in a run.
    names = [Path(word).name for word in (*task.options, "-o", str(task.file))]
    if [Path(word).name for word in command[3:]] != names:
        raise UsageError(f"{task.file} was measured with other options: remove it, and it is measured again")
    return True


def _patiently(task: Task) -> bool:
    """Measure, and resume what did not come to its end: a process may fail because a clock was set back."""
    for _ in range(TRIES - 1):
        try:
            return _measure(task)
        except UsageError as error:
            if not _begun(task):
                raise
            note(f"  resumed: {error}")
    return _measure(task)


def _begun(task: Task) -> bool:
    """Whether a part of it was measured."""
    return (task.partial / partial_run.PLAN).exists()


def _measure(task: Task) -> bool:
    """Measure, or resume; returns whether it was resumed.

    Raises
    ------
    UsageError
        When it could not be measured, in its own words.
    """
    resumed = _begun(task)
    words = ["--resume", str(task.file)] if resumed else [*task.options, "-o", str(task.file)]
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks", *words], stdout=subprocess.DEVNULL, stderr=said
        )
        try:
            status = child.wait()
        except Ended:
            child.terminate()  # it keeps its complete processes
            child.wait()
            note(f"{task.name} was interrupted; the same command goes on with it")
            raise
        said.seek(0)
        lines = said.read()
    if status not in FOUND or not task.file.exists():
        raise UsageError(_last(lines))
    return resumed


def _last(text: str) -> str:
    lines = text.strip().splitlines() or ["it ended without a word"]
    return lines[-1].removeprefix("python -m benchmarks: ")


def _probe() -> dict[str, float]:
    """A short run, to know how this CPU compares with that of the forecast: seconds of its processes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "probe.json"
        options = shlex.split(PROBE)
        command = [sys.executable, "-m", "benchmarks", *options, "-o", str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise UsageError(f"the probe: {_last(done.stderr)}")
        runs = [run for part in json.loads(file.read_text())["benchmarks"] for run in part["runs"]]
    spent = {run["metadata"]["date"]: run["metadata"]["duration"] for run in runs}
    took = sum(seconds + START_S for seconds in spent.values())
    return {"took_s": took, "foretold_s": foretold(options)}


def _took(folder: Path) -> dict[str, dict[str, float]]:
    """What is known of finished runs; nothing where that cannot be read."""
    try:
        known: dict[str, dict[str, float]] = json.loads((folder / TOOK).read_text())
    except (OSError, ValueError):
        return {}
    return known


def _save(folder: Path, took: dict[str, dict[str, float]]) -> None:
    write_new(folder / TOOK, json.dumps(took, indent=1) + "\n", replace=True)


def _seconds(tasks: Sequence[Task], took: dict[str, dict[str, float]]) -> float:
    """Seconds that runs will take: as their other seed took, or as foretold, scaled by what is known."""
    done = [each for name, each in took.items() if name != "probe"] or list(took.values())
    scale = sum(each["took_s"] for each in done) / sum(each["foretold_s"] for each in done) if done else 1.0
    other = {name.rpartition("-seed")[0]: each["took_s"] for name, each in took.items()}
    return sum(other.get(task.entry.name, scale * task.foretold) for task in tasks)


def _show(tasks: Sequence[Task], folder: Path) -> None:
    """A line for each run: whether it is there, its command, how long it takes."""
    took, missing = _took(folder), []
    for task in tasks:
        there = _there(task)
        missing += [] if there else [task]
        state = "complete" if there else "begun" if task.partial.exists() else "missing"
        took_s = _seconds([task], took)
        options = shlex.join(("python", "-m", "benchmarks", *task.options))
        say(f"{task.file.stem:34} {state:9} {took_s:4.0f} s  {options}\n")
    rest = duration(_seconds(missing, took)) if missing else "nothing"
    say(f"{counted(len(tasks), 'run')}, {len(missing)} missing: {rest} left\n")


def start(argv: Sequence[str]) -> int:
    """Run the command as a process."""
    return run(NAME, lambda: main(argv))


if __name__ == "__main__":
    leave(start(sys.argv[1:]))
