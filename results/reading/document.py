"""Read an untrusted document: once, bounded, and checked before it is used."""

import json
import os
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from model.common.errors import FileError
from model.common.files import STANDARD, read_bounded
from model.vocabulary.formats import MOST_BYTES
from results.reading import formats

MAX_PARTS: Final = 16 << 20
"""Most values, lists and objects of a document: each takes up to 64 bytes, and 256 MiB of `[],` 5 GiB."""
READ: Final = ("run", "census")
"""Formats that are read back."""
ENDLESS: Final = frozenset(range(32)) - frozenset(b"\t\n\r\x1f")
"""First bytes of no text and no gzip file: /dev/zero is endless and begins with one."""


class BadRunError(FileError):
    """The file is no run of freepath, or no census; the message says why and what to do."""


def read_json(path: str | Path) -> Any:
    """A JSON document, unpacked if need be; a run or a census as their schemas say.

    Raises
    ------
    BadRunError
    """
    source = Path(path)
    try:
        _refuse_folder(source)
        _refuse_endless(source)
        data = read_bounded(source, MOST_BYTES)
    except OSError as error:
        raise BadRunError(f"cannot read {path}: {error.strerror}") from None
    except FileError as error:
        raise BadRunError(str(error)) from None
    return document_in(data, path)


def document_in(data: bytes, path: str | Path) -> Any:
    """The document in a file's content, unpacked, as `read_json` gives it; the path is for messages.

    Raises
    ------
    BadRunError
    """
    try:
        document = _parsed(data)
        name = formats.format_of(document)
        wrong = formats.fault(document, name) if name in READ else None
    except RecursionError:
        raise BadRunError(f"{path} is no JSON (nested too deeply): {_wanted()}") from None
    except ValueError as error:
        raise BadRunError(f"{path} is no JSON ({error}): {_wanted()}") from None
    if wrong:
        raise BadRunError(f"{path}: {wrong}")
    return document


def _wanted() -> str:
    return f"expected a file of {formats.MADE_BY['run']}"


def _parsed(data: bytes) -> Any:
    """Untrusted bytes as a document: UTF-8, no name twice in an object, and not too large."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES >> 20} MiB")
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_PARTS:
        raise ValueError(f"more than {MAX_PARTS} values")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not in UTF-8") from None
    return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{formats.shown(twice)} twice in an object")
    return members


def _refuse_folder(path: Path) -> None:
    if str(path) != STANDARD and path.is_dir():
        raise FileError(
            f"cannot read {path}: a folder without plan.json is no interrupted run; name a file in it"
        )


def _refuse_endless(path: Path) -> None:
    """Refuse by the first byte a device that may not end; standard input loses no byte."""
    if str(path) == STANDARD:
        first = sys.stdin.buffer.peek(1)[:1] if hasattr(sys.stdin.buffer, "peek") else b""
    elif stat.S_ISCHR(path.stat().st_mode):
        with path.open("rb", buffering=0) as device:
            first = b"" if os.isatty(device.fileno()) else device.read(1)
    else:
        return
    if first and first[0] in ENDLESS:
        raise FileError(f"{path} is no JSON: it begins with byte {first[0]}")


@contextmanager
def regular(path: str | Path) -> Iterator[Path]:
    """The path of a regular file with the same content, which can be read more than once.

    A file or folder keeps its path; standard input, a pipe or a device is copied, and the copy is deleted.

    Raises
    ------
    BadRunError
    """
    source = Path(path)
    stream = str(source) == STANDARD or source.is_relative_to("/dev") or source.is_relative_to("/proc")
    if not stream and (source.is_file() or source.is_dir() or not source.exists()):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="freepath-") as folder:
        copy = Path(folder) / ("standard-input" if str(source) == STANDARD else source.name)
        try:
            _refuse_endless(source)
            copy.write_bytes(read_bounded(source, MOST_BYTES))
        except OSError as error:
            raise BadRunError(f"cannot read {path}: {error.strerror}") from None
        except FileError as error:
            raise BadRunError(str(error)) from None
        yield copy
