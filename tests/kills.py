"""python -m tests.kills [COUNT [SEED]]: end runs in every way at random moments, look, and resume.

Each trial starts a small run, picks a moment (starting, compiling, measuring, saving), a victim (parent,
worker, compiler) and a signal, and then looks: no invalid file, no complete process lost, no process left
over after two seconds, the run resumed to completion, every process there once. Exit status 1 on a defect.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from tests.command import ROOT

PROCESSES: Final = 3
ONLY: Final = "load,memcg=off,page_kind=plain,depth=pcp,checks=on,entry=__free*"
COMMAND: Final = (sys.executable, "-m", "benchmarks", "-n", "2", "-l", "96", "-p", str(PROCESSES))
SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
ORPHANS_S: Final = 2.0
WAIT_S: Final = 120.0
MOMENTS: Final = {"starting": 0.8, "compiling": 4.0, "measuring": 1.0, "saving": 0.12}
"""Moment -> seconds after it began, within which the signal falls."""
VICTIMS: Final = {"starting": ("parent",), "compiling": ("parent", "compiler"), "saving": ("parent",)}


class DefectError(Exception):
    """What must not happen."""


def default_signals() -> None:
    """As a shell starts a command: our own parent may ignore signals, and a command inherits that."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass
class Trial:
    """One run that is ended, and what is left of it."""

    folder: Path
    rng: random.Random
    moment: str
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.victim = self.rng.choice(VICTIMS.get(self.moment, ("parent", "worker")))
        self.signal = self.rng.choice(SIGNALS)
        self.target = self.folder / "run.json"
        self.partial = self.folder / "run.json.partial"
        temporary = self.folder / "tmp"
        temporary.mkdir()
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
        if self.moment == "compiling":
            self.environment["XDG_CACHE_HOME"] = str(self.folder / "cache")

    @property
    def name(self) -> str:
        """What was done, for the message and the count."""
        return f"{self.signal.name} to the {self.victim} while {self.moment}"

    def run(self) -> None:
        """The whole trial."""
        options = ("--only", ONLY, "-o", str(self.target))
        parent = self.start(*COMMAND, *options)
        self.await_moment(parent)
        time.sleep(self.rng.uniform(0, MOMENTS[self.moment]))
        complete = self.complete()
        hit = self.send(parent)
        said = self.ended(parent)
        self.counts[f"{self.name}: {'hit' if hit else 'came too late'}"] += 1
        self.check_status(parent.returncode, hit, said)
        self.check_what_is_left(complete, said)
        if not self.target.exists():
            self.resume(options)
        self.check_whole()

    def start(self, *command: str) -> subprocess.Popen[str]:
        """In a group of its own, as a shell or a CI system starts it."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=default_signals,
        )

    def await_moment(self, parent: subprocess.Popen[str]) -> None:
        """Until the moment has come, or the run has ended before it."""
        end = time.monotonic() + WAIT_S
        while parent.poll() is None and time.monotonic() < end:
            if (
                self.moment == "starting"
                or (self.moment == "compiling" and self.children(parent, "model.kernels"))
                or (self.moment == "measuring" and self.children(parent, "--worker"))
                or (self.moment == "saving" and len(self.complete()) == PROCESSES)
            ):
                return
            time.sleep(0.005)

    def children(self, parent: subprocess.Popen[str], word: str) -> list[psutil.Process]:
        """Children of the parent whose command line has this word."""
        try:
            return [child for child in psutil.Process(parent.pid).children() if word in child.cmdline()]
        except psutil.Error:
            return []

    def send(self, parent: subprocess.Popen[str]) -> bool:
        """Send the signal, if there is somebody to send it to; whether there was."""
        words = {"worker": "--worker", "compiler": "model.kernels"}
        if self.victim in words:
            victims = self.children(parent, words[self.victim])
        else:
            victims = [psutil.Process(parent.pid)] if parent.poll() is None else []
        for victim in victims[:1]:
            try:
                victim.send_signal(self.signal)
            except psutil.Error:
                return False
        return bool(victims)

    def complete(self) -> set[str]:
        """Processes that are complete now, by pair_id."""
        pairs = set()
        for path in self.partial.glob("*-*.json"):
            try:
                pairs.add(json.loads(path.read_bytes())["metadata"]["pair_id"])
            except OSError:
                continue  # put into the file and removed meanwhile
        return pairs

    def measured(self) -> set[str]:
        """Processes in the file."""
        document = json.loads(self.target.read_bytes()) if self.target.exists() else {"benchmarks": []}
        runs = [run for bench in document["benchmarks"] for run in bench["runs"]]
        return {run["metadata"]["pair_id"] for run in runs}

    def ended(self, parent: subprocess.Popen[str]) -> str:
        """Wait for the end; what was said."""
        try:
            return parent.communicate(timeout=WAIT_S)[1]
        except subprocess.TimeoutExpired:
            os.killpg(parent.pid, signal.SIGKILL)
            raise DefectError("the run did not end") from None

    def check_status(self, status: int, hit: bool, said: str) -> None:
        """Exit status 128 + n for the parent's own signal, 2 for a dead child; said how; no traceback."""
        young = self.victim == "worker" and self.signal == signal.SIGINT and "runpy" in said
        if "Traceback" in said and not young:  # a worker's Python says so itself, until our first line runs
            raise DefectError(f"a traceback:\n{said}")
        if not hit or (self.signal == signal.SIGKILL and self.victim == "parent"):
            return
        if self.victim == "parent":
            # Python installs its handlers a few milliseconds after the process began, ours a little later.
            allowed = {0, 128 + self.signal} | ({-self.signal} if self.moment == "starting" else set())
        else:
            allowed = {0, 2, 128 + signal.SIGINT}
        if status not in allowed:
            raise DefectError(f"exit status {status}:\n{said}")
        if status == 2 and self.signal.name not in said:
            raise DefectError(f"how the {self.victim} ended was not said:\n{said}")

    def check_what_is_left(self, complete: set[str], said: str) -> None:
        """No orphan, no invalid file, nothing lost, no rubbish."""
        end = time.monotonic() + ORPHANS_S
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        if left:
            raise DefectError(f"left over after {ORPHANS_S} s: {left}")
        lost = complete - self.complete() - self.measured()
        if lost:
            raise DefectError(f"{len(lost)} of {len(complete)} complete processes are lost:\n{said}")
        killed = self.signal == signal.SIGKILL and self.victim == "parent"
        rubbish = [] if killed else [path.name for path in self.folder.glob(".freepath-*")]
        if rubbish or any((self.folder / "tmp").glob("freepath-*")):
            raise DefectError(f"temporary files are left: {rubbish}")

    def processes(self) -> list[int]:
        """Processes whose command line names this trial's folder."""
        pids = []
        for process in psutil.process_iter(["cmdline", "status"]):
            words = process.info["cmdline"] or []
            if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(self.folder) in w for w in words):
                pids.append(process.pid)
        return pids

    def resume(self, options: tuple[str, ...]) -> None:
        """Go on with it; a run that had not begun to store is begun again."""
        again = ("--resume", str(self.target)) if (self.partial / "plan.json").exists() else ()
        command = [sys.executable, "-m", "benchmarks", *again] if again else [*COMMAND, *options]
        parent = self.start(*command)
        said = self.ended(parent)
        self.counts["resumed" if again else "begun again"] += 1
        if parent.returncode != 0:
            raise DefectError(f"going on ended with {parent.returncode}:\n{said}")

    def check_whole(self) -> None:
        """Every process is in the file, once, and nothing lies beside it."""
        if self.partial.exists() and self.measured() == self.complete():
            self.resume(())  # ended between writing the file and removing the folder
        if len(self.measured()) != PROCESSES or self.partial.exists():
            raise DefectError(f"{len(self.measured())} of {PROCESSES} processes are in the file")


