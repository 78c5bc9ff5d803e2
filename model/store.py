"""Compiled images on disk: found by a digest of everything that shapes them, made where they are missing.

Numba's own cache does not see an edit in a callee's file, and a process that uses it must import Numba
(0.3 s). Here a separate process compiles; everyone else loads bytes. docs/decisions/0001 has the figures.

The bytes are executed, so a file is believed only if it belongs to this user, is whole by its own checksum,
and holds what was asked for. Any other is compiled again.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from model.common.command import BAD_INPUT, note
from model.common.errors import CompileError, UnsupportedCPUError
from model.common.files import sync_folder
from model.common.process import Child, follow, how_it_ended
from model.image import Spec, from_json, to_json
from model.limits import address_space_limit, check_address_space, memory_limit, usable_cpus
from model.text import Code, Region, Site

MODEL: Final = Path(__file__).parent
DEFAULT_CPU: Final = "x86-64"
"""Distribution kernels are compiled for the oldest x86-64, so this is what the path runs as."""
CPU_NAME: Final = r"[\w.-]{1,40}"
FOLDER_NAME: Final = re.compile(rf"[0-9a-f]{{16}}-{CPU_NAME}")
SETTINGS: Final = ("NUMBA_", "LLVMLITE_")
"""Beginnings of the environment variables that change what is compiled, and which of them do is not ours to
know: NUMBA_OPT=0 does."""
LARGEST_IMAGE: Final = 16 << 20
KEPT_FOLDERS: Final = 4
KEPT_S: Final = 86400.0
"""Other digests' folders are kept that were used within a day, and as many as this: going back is common."""
COMPILER_MEMORY: Final = 256 << 20
COMPILER_SPACE: Final = 768 << 20
"""A compiler takes 240 MiB, and 460 of address space; with less than that it may hang as well as fail."""

Progress = Callable[[int, int, str], None]


class UnusableImageError(CompileError):
    """A file of the cache that does not hold the image that was asked for.

    Attributes
    ----------
    why
        What is wrong with it: "is damaged (...)".
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} {why}: delete it and run again")
        self.path, self.why = path, why


class MissingImageError(UnusableImageError):
    """An image that was not compiled yet."""


def check_can_compile() -> None:
    """Refuse a machine or an environment on which the path cannot be what it claims.

    Raises
    ------
    UnsupportedCPUError
        On another CPU than x86-64.
    CompileError
        When Numba is told not to compile, or compiled code may not run.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise UnsupportedCPUError(
            f"the compiled free path and its jump labels need x86-64, this is {platform.machine()}; "
            "what still works here: the memory-flag gate in the plain-Python oracle (model.oracle), and "
            "reading runs from other machines (python -m results, python -m plots)"
        )
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        raise CompileError("NUMBA_DISABLE_JIT is set, so nothing would be compiled: unset it and run again")
    Region(1).seal()


