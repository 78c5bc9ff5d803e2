"""Files of users and strangers: written whole or not at all, read once and up to a limit.

Writing replaces no file unless `replace` is set, and leaves none in part: the content goes to a temporary
file beside the target, to the disk, and then gets the target's name.
"""

import contextlib
import errno
import fcntl
import gzip
import io
import os
import secrets
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from model.common.errors import FileError
from model.common.streams import say

STANDARD: Final = "-"
"""Name of standard input or standard output."""
GZIP_MAGIC: Final = b"\x1f\x8b"
CHUNK: Final = 1 << 20
HELD: Final = (errno.EWOULDBLOCK, errno.EACCES)
"""Errors of flock where another process has the lock; any other means a file system without locks."""


def write_new(path: Path | str, content: str | bytes, *, replace: bool = False) -> None:
    """Write a file as a whole; text as UTF-8, and packed if the name ends in `.gz`.

    A link is followed, so that it stays one. A pipe or a device is written to, never replaced; `-` is
    standard output, to which text goes in its own encoding.

    Parameters
    ----------
    replace
        Put it in the place of a file that exists, with that file's permissions.

    Raises
    ------
    FileError
        When the file exists and is not to be replaced, or cannot be written; what was there stays as it was.
    """
    path = Path(path)
    if str(path) == STANDARD:
        say(content)
        return
    # Half of a surrogate pair, which JSON may hold, is no character and cannot be written.
    data = content.encode(errors="replace") if isinstance(content, str) else content
    try:
        if _is_stream(path):
            path.write_bytes(data)
        else:
            # No time stamp: the same content gives the same bytes.
            packed = gzip.compress(data, mtime=0) if path.suffix == ".gz" else data
            _write_whole(path.resolve() if path.is_symlink() else path, packed, replace)
    except FileExistsError:
        raise FileError(f"{path} exists: choose another name, or --force") from None
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror}") from None


def check_target(path: Path | str, *, replace: bool = False) -> None:
    """Refuse what `write_new` would refuse later, by making and removing a file there.

    Raises
    ------
    FileError
    """
    path = Path(path)
    if str(path) == STANDARD:
        return
    try:
        if _is_stream(path):
            return
        if path.is_dir():
            raise FileError(f"cannot write {path}: it is a folder")
        if path.exists() and not replace:
            raise FileExistsError
        # The checks above may fail as well: a name may be too long for the file system.
        with _temporary((path.resolve() if path.is_symlink() else path).parent):
            pass
    except FileExistsError:
        raise FileError(f"{path} exists: choose another name, or --force") from None
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror}") from None


def read_bounded(path: Path | str, most: int) -> bytes:
    """The content of a file or pipe, unpacked if it is gzip; `-` is standard input.

    Parameters
    ----------
    most
        Bytes; a longer file is refused without reading more of it.

    Raises
    ------
    FileError
    """
    try:
        with _opened(Path(path)) as stream:
            data = _read_up_to(stream, most, path)
        return _unpacked(data, most, path) if data[:2] == GZIP_MAGIC else data
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise FileError(f"{path} is damaged: it is packed with gzip, and cannot be unpacked") from None
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise FileError("cannot read a file whose name has a zero byte") from None


def user_cache() -> Path | None:
    """Where freepath keeps what it can make again; None for a user without a home."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # neither $HOME nor an entry in the password file
        return None
    return Path(base) / "freepath"


def lock(number: int, how: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> str | None:
    """Lock an open file or folder for as long as it is open.

    Parameters
    ----------
    how
        As flock(2) has it; alone and without waiting by default.

    Returns
    -------
    None once it is locked; where the file system has no locks, the system's message for ENOSYS, ENOLCK or
    EOPNOTSUPP.

    Raises
    ------
    BlockingIOError
        When another process has it.
    """
    try:
        fcntl.flock(number, how)
    except OSError as error:
        if error.errno in HELD:
            raise BlockingIOError(error.errno, error.strerror) from None
        return str(error.strerror)
    return None


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where the file system can."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _is_stream(path: Path) -> bool:
    """Whether this is something to write to rather than a file to make."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def _write_whole(target: Path, data: bytes, replace: bool) -> None:
    with _temporary(target.parent) as (name, stream):
        stream.write(data)
        stream.flush()
        with contextlib.suppress(OSError):  # FAT and many a network's file system have no permissions to set
            os.fchmod(stream.fileno(), _mode_for(target))
        os.fsync(stream.fileno())
        if replace:
            name.replace(target)
        else:
            _name_new(name, target)
    sync_folder(target.parent)


def _name_new(name: Path, target: Path) -> None:
    """Give a file a name that does not exist yet; link(2) fails where it does, rename(2) would not."""
    try:
        os.link(name, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if target.exists():
            raise FileExistsError from None
        name.replace(target)


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file with a short name of its own; it is gone afterwards unless it got another name."""
    # The name is known before the file is there, so that nothing is left whenever a signal comes.
    name = folder / f".freepath-{secrets.token_hex(8)}"
    try:
        # For this user alone until it is complete: the file that it replaces may be.
        with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            yield name, stream
    finally:
        name.unlink(missing_ok=True)


def _mode_for(target: Path) -> int:
    """Permissions of the file that is replaced, or what this user's new files get."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if str(path) == STANDARD:
        yield sys.stdin.buffer
        return
    with path.open("rb", buffering=0) as stream:
        yield stream


def _read_up_to(stream: Any, most: int, path: Path | str) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := stream.read(CHUNK):
        parts.append(part)
        size += len(part)
        if size > most:
            raise _too_long(path, most)
    return b"".join(parts)


def _unpacked(data: bytes, most: int, path: Path | str) -> bytes:
    with gzip.open(io.BytesIO(data)) as stream:
        return _read_up_to(stream, most, path)


def _too_long(path: Path | str, most: int) -> FileError:
    return FileError(f"{path} is larger than {most >> 20} MiB: no file of freepath is")