def trial(number: int, seed: int, moment: str) -> Counter[str]:
    """One trial in a folder of its own; a DefectError names the seed."""
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        attempt = Trial(Path(folder), random.Random(f"{seed} {number}"), moment)
        try:
            attempt.run()
        except DefectError as defect:
            raise DefectError(f"seed {seed}, trial {number}, {attempt.name}: {defect}") from None
        return attempt.counts


def kills(count: int, seed: int, moments: tuple[str, ...] = tuple(MOMENTS)) -> Counter[str]:
    """Run so many trials, two at a time; returns what was done.

    Raises
    ------
    DefectError
        After the last trial, with every defect; each is also said when it is met.
    """
    counts: Counter[str] = Counter()
    defects = []

    def tried(number: int) -> Counter[str]:
        try:
            return trial(number, seed, moments[number % len(moments)])
        except DefectError as defect:
            print(f"DEFECT {defect}", file=sys.stderr, flush=True)
            defects.append(str(defect))
            return Counter()

    with ThreadPoolExecutor(2) as pool:
        for outcome in pool.map(tried, range(count)):
            counts.update(outcome)
    if defects:
        raise DefectError("\n".join((f"{len(defects)} of {count} trials met a defect", *defects)))
    return counts


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    try:
        done = kills(count, seed)
    except DefectError as defect:
        sys.exit(str(defect))
    for what, times in sorted(done.items()):
        print(f"{times:4} {what}")
    print(f"{count} runs ended at random moments: no invalid file, no complete process lost, no orphan")
