"""Compiled images on disk: found by a digest of everything that shapes them, made where they are missing.

Numba's own cache does not see an edit in a callee's file, and a process that uses it must import Numba
(0.3 s). Here a separate process compiles; everyone else loads bytes. docs/decisions/0001 has the figures.
"""

import hashlib
import json
import os
import platform
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from model.common.errors import CompileError, UnsupportedCPUError
from model.image import Spec, from_json, to_json
from model.text import Code, Site

MODEL: Final = Path(__file__).parent
DEFAULT_CPU: Final = "x86-64"
"""Distribution kernels are compiled for the oldest x86-64, so this is what the path runs as."""

Progress = Callable[[int, int, str], None]


def check_can_compile() -> None:
    """Refuse a machine or an environment on which the path cannot be what it claims.

    Raises
    ------
    UnsupportedCPUError
        On another CPU than x86-64.
    CompileError
        When Numba is told not to compile.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise UnsupportedCPUError(
            f"the compiled free path and its jump labels need x86-64, this is {platform.machine()}; "
            "what still works here: the memory-flag gate in the plain-Python oracle (model.oracle), and "
            "reading runs from other machines (python -m results, python -m plots)"
        )
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        raise CompileError("NUMBA_DISABLE_JIT is set, so nothing would be compiled: unset it and run again")


@cache
def digest_of(cpu: str) -> str:
    """Key of the cache: the model's sources, the compiler's versions, the CPU target."""
    hashed = hashlib.sha256()
    for part in (version("numba"), version("llvmlite"), sys.version, cpu):
        hashed.update(part.encode() + b"\0")
    for source in sorted(MODEL.rglob("*.py")):
        hashed.update(source.relative_to(MODEL).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return hashed.hexdigest()[:16]


def default_folder() -> Path:
    """Where compiled images are kept for this user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
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
    """

    def __init__(
        self, folder: Path | None = None, cpu: str = DEFAULT_CPU, *, digest: str | None = None
    ) -> None:
        self.root = folder or default_folder()
        self.cpu = cpu
        self.digest = digest or digest_of(cpu)
        self.folder = self.root / f"{self.digest}-{cpu}"
        self._expected: dict[str, str] = {}

    def path(self, spec: Spec) -> Path:
        """File of one image."""
        return self.folder / f"{spec.name}.json"

    def missing(self, specs: Iterable[Spec]) -> list[Spec]:
        """The images that have to be compiled, each once."""
        return [spec for spec in dict.fromkeys(specs) if not self.path(spec).exists()]

    def load(self, spec: Spec) -> Code:
        """Read one image, compiling it first if it is missing."""
        self.ensure([spec])
        return self._read(spec)

    def sums(self, specs: Iterable[Spec]) -> dict[str, str]:
        """SHA-256 of each image's file, by name: what a parent tells its workers to expect."""
        return {
            spec.name: hashlib.sha256(self.path(spec).read_bytes()).hexdigest()
            for spec in dict.fromkeys(specs)
        }

    def expect(self, sums: Mapping[str, str]) -> None:
        """From now on load only images with these sums."""
        self._expected = dict(sums)

    def ensure(self, specs: Iterable[Spec], progress: Progress | None = None) -> None:
        """Compile what is missing, on all cores, in processes of their own.

        Raises
        ------
        UnsupportedCPUError, CompileError
        """
        missing = self.missing(specs)
        if not missing:
            return
        check_can_compile()
        self._make_folder()
        jobs = min(os.cpu_count() or 1, len(missing))
        workers = [self._start(missing[job::jobs]) for job in range(jobs)]
        try:
            self._follow(workers, len(missing), progress)
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()

    def save(self, spec: Spec, compiled: dict[str, Any]) -> None:
        """Write one image; readers see all of it or nothing."""
        path = self.path(spec)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(compiled))
        temporary.replace(path)

    def _start(self, specs: Sequence[Spec]) -> subprocess.Popen[str]:
        request = json.dumps([to_json(spec) for spec in specs])
        command = [sys.executable, "-m", "model.kernel", str(self.root), self.cpu, request]
        # Without PYTHONPATH a worker started elsewhere would not find the checkout.
        environment = {**os.environ, "PYTHONPATH": str(MODEL.parent)}
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def _follow(self, workers: list[subprocess.Popen[str]], total: int, progress: Progress | None) -> None:
        done = 0
        for worker in workers:
            assert worker.stdout is not None and worker.stderr is not None
            for line in worker.stdout:
                done += 1
                if progress:
                    progress(done, total, line.strip())
            if worker.wait() != 0:
                lines = worker.stderr.read().strip().splitlines() or ["no message"]
                raise CompileError(f"compiling the free path failed: {lines[-1].rpartition('Error: ')[2]}")

    def _make_folder(self) -> None:
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CompileError(
                f"cannot keep compiled code in {self.root} ({error.strerror}): "
                "set XDG_CACHE_HOME to a writable folder"
            ) from None

    def _read(self, spec: Spec) -> Code:
        path = self.path(spec)
        self._check_owner(path)
        try:
            content = path.read_bytes()
            expected = self._expected.get(spec.name)
            if expected not in (None, hashlib.sha256(content).hexdigest()):
                raise CompileError(
                    f"{path} is not the code that this run began with: the sources or the cache changed "
                    "meanwhile; run again"
                )
            data = json.loads(content)
            return Code(
                spec=from_json(data["spec"]),
                cpu=data["cpu"],
                code=bytes.fromhex(data["code"]),
                functions={name: (at, size) for name, (at, size) in data["functions"].items()},
                sites=tuple(Site(*entry) for entry in data["jump_table"]),
                points=tuple((at, key) for at, key in data["points"]),
                branches=tuple((at, target) for at, target in data["branches"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CompileError(f"{path} is damaged ({error}): delete it and run again") from None

    def _check_owner(self, path: Path) -> None:
        """Code is executed, so nobody else may have been able to write it."""
        for place in (path, path.parent):
            status = place.stat()
            if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise CompileError(
                    f"{place} could have been written by another user: delete it and run again"
                )
