"""`python -m benchmarks ... --on SCHEDULER -o DIR`: one exclusive task per host, a file per machine.

Complete processes come back as they finish and lie in `DIR/host-N.json.partial`, as those of a run on this
machine do: a host that is lost keeps what it measured, `python -m results show` reads it, and `--resume DIR`
goes on with it. A host that is done has `DIR/KEY.json`, called by what the machine is.
"""

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.commit import DIRTY, ROOT, UNKNOWN, commit, git, sources
from benchmarks.fleet import remote
from benchmarks.fleet.hosts import Host, connect, find, like, shipped
from benchmarks.progress import progress
from model.common.command import BAD_INPUT
from model.common.errors import FileError, UsageError
from model.common.files import write_new
from model.common.parser import Parser
from model.common.process import how_it_ended
from model.common.signals import Ended
from model.common.streams import note, say
from model.vocabulary.partial_run import PLAN, SUFFIX

ENDING: Final = f".json{SUFFIX}"
POLL_S: Final = 0.5
LOOK_S: Final = 2.0
"""Seconds between two checks that every host is still there."""
STOP_S: Final = 30.0
NOT_SHIPPED: Final = ("docs", "tests", "results/reference", "results/machines")
Namer = Callable[[Path], str]
"""Names the file of a run by its machine."""


@dataclass
class Part:
    """What one host measures.

    Attributes
    ----------
    folder
        Where its complete processes lie here.
    lost
        Why the host was given up.
    """

    host: Host
    folder: Path
    future: Any = None
    files: dict[str, bytes] = field(default_factory=dict)
    lost: str | None = None
    written: Path | None = None

    @property
    def done(self) -> bool:
        """Whether nothing more is to come."""
        return self.written is not None or self.lost is not None

    @property
    def processes(self) -> int:
        """Number of complete processes."""
        return sum(name != PLAN for name in self.files)


def options(argv: Sequence[str]) -> tuple[Any, list[str]]:
    """Our options, and those that each host is given."""
    parser = Parser(add_help=False)
    for name in ("--on", "--resume", "--append", "--variant"):
        parser.add_argument(name)
    parser.add_argument("-o", "--output")
    return parser.parse_known_args(argv)


def run(argv: Sequence[str], processes: int, name_of: Namer) -> int:
    """Measure on every host of a scheduler; returns the exit status.

    Parameters
    ----------
    argv
        The command line.
    processes
        Per host, for the display of progress.

    Raises
    ------
    UsageError, FileError
    """
    asked, more = options(argv)
    _check(asked)
    known, digest = commit(), sources()
    if known == UNKNOWN or known.endswith(DIRTY):
        raise UsageError(f"--on measures a commit, and this checkout is {known}: commit first")
    client = connect(asked.on)
    try:
        parts = list(_parts(asked, find(client)))
        fleet = Fleet(client, parts, processes, name_of)
        return fleet.measure(more, known, digest)
    finally:
        with suppress(Exception):  # the scheduler may be gone, and nothing depends on the goodbye
            client.close(timeout=1)


def _check(asked: Any) -> None:
    if asked.append or asked.variant:
        raise UsageError("--on goes without --append, and without --variant, whose file is not on the hosts")
    if not (asked.output or asked.resume):
        raise UsageError("--on needs -o DIR, a folder for one file per machine")
    if asked.output and asked.resume:
        raise UsageError("--resume DIR --on SCHEDULER goes on in the folder itself: leave out -o")
    if asked.output and Path(asked.output).exists() and not Path(asked.output).is_dir():
        raise UsageError(f"--on: {asked.output} is a file; give a folder for one file per machine")
    if asked.output and Path(asked.output).is_dir() and any(Path(asked.output).iterdir()):
        raise UsageError(
            f"--on: {asked.output} is not empty: choose another name, or --resume {asked.output}"
        )


def _parts(asked: Any, hosts: Sequence[Host]) -> Iterator[Part]:
    """Work of each host: everything, or what is missing in a folder that began on such a processor."""
    folder = Path(asked.output or asked.resume)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot write {folder}: {error.strerror}") from None
    if asked.output:
        for host in hosts:
            yield Part(host, folder / f"host-{host.number}{ENDING}")
        return
    unfinished = sorted(path for path in folder.glob(f"*{ENDING}") if (path / PLAN).is_file())
    if not unfinished:
        raise UsageError(f"--resume {folder}: every host of it is done, or it is no folder of a fleet")
    free = list(hosts)
    for place in unfinished:
        files = {p.name: p.read_bytes() for p in place.iterdir() if remote.COMPLETE.fullmatch(p.name)}
        try:
            context = json.loads(files[PLAN])["context"]
        except (ValueError, KeyError, TypeError):
            note(f"left out: {place / PLAN} is damaged")
            continue
        fit = next(like(free, context), None)
        if fit is None:
            note(f"left out: {place}: no host has a {context.get('cpu_model_name', 'processor like it')}")
            continue
        free.remove(fit)
        yield Part(fit, place, files=files)


