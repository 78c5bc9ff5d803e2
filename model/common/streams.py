"""Standard output and standard error: also closed ones, full disks, readers that have gone."""

import contextlib
import os
import shutil
import sys
import textwrap
from typing import IO

from model.common.errors import UsageError


def say(content: str | bytes) -> None:
    """Print text unchanged. A reader that has gone does not change the exit status.

    Raises
    ------
    UsageError
        When standard output cannot take it, for instance because a disk is full.
    """
    try:
        if isinstance(content, bytes):
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
        else:
            sys.stdout.write(content)
        sys.stdout.flush()
    except BrokenPipeError:
        forget(sys.stdout)
    except OSError as error:
        forget(sys.stdout)
        raise UsageError(f"cannot write standard output: {error.strerror}") from None


def note(text: str) -> None:
    """Print one line on stderr; a closed stderr is no error."""
    try:
        line = printable(text)
        if sys.stderr.isatty():
            line = "\n".join(_broken(line, shutil.get_terminal_size().columns))
        print(line, file=sys.stderr, flush=True)
    except OSError:
        forget(sys.stderr)


def prose(text: str) -> str:
    """Text whose long lines are broken between words, where standard output is a terminal that needs it."""
    if not sys.stdout.isatty():
        return text
    columns = shutil.get_terminal_size().columns
    return "".join(f"{part}\n" for line in text.splitlines() for part in _broken(line, columns))


def _broken(line: str, columns: int) -> list[str]:
    if len(line) <= columns:
        return [line]
    indent = line[: len(line) - len(line.lstrip())] + "    "
    # A path or a command stays whole: it is to be pasted.
    breaking = textwrap.TextWrapper(
        columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return breaking.wrap(line)


def prepare_streams() -> None:
    """Open closed streams on /dev/null, and escape characters that a terminal cannot show."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 (it stays open)
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def forget(stream: IO[str]) -> None:
    """Redirect the rest of a stream to /dev/null, so that Python's last flush does not fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def printable(text: str) -> str:
    """Text on one line, with control characters escaped: it may come from a stranger's file."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