@cache
def digest_of(cpu: str) -> str:
    """Key of the cache: the model's sources, the compiler's versions and settings, the CPU target."""
    hashed = hashlib.sha256()
    settings = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(SETTINGS))
    for part in (version("numba"), version("llvmlite"), sys.version, cpu, *settings):
        hashed.update(part.encode(errors="surrogateescape") + b"\0")
    for source in sorted(MODEL.rglob("*.py")):
        if source.parent.name == "common":
            continue  # files, streams, processes: nothing there shapes an instruction
        hashed.update(source.relative_to(MODEL).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return hashed.hexdigest()[:16]


def default_folder() -> Path:
    """Where compiled images are kept for this user."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # neither $HOME nor an entry in the password file
        raise CompileError("this user has no home to keep compiled code in: set XDG_CACHE_HOME") from None
    return Path(base) / "freepath"


class Store:
    """Compiled images of one CPU target, in a folder that only the user can write.

    Parameters
    ----------
    folder
        The cache; `default_folder()` unless a test wants its own.
    cpu
        LLVM's name of the CPU to compile for.
    digest
        What the code was made from, if a parent says so: its environment is not its workers'.

    Raises
    ------
    CompileError
        When no CPU can be called like that.
    """

    def __init__(
        self, folder: Path | None = None, cpu: str = DEFAULT_CPU, *, digest: str | None = None
    ) -> None:
        if not re.fullmatch(CPU_NAME, cpu):
            raise CompileError(f"LLVM knows no CPU called {cpu!r}: try x86-64, x86-64-v3 or znver4")
        self.root = (folder or default_folder()).absolute()
        self.cpu = cpu
        self.digest = digest or digest_of(cpu)
        self.folder = self.root / f"{self.digest}-{cpu}"
        self._expected: dict[str, str] = {}
        self._held: int | None = None

    def path(self, spec: Spec) -> Path:
        """File of one image."""
        return self.folder / f"{spec.name}.json"

    def missing(self, specs: Iterable[Spec]) -> list[Spec]:
        """The images that have to be compiled, each once: what is damaged is as good as missing."""
        return list(self._faults(specs))

    def load(self, spec: Spec) -> Code:
        """Read one image, compiling it first if it is missing."""
        self.ensure([spec])
        return self._read(spec)

    def sums(self, specs: Iterable[Spec]) -> dict[str, str]:
        """SHA-256 of each image, by name: what a parent tells its workers to expect."""
        return {spec.name: _sum(self._content(spec)) for spec in dict.fromkeys(specs)}

    def expect(self, sums: Mapping[str, str]) -> None:
        """From now on load only images with these sums, and compile none.

        Without sums (a worker that was started by hand) there is nothing to keep to.
        """
        self._expected = dict(sums)

    def ensure(self, specs: Iterable[Spec], progress: Progress | None = None) -> None:
        """Compile what is missing or damaged, on all cores, in processes of their own.

        Raises
        ------
        UnsupportedCPUError, CompileError
        """
        self._hold()
        faults = self._faults(specs)
        if not faults:
            return
        if self._expected:
            fault = next(iter(faults.values()))
            raise CompileError(
                f"{fault.path} is not the code that this run began with ({fault.why}): the sources or the "
                "cache changed meanwhile; run again, or go on with --resume"
            )
        check_can_compile()
        check_address_space(COMPILER_SPACE, "compiling")
        self._make_folder()
        self._hold()
        self._prune()
        for fault in faults.values():
            _give_up(fault)
        self._compile(list(faults), progress)
        for fault in self._faults(faults).values():
            raise CompileError(f"{fault.path} {fault.why}, just after it was written: look at the disk")

    def save(self, spec: Spec, compiled: dict[str, Any]) -> None:
        """Write one image; readers see all of it or nothing, also when the machine stops here."""
        sealed = self.digest.encode() + b"\n" + json.dumps(compiled).encode()
        try:
            number, name = tempfile.mkstemp(prefix=".", dir=self.folder)
            try:
                with os.fdopen(number, "wb") as stream:
                    stream.write(_sum(sealed).encode() + b"\n" + sealed)
                    stream.flush()
                    os.fsync(number)
                Path(name).replace(self.path(spec))
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise CompileError(f"cannot write {self.path(spec)}: {error.strerror}") from None
        sync_folder(self.folder)

    def _faults(self, specs: Iterable[Spec]) -> dict[Spec, UnusableImageError]:
        """What is wrong with the images that cannot be used."""
        found = {}
        for spec in dict.fromkeys(specs):
            try:
                self._read(spec)
            except UnusableImageError as error:
                found[spec] = error
        return found

    def _read(self, spec: Spec) -> Code:
        content = self._content(spec)
        if self._expected and self._expected.get(spec.name) != _sum(content):
            raise UnusableImageError(self.path(spec), "holds other code")
        try:
            data = json.loads(content)
            if from_json(data["spec"]) != spec or data["cpu"] != self.cpu:
                raise ValueError(f"it holds {data['spec']} for {data['cpu']}")
            return Code(
                spec=spec,
                cpu=self.cpu,
                code=bytes.fromhex(data["code"]),
                functions={name: (at, size) for name, (at, size) in data["functions"].items()},
                sites=tuple(Site(*entry) for entry in data["jump_table"]),
                points=tuple((at, key) for at, key in data["points"]),
                branches=tuple((at, target) for at, target in data["branches"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnusableImageError(self.path(spec), f"is damaged ({error})") from None

    def _content(self, spec: Spec) -> bytes:
        """An image as it was compiled: JSON, taken out of its file."""
        path = self.path(spec)
        checksum, _, sealed = self._bytes(path).partition(b"\n")
        if checksum != _sum(sealed).encode():
            raise UnusableImageError(path, "is damaged (its checksum is another)")
        digest, _, content = sealed.partition(b"\n")
        if digest != self.digest.encode():
            raise UnusableImageError(path, "was compiled from other sources")
        return content

    def _bytes(self, path: Path) -> bytes:
        """A file's bytes. They are executed, so nobody else may have been able to write them."""
        try:
            _check_owner(path.parent, path.parent.stat())
            # A pipe in a file's place must not make us wait for somebody to write.
            number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                status = os.fstat(number)
                _check_owner(path, status)
                if not stat.S_ISREG(status.st_mode):
                    raise UnusableImageError(path, "is no file")
                with open(number, "rb", closefd=False) as stream:
                    content = stream.read(LARGEST_IMAGE + 1)
            finally:
                os.close(number)
        except (FileNotFoundError, NotADirectoryError):
            raise MissingImageError(path, "is missing") from None
        except OSError as error:
            raise UnusableImageError(path, f"cannot be read ({error.strerror})") from None
        if len(content) > LARGEST_IMAGE:
            raise UnusableImageError(path, "is larger than any image")
        return content

    def _make_folder(self) -> None:
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CompileError(
                f"cannot keep compiled code in {self.root} ({error.strerror}): "
                "set XDG_CACHE_HOME to a writable folder"
            ) from None

    def _hold(self) -> None:
        """Mark the folder as used now, and keep others from pruning it for as long as this store lives."""
        with contextlib.suppress(OSError):
            if self._held is None or not os.path.samestat(os.fstat(self._held), self.folder.stat()):
                number = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
                weakref.finalize(self, os.close, number)
                fcntl.flock(number, fcntl.LOCK_SH)
                self._held = number
            os.utime(self._held)

    def _prune(self) -> None:
        """Remove the folders of other digests that nobody has used for long."""
        others = []
        for folder in self.root.iterdir():
            with contextlib.suppress(OSError):
                if FOLDER_NAME.fullmatch(folder.name) and folder != self.folder:
                    others.append((folder.lstat().st_mtime, folder))
        for _, folder in sorted(others, reverse=True)[KEPT_FOLDERS:]:
            with contextlib.suppress(OSError):
                _remove_unused(folder)

    def _compile(self, specs: Sequence[Spec], progress: Progress | None) -> None:
        room = memory_limit().free // COMPILER_MEMORY
        jobs = max(1, min(usable_cpus(), room, len(specs)))
        done, compilers = 0, list[Child]()
        try:
            for job in range(jobs):
                compilers.append(self._start(specs[job::jobs]))
            for compiler, name in follow(compilers):
                if not name:
                    _check(*compiler.wait())
                    continue
                done += 1
                if progress:
                    progress(done, len(specs), name)
        finally:
            for compiler in compilers:
                compiler.end()

    def _start(self, specs: Sequence[Spec]) -> Child:
        request = json.dumps([to_json(spec) for spec in specs])
        command = [sys.executable, "-m", "model.kernel", str(os.getpid()), str(self.root), self.cpu]
        environment = {
            **os.environ,
            "PYTHONPATH": str(MODEL.parent),
            # It would reserve memory for a thread per CPU, and nobody computes with it there.
            "OPENBLAS_NUM_THREADS": "1",
        }
        try:
            # In a folder of ours there is no .numba_config.yaml, and no other `model` to import.
            return Child([*command, self.digest, request], environment, self.folder)
        except OSError as error:
            raise CompileError(f"cannot start a compiler: {error.strerror}") from None


def _check(status: int, said: Sequence[str]) -> None:
    """Say how a compiler failed, if it did."""
    if status == 0:
        return
    refused = status == BAD_INPUT and len(said) > 0
    how = said[-1].partition(": ")[2] if refused else f"the compiler {how_it_ended(status, said)}"
    limit = address_space_limit()
    if limit is not None and (not refused or "memory" in how):
        how += f"; the address space is limited to {limit >> 20} MiB: raise that limit (ulimit -v)"
    raise CompileError(f"compiling the free path failed: {how}")


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_owner(place: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CompileError(f"{place} could have been written by another user: delete it and run again")


def _give_up(fault: UnusableImageError) -> None:
    """Say that a file is replaced; a folder in its place has to go first."""
    if isinstance(fault, MissingImageError):
        return
    note(f"{fault.path} {fault.why}: compiling it again")
    if fault.path.is_dir() and not fault.path.is_symlink():
        try:
            fault.path.rmdir()
        except OSError as error:
            raise CompileError(
                f"{fault.path} is a folder ({error.strerror}), where compiled code should be: remove it"
            ) from None


def _remove_unused(folder: Path) -> None:
    """Remove a folder of ours, unless it is in use or was within a day."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        # Whoever uses it holds it; and who comes next waits here, and finds it gone.
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(number)
        if status.st_uid == os.geteuid() and time.time() - status.st_mtime > KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(number)
