"""What every command does alike: its streams, its one-line errors, its exit status.

0    done
1    a finding: a regression, a failed claim, a missed target
2    bad input, or something that cannot be done here; one line on stderr says what to do
3    could not tell, where a command has `--strict`
70   a defect of freepath (EX_SOFTWARE of sysexits.h), so that a crash is never taken for a finding
128+n  ended by signal n
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import Final

from model.common.errors import FreepathError, UsageError

BAD_INPUT: Final = 2
CANNOT_TELL: Final = 3
DEFECT: Final = 70
INTERRUPTED: Final = 130


def run(name: str, command: Callable[[], int]) -> int:
    """Run a command; returns the exit status. Nothing that it can raise leaves here.

    Parameters
    ----------
    name
        As the user called it: `python -m results`.
    """
    prepare_streams()
    try:
        status = command()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        forget_stdout()  # the reader has gone, as `head` does: nothing to complain about
        return 0
    except FreepathError as error:
        return complain(name, str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        return complain(name, "not enough memory")
    except OSError as error:
        where = f" {error.filename}" if error.filename else " standard output"
        forget_stdout()
        return complain(name, f"cannot use{where}: {error.strerror or error}")
    except Exception:
        traceback.print_exc()
        print(f"{name}: this is a defect of freepath; please report the lines above", file=sys.stderr)
        return DEFECT


def complain(name: str, message: str) -> int:
    """One line on stderr; returns the exit status for bad input."""
    print(f"{name}: {printable(message)}", file=sys.stderr)
    return BAD_INPUT


def say(text: str) -> None:
    """Print text as it stands. A reader that has gone changes nothing about a command's exit status.

    Raises
    ------
    UsageError
        When standard output cannot take it, for instance because a disk is full.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        forget_stdout()
    except OSError as error:
        forget_stdout()
        raise UsageError(f"cannot write standard output: {error.strerror}") from None


def prepare_streams() -> None:
    """Give closed streams somewhere to go, and let a terminal show what it can of what it cannot."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 (it stays open)
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def forget_stdout() -> None:
    """Send the rest of standard output nowhere, so that Python does not complain when it flushes."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    """Text on one line, control characters shown and not obeyed: it may hold a stranger's words."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
