"""Compiled images, made where they are missing: a separate process compiles, all others load bytes.

Numba's own cache does not see an edit in a callee's file, and a process that uses it must import Numba
(0.3 s). docs/decisions/0001 has the figures.
"""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Final

from model.common.command import BAD_INPUT
from model.common.errors import CompileError, UnsupportedCPUError
from model.common.files import user_cache
from model.common.limits import address_space_limit, check_address_space, memory_limit, usable_cpus
from model.common.process import Child, follow, how_it_ended, python_path
from model.common.streams import note
from model.kernels.kernel_file.image import FileImage
from model.kernels.user_variants.added import as_plain
from model.machine_code.image import Code, Spec, to_json
from model.machine_code.image_cache import Cache, MissingImageError, UnusableImageError
from model.machine_code.region import Region

MODEL: Final = Path(__file__).parent.parent
DEFAULT_CPU: Final = "x86-64"
"""Distribution kernels are compiled for the oldest x86-64, so this is what the path runs as."""
SHAPELESS: Final = frozenset({"common", "vocabulary", "vmlinux"})
"""Rooms of model/ in which nothing shapes an instruction: files, streams, processes, words, kernel files."""
SETTINGS: Final = ("NUMBA_", "LLVMLITE_")
"""Prefixes of environment variables that may change compiled code, as NUMBA_OPT=0 does: all of them are part
of the digest."""
COMPILER_MEMORY: Final = 256 << 20
COMPILER_SPACE: Final = 768 << 20
"""Address space that a compiler must have, in bytes: it uses 460 MiB, and hangs or fails with less."""

Progress = Callable[[int, int, str], None]


def check_can_compile() -> None:
    """Refuse a machine or an environment on which the path cannot be what it claims.

    Raises
    ------
    UnsupportedCPUError
        On another CPU than x86-64.
    CompileError
        When NUMBA_DISABLE_JIT is set, or compiled code may not run.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise UnsupportedCPUError(
            f"the compiled free path and its jump labels need x86-64, this is {platform.machine()}; "
            "what still works here: the memory-flag gate in the plain-Python oracle "
            "(model.kernels.v4_3.oracle), and reading runs from other machines "
            "(python -m results, python -m plots)"
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
    for source in sorted([*MODEL.rglob("*.py"), *MODEL.rglob("layout/*.json")]):
        if source.parent.name in SHAPELESS:
            continue
        hashed.update(source.relative_to(MODEL).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return hashed.hexdigest()[:16]


def default_folder() -> Path:
    """Where compiled images are kept for this user."""
    folder = user_cache()
    if folder is None:
        raise CompileError("this user has no home to keep compiled code in: set XDG_CACHE_HOME")
    return folder


class Store(Cache):
    """Compiled images of one CPU target, compiled on request.

    Parameters
    ----------
    folder
        The cache; by default `default_folder()`.
    cpu
        LLVM's name of the CPU to compile for.
    digest
        The parent's digest of sources and settings: a worker's environment may differ.

    Raises
    ------
    CompileError
        When no CPU can have that name.
    """

    def __init__(
        self, folder: Path | None = None, cpu: str = DEFAULT_CPU, *, digest: str | None = None
    ) -> None:
        super().__init__(folder or default_folder(), cpu, digest or digest_of(cpu))

    def load(self, spec: Spec) -> Code:
        """Read one image, compiling it first if it is missing."""
        self.hold()
        try:
            return super().load(spec)
        except UnusableImageError:
            self.ensure([spec])
            return super().load(spec)

    def ensure(self, specs: Iterable[Spec], progress: Progress | None = None) -> None:
        """Compile what is missing or damaged, on all cores, in processes of their own.

        Raises
        ------
        UnsupportedCPUError, CompileError
        """
        self.hold()
        faults = self.faults(specs)
        if not faults:
            return
        if self.expected:
            fault = next(iter(faults.values()))
            raise CompileError(
                f"{fault.path} is not the code that this run began with ({fault.why}): the sources or the "
                "cache changed meanwhile; run again, or go on with --resume"
            )
        check_can_compile()
        check_address_space(COMPILER_SPACE, "compiling")
        self.make_folder()
        self.hold()
        self.prune()
        for fault in faults.values():
            _give_up(fault)
        from_files = [spec for spec in faults if isinstance(spec, FileImage)]
        if compiled := [spec for spec in faults if spec not in from_files]:
            self._compile(compiled, progress)
        if from_files:
            self._cut(from_files)
        for fault in self.faults(faults).values():
            raise CompileError(f"{fault.path} {fault.why}, just after it was written: look at the disk")

    def _cut(self, specs: Sequence[Spec]) -> None:
        """Take images out of kernel files: nothing is compiled but the loops around them."""
        from model.kernels.kernel_file.known import LOOPS, make

        loops = self.load(LOOPS)
        for spec in specs:
            self.save(spec, {"spec": to_json(spec), "cpu": self.cpu, **make(spec, loops)})

    def _compile(self, specs: Sequence[Spec], progress: Progress | None) -> None:
        room = memory_limit().free // COMPILER_MEMORY
        jobs = max(1, min(usable_cpus(), room, len(specs)))
        done, compilers = 0, list[Child]()
        # A compiler's first image of a kernel version takes as long as six more.
        together = sorted(specs, key=lambda spec: spec.kernel)
        ends = [len(specs) * job // jobs for job in range(jobs + 1)]
        try:
            for start, end in pairwise(ends):
                compilers.append(self._start(together[start:end]))
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
        request = json.dumps({"specs": [to_json(spec) for spec in specs], "own": as_plain()})
        command = [sys.executable, "-m", "model.kernels", str(os.getpid()), str(self.root), self.cpu]
        environment = {
            **os.environ,
            "PYTHONPATH": python_path(MODEL.parent),
            # OpenBLAS would reserve memory for a thread per CPU, and is not used there.
            "OPENBLAS_NUM_THREADS": "1",
        }
        try:
            # Our own folder has no .numba_config.yaml, and no other package `model`.
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


def _give_up(fault: UnusableImageError) -> None:
    """Say that a file is replaced; a folder in its place is removed first."""
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
