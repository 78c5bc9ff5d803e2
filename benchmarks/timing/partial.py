"""FILE.partial: a folder with the complete processes of a run, on the disk until all are there.

A folder beside the file that is to be written, with the plan of the run, a pyperf file per complete process,
and a lock that the measuring process holds. Whatever ends a run, the folder stays, `python -m results show`
reads it, and `--resume` measures what the plan asks for and the folder lacks. docs/format.md describes it.
"""

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.timing.plan import plan_in
from benchmarks.units import counted
from model.common.errors import FileError, UsageError
from model.common.files import lock, write_new
from model.common.shell import quoted
from model.common.signals import signals_later
from model.common.streams import note
from model.vocabulary.partial_run import CLAIM, PLAIN, PLAN, PROCESS, SUFFIX, WORDS, claim_name, process_stem


class Partial:
    """The folder of one run.

    Attributes
    ----------
    target
        The file to be written in the end, as the user named it; None when nothing is to be stored.
    folder
        Where complete processes lie: beside the file itself where the name is a link.
    plan
        What was asked for, and with which code: plain data, also on the disk.
    """

    def __init__(self, folder: Path, target: Path | None, plan: dict[str, Any]) -> None:
        self.folder, self.target, self.plan = folder, target, plan
        self._remembered: dict[str, bytes] = {}
        self._lock: int | None = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            without = lock(self._lock)
        except BlockingIOError:
            os.close(self._lock)
            raise UsageError(
                f"{folder} belongs to a run that is going on: wait for it, or choose another name with -o"
            ) from None
        if without and target:
            note(
                f"the file system of {folder} has no locks ({without}): measuring all the same; "
                "nothing but you keeps a second --resume of this run from beginning meanwhile"
            )

    @classmethod
    def begin(cls, target: Path | None, plan: dict[str, Any]) -> "Partial":
        """Make the folder for a new run.

        Raises
        ------
        UsageError
            When another run has it, or had it and did not come to its end.
        FileError
            When the folder cannot be made.
        """
        if target is None:
            return cls(Path(tempfile.mkdtemp(prefix="freepath-")), None, plan)
        folder = _folder_of(target)
        try:
            folder.mkdir()
        except FileExistsError:
            # Without a plan, the run that made it was ended before writing it, or is about to write it.
            if not folder.is_dir() or any(not _is_ours(path.name) for path in folder.iterdir()):
                raise _taken(folder, target) from None
        except OSError as error:
            raise FileError(f"cannot write {folder}: {error.strerror}; choose another -o") from None
        partial = cls(folder, target, plan)
        if target.exists() and not plan["append"]:
            partial.close(done=True)
            raise UsageError(f"{target} exists: choose another name, or --append {target} to go on")
        try:
            partial.save_plan(first=True)
        except FileError:
            if not (folder / PLAN).exists():
                raise
            # Where the file system has no locks, somebody else may have come this far as well.
            raise _taken(folder, target) from None
        return partial

    @classmethod
    def find(cls, named: Path) -> "Partial":
        """The folder of a run that did not come to its end.

        Parameters
        ----------
        named
            The file that it was to write, or the folder itself.

        Raises
        ------
        UsageError, FileError
        """
        folder = named if named.name.endswith(SUFFIX) else _folder_of(named)
        if not (folder / PLAN).is_file():
            raise UsageError(
                f"--resume {named.name}: there is no {folder.name} with a plan, so nothing to resume"
            )
        partial = cls(folder, folder.with_name(folder.name.removesuffix(SUFFIX)), plan_in(folder))
        partial._forget_broken()
        return partial

    def save_plan(self, *, first: bool = False, **changes: Any) -> None:
        """Bring the plan to the disk, with these entries changed; the first one replaces none.

        Raises
        ------
        FileError
        """
        self.plan |= changes
        text = json.dumps(self.plan, indent=1) + "\n"
        self._sha256 = hashlib.sha256(text.encode()).hexdigest()
        write_new(self.folder / PLAN, text, replace=not first)

    def told(self, case: int) -> list[str]:
        """Options by which a worker finds a case in this plan alone: confined code can write one here."""
        return [f"--plan={self.folder}", f"--sha256={self._sha256}", f"--case={case}"]

    def complete(self, *, pyperf_alone: bool = False) -> list[Path]:
        """Complete processes in the order of measuring: those of freepath's own cases, or of pyperf's."""
        files = [
            (int(match[1]), int(match[2]), path)
            for path in self.folder.iterdir()
            if (match := PROCESS.fullmatch(path.name)) and (match[3] == PLAIN) == pyperf_alone
        ]
        return [path for _, _, path in sorted(files)]

    def count(self, case: int) -> int:
        """Complete processes of one case."""
        paths = [*self.complete(), *self.complete(pyperf_alone=True)]
        return sum(path.name.startswith(f"{case}-") for path in paths)

    @property
    def seen(self) -> int:
        """Complete processes, as of the latest look."""
        return len(self._remembered)

    def remember(self) -> list[str]:
        """Keep a copy of what is complete, in case the folder is removed during the run.

        Returns the names of what is new.
        """
        new = []
        with suppress(OSError):
            for path in self._processes():
                if path.name not in self._remembered:
                    self._remembered[path.name] = path.read_bytes()
                    new.append(path.name)
        return new

    def words(self) -> str:
        """The latest worker's stderr; the file is removed."""
        with suppress(OSError):
            text = (self.folder / WORDS).read_text(errors="replace")
            (self.folder / WORDS).unlink()
            return text
        return ""

    def rescue(self) -> None:
        """If somebody removed the folder, write what it held again: there, or where temporary files go."""
        self.remember()
        if (self.folder / PLAN).exists() or not self._remembered:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            self.folder = Path(tempfile.mkdtemp(prefix="freepath-rescued-")) / self.folder.name
            self.folder.mkdir()
        for name, content in self._remembered.items():
            write_new(self.folder / name, content, replace=True)
        self.save_plan()

    def what_is_kept(self, *more: str) -> str:
        """How many processes are complete, where they lie, and the command that goes on; one line.

        Parameters
        ----------
        more
            Options that this command needs.
        """
        kept = len(self.complete()) + len(self.complete(pyperf_alone=True))
        if not kept or self.target is None:
            return (
                "no process was complete, so nothing is kept" if self.target else "nothing was to be stored"
            )
        # What began with --append goes on by the folder's name too.
        name = str(self.folder)
        processes = f"{counted(kept, 'complete process')} {'is' if kept == 1 else 'are'}"
        resume = quoted("-m", "benchmarks", "--resume", name, *more)
        return f"{processes} kept in {name}; go on with: {resume}"

    def close(self, *, done: bool) -> None:
        """Release the folder; it is removed when the run is done, or when it holds no process."""
        with signals_later(), suppress(OSError):
            if done or self.target is None or not any(self._processes()):
                # All at once: what is left of half a folder could neither be resumed nor begun again.
                gone = self.folder.with_name(f".freepath-{secrets.token_hex(8)}")
                self.folder.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _processes(self) -> Iterator[Path]:
        return (path for path in self.folder.iterdir() if PROCESS.fullmatch(path.name))

    def _forget_broken(self) -> None:
        """Claim what is complete, and remove what is unfinished or unreadable: it is measured again."""
        complete = set()
        for path in self._processes():
            try:
                json.loads(path.read_bytes())["benchmarks"]
                complete.add(path.name.removesuffix(PLAIN).removesuffix(".json"))
            except (OSError, ValueError, KeyError, TypeError):
                path.unlink()
        for name in complete:
            (self.folder / claim_name(*map(int, name.split("-")))).touch()
        for path in self.folder.iterdir():
            claim = CLAIM.fullmatch(path.name)
            unfinished = claim and process_stem(int(claim[1]), int(claim[2])) not in complete
            if unfinished or path.name.startswith(".freepath-"):
                path.unlink()


def _is_ours(name: str) -> bool:
    """Whether a file may be in the folder before the plan is."""
    return name == "lock" or name.startswith(".freepath-")


def _folder_of(target: Path) -> Path:
    """The folder of a file; two names of one file have one folder."""
    file = Path(os.path.realpath(target)) if target.is_symlink() else target
    return file.with_name(file.name + SUFFIX)


def _taken(folder: Path, target: Path) -> UsageError:
    """What to do about a folder that is there already."""
    if not (folder / PLAN).exists():
        return UsageError(f"{folder} is in the way: remove it, or choose another name with -o")
    resume = quoted("-m", "benchmarks", "--resume", str(folder))
    return UsageError(
        f"{folder} belongs to a run that is going on or was stopped: go on with {resume}, "
        f"or choose another name than {target.name}"
    )
