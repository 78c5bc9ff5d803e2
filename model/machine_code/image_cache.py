"""Compiled images on disk: found by a digest of everything that shapes them.

The bytes are executed, so a file is used only if it belongs to this user, matches its own checksum, and
holds the image that was requested.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from model.common.errors import CompileError
from model.common.files import lock, sync_folder
from model.machine_code.image import Code, Site, Spec, to_json

CPU_NAME: Final = r"[\w.-]{1,40}"
FOLDER_NAME: Final = re.compile(rf"[0-9a-f]{{16}}-{CPU_NAME}")
LARGEST_IMAGE: Final = 16 << 20
KEPT_FOLDERS: Final = 4
"""Folders of other digests that are kept at least: sources are often changed back."""
KEPT_S: Final = 86400.0
"""Seconds since its last use for which every such folder is kept."""


KEPT: Final[dict[tuple[str, Spec, str], Code]] = {}
"""Checksum of the content, spec and CPU -> an image that this process keeps, or that it was forked with."""


class UnusableImageError(CompileError):
    """A file of the cache that does not hold the requested image.

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


class Cache:
    """Compiled images of one CPU target, in a folder that only the user can write.

    Parameters
    ----------
    folder
        The cache, of all digests.
    cpu
        LLVM's name of the CPU to compile for.
    digest
        What the code is made from.

    Raises
    ------
    CompileError
        When no CPU can have that name.
    """

    def __init__(self, folder: Path, cpu: str, digest: str) -> None:
        if not re.fullmatch(CPU_NAME, cpu):
            raise CompileError(f"LLVM knows no CPU called {cpu!r}: try x86-64, x86-64-v3 or znver4")
        self.root = folder.absolute()
        self.cpu = cpu
        self.digest = digest
        self.folder = self.root / f"{self.digest}-{cpu}"
        self.expected: dict[str, str] = {}
        self._locked: int | None = None

    def path(self, spec: Spec) -> Path:
        """File of one image."""
        return self.folder / f"{spec.kernel}.{spec.name}.json"

    def missing(self, specs: Iterable[Spec]) -> list[Spec]:
        """The images that have to be compiled, each once; a damaged one counts as missing."""
        return list(self.faults(specs))

    def load(self, spec: Spec) -> Code:
        """Read one image.

        Raises
        ------
        UnusableImageError
        """
        return self._read(spec)

    def sums(self, specs: Iterable[Spec]) -> dict[str, str]:
        """SHA-256 of each image, by name, which a parent sends to its workers."""
        return {spec.name: _sum(self._content(spec)) for spec in dict.fromkeys(specs)}

    def expect(self, sums: Mapping[str, str]) -> None:
        """From now on load only images with these sums, and compile none.

        Without sums (a worker that was started by hand) nothing is checked.
        """
        self.expected = dict(sums)

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

    def faults(self, specs: Iterable[Spec]) -> dict[Spec, UnusableImageError]:
        """What is wrong with the images that cannot be used."""
        faults = {}
        for spec in dict.fromkeys(specs):
            try:
                self._read(spec)
            except UnusableImageError as error:
                faults[spec] = error
        return faults

    def _read(self, spec: Spec) -> Code:
        content = self._content(spec)
        found = _sum(content)
        if self.expected and self.expected.get(spec.name) != found:
            raise UnusableImageError(self.path(spec), "holds other code")
        if known := KEPT.get((found, spec, self.cpu)):
            return known
        try:
            data = json.loads(content)
            if data["spec"] != to_json(spec) or data["cpu"] != self.cpu:
                raise ValueError(f"it holds {data['spec']} for {data['cpu']}")
            return Code(
                spec=spec,
                cpu=self.cpu,
                code=bytes.fromhex(data["code"]),
                functions={name: (at, size) for name, (at, size) in data["functions"].items()},
                sites=tuple(Site(*entry) for entry in data["jump_table"]),
                points=tuple((at, key) for at, key in data["points"]),
                branches=tuple((at, target) for at, target in data["branches"]),
                references=tuple((at, end, to) for at, end, to in data.get("references", ())),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnusableImageError(self.path(spec), f"is damaged ({error})") from None

    def keep(self, spec: Spec) -> Code:
        """Read one image for this process and those that are forked from it: they take the same object.

        A process reads the file anyway, and takes what is kept only of that content.

        Raises
        ------
        UnusableImageError
        """
        code = self._read(spec)
        KEPT[_sum(self._content(spec)), spec, self.cpu] = code
        return code

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
        """A file's bytes. They are executed, so the file must not be writable by other users."""
        try:
            _check_owner(path.parent, path.parent.stat())
            # A pipe in a file's place must not block us until somebody writes.
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

    def make_folder(self) -> None:
        """Make the folder of this digest; readable by nobody else.

        Raises
        ------
        CompileError
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CompileError(
                f"cannot keep compiled code in {self.root} ({error.strerror}): "
                "set XDG_CACHE_HOME to a writable folder"
            ) from None

    def hold(self) -> None:
        """Mark the folder as used now, and lock it against pruning for as long as this store lives."""
        with contextlib.suppress(OSError):
            if self._locked is None or not os.path.samestat(os.fstat(self._locked), self.folder.stat()):
                number = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
                weakref.finalize(self, os.close, number)
                self._locked = number
                # Where the file system has no locks, no process prunes either.
                lock(number, fcntl.LOCK_SH)
            os.utime(self._locked)

    def prune(self) -> None:
        """Remove the folders of other digests that were not used for long."""
        others = []
        for folder in self.root.iterdir():
            with contextlib.suppress(OSError):
                if FOLDER_NAME.fullmatch(folder.name) and folder != self.folder:
                    others.append((folder.lstat().st_mtime, folder))
        for _, folder in sorted(others, reverse=True)[KEPT_FOLDERS:]:
            with contextlib.suppress(OSError):
                _remove_unused(folder)


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_owner(place: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CompileError(f"{place} could have been written by another user: delete it and run again")


def _remove_unused(folder: Path) -> None:
    """Remove a folder of ours, unless it is in use or was within a day."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        # A user of the folder holds its lock; the next one waits for this lock, and finds no folder.
        if lock(number) is not None:
            return
        status = os.fstat(number)
        if status.st_uid == os.geteuid() and time.time() - status.st_mtime > KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(number)