class Fleet:
    """Several hosts at work.

    Parameters
    ----------
    client
        Of Dask.
    parts
        One per host.
    processes
        Per host.
    name_of
        Names a file by its machine.
    """

    def __init__(self, client: Any, parts: list[Part], processes: int, name_of: Namer) -> None:
        from distributed import Event, Queue

        self.client, self.parts, self.processes, self.name_of = client, parts, processes, name_of
        self.id = secrets.token_hex(6)
        self.queue, self.stop = Queue(f"freepath-{self.id}"), Event(f"freepath-stop-{self.id}")
        self._looked = 0.0

    def measure(self, argv: list[str], known: str, digest: str) -> int:
        """Start every host, gather until the last is done; returns the exit status."""
        if not self.parts:
            return BAD_INPUT
        self._start(argv, known, digest)
        note(f"measuring on {len(self.parts)} hosts: {', '.join(part.host.name for part in self.parts)}")
        try:
            with progress("measuring") as update:
                while not all(part.done for part in self.parts):
                    self._gather()
                    update(sum(p.processes for p in self.parts), self.processes * len(self.parts), self._at())
        except Ended as end:
            self._stop()
            kept = ", ".join(f"{part.processes} of {part.host.name}" for part in self.parts)
            folder = self.parts[0].folder.parent
            note(f"stopped by {end.name}; complete processes are kept in {folder}: {kept}; --resume {folder}")
            return end.status
        return self._tell()

    def _at(self) -> str:
        """Progress of each host, for the bar."""
        return "  ".join(f"{part.host.number}: {part.processes}/{self.processes}" for part in self.parts)

    def _start(self, argv: list[str], known: str, digest: str) -> None:
        addresses = [part.host.address for part in self.parts]
        module = shipped(self.client)
        there = self.client.run(module.has_checkout, digest, workers=addresses)
        packed = None if all(there.values()) else _archive(known)
        for part in self.parts:
            job = {
                "digest": digest,
                "commit": known,
                "archive": None if there[part.host.address] else packed,
                "id": f"{self.id}-{part.host.number}",
                "argv": argv,
                "files": part.files,
                "queue": self.queue.name,
                "stop": self.stop.name,
                "host": part.host.number,
            }
            part.future = self.client.submit(
                module.measure, job, workers=[part.host.address], pure=False, retries=0
            )

    def _gather(self) -> None:
        """Write what arrived, then check which hosts are done or gone."""
        self._drain(POLL_S)
        for part in (part for part in self.parts if not part.done):
            if part.future.status == "finished":
                self._drain(0.0)
                self._finish(part, part.future.result())
            elif part.future.status in ("error", "cancelled", "lost"):
                part.lost = _said(part.future)
        if time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            workers = self.client.scheduler_info(n_workers=-1)["workers"]
            for part in (part for part in self.parts if not part.done):
                if part.host.address not in workers:
                    self._drain(0.0)
                    part.lost = "its worker is gone"
        for part in self.parts:
            if part.lost and part.future is not None:
                note(f"{part.host.name}: {part.lost}; {part.processes} complete processes in {part.folder}")
                part.future = None

    def _drain(self, timeout: float) -> None:
        """Write every process that has arrived."""
        while True:
            try:
                message = self.queue.get(timeout=timeout)
            except TimeoutError:
                return
            part = next(part for part in self.parts if part.host.number == message["host"])
            part.folder.mkdir(exist_ok=True)
            write_new(part.folder / message["name"], message["content"], replace=True)
            part.files[message["name"]] = message["content"]
            timeout = 0.01

    def _finish(self, part: Part, result: dict[str, Any]) -> None:
        """Write the file of a host that is done, or say why there is none."""
        if result["run"] is None:
            said = result["said"].removeprefix("python -m benchmarks: ")
            part.lost = said or how_it_ended(result["status"])
            return
        whole = part.folder.with_name(part.folder.name.removesuffix(SUFFIX))
        write_new(whole, result["run"], replace=True)
        part.written = _named(whole, self.name_of(whole))
        for name in part.files:
            (part.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            part.folder.rmdir()
        note(f"{part.host.name}: wrote {part.written}")

    def _stop(self) -> None:
        """Ask every host to end, and take what it still sends."""
        self.stop.set()
        until = time.monotonic() + STOP_S
        while time.monotonic() < until and any(p.future.status == "pending" for p in self.parts if p.future):
            self._drain(POLL_S)
        self._drain(0.0)

    def _tell(self) -> int:
        written = [part.written for part in self.parts if part.written]
        say("".join(f"{path}\n" for path in written))
        missing = len(self.parts) - len(written)
        if missing:
            folder = self.parts[0].folder.parent
            note(f"{missing} of {len(self.parts)} hosts did not come to an end: --resume {folder} goes on")
        return BAD_INPUT if missing else 0


def _named(path: Path, name: str) -> Path:
    """Give a file the name of its machine; of several alike the later ones are numbered."""
    number = 1
    while (target := path.with_name(f"{name}{'' if number == 1 else f'-{number}'}.json")).exists():
        number += 1
    path.rename(target)
    return target


def _archive(known: str) -> bytes:
    """The checkout of a commit as tar, without the files that only readers need."""
    try:
        return git(ROOT, "archive", known, "--", ".", *(f":(exclude){name}" for name in NOT_SHIPPED))
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise UsageError(f"git archive {known} failed: {said}") from None


def _said(future: Any) -> str:
    """Why a task failed, in one line."""
    error = future.exception() if future.status == "error" else None
    return f"{type(error).__name__}: {str(error).splitlines()[0]}" if error and str(error) else future.status
