"""What all commands have in common: streams, one-line errors, exit statuses.

0    done
1    a finding: a regression, a failed claim, a missed target
2    bad input, or something that cannot be done here; one line on stderr says what to do
3    could not tell, where a command has `--strict`
70   a defect of freepath (EX_SOFTWARE of sysexits.h), so that a crash is never taken for a finding
128+n  ended by signal n
"""

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

from model.common.errors import FreepathError, UsageError
from model.common.signals import Ended, ignore_signals, meet_end, raise_on_signals, restore_signals

if TYPE_CHECKING:
    from rich.console import Console

BAD_INPUT: Final = 2
CANNOT_TELL: Final = 3
DEFECT: Final = 70
SEPARATOR: Final = 2
"""Blanks between two columns of a table."""
INTERRUPTED: Final = 130
OURS: Final = ("model", "benchmarks", "results", "plots")
"""Packages of freepath; any other is installed by make setup."""
MOMENT_S: Final = 0.01


def run(name: str, command: Callable[[], int], *, signals: bool = True) -> int:
    """Run a command; returns the exit status. No exception leaves here.

    Parameters
    ----------
    name
        As the user called it: `python -m results`.
    signals
        Handle the signals that end a command; without it they have their default effect.
    """
    usual, before = sys.unraisablehook, {}
    try:
        if signals:
            sys.unraisablehook = partial(_end_again, usual)
            before = raise_on_signals()
        return _run(name, command)
    except Ended as end:
        Ended.asked = None  # release the frames that it was raised in, with their objects
        return end.status
    finally:
        if signals:
            signal.setitimer(signal.ITIMER_REAL, 0)
            sys.unraisablehook = usual
            restore_signals(before)


def guard(name: str) -> None:
    """Give a crash during imports, before `run`, the exit status that it would have inside."""

    def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            leave(_complain_of(error, name))

    sys.excepthook = crashed


def leave(status: int) -> NoReturn:
    """End the process; signals are ignored now, since they would only change the exit status."""
    ignore_signals()
    sys.exit(status)


def _end_again(usual: Callable[[Any], object], dropped: "sys.UnraisableHookArgs") -> None:
    """Raise `Ended` once more where Python dropped it, as it drops what is raised in a callback."""
    end = dropped.exc_value
    if not isinstance(end, Ended):
        usual(dropped)
        return

    def again(number: int, frame: FrameType | None) -> None:
        raise end

    signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, MOMENT_S)


def _run(name: str, command: Callable[[], int]) -> int:
    """Turn what the command raises into a message and an exit status, except the end by a signal."""
    prepare_streams()
    status = 0
    try:
        status = _status(command)
        say("")
        meet_end()
        return status
    except BrokenPipeError:
        forget(sys.stdout)  # the reader has gone, as `head` does: the exit status stays
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException as error:  # a panic in Rust is no Exception
        if Ended.asked:
            raise Ended.asked from None
        return _complain_of(error, name)


def _complain_of(error: BaseException, name: str) -> int:
    """Say what went wrong; returns the exit status."""
    match error:
        case FreepathError():
            return complain(name, str(error), error.shown)
        case MemoryError():
            return complain(name, "not enough memory")
        case ImportError() if (error.name or "").partition(".")[0] not in OURS:
            why = f"{error.__cause__ or error}".strip().partition("\n")[0]
            advice = "make setup, then use .venv/bin/python or ./freepath"
            return complain(name, f"{sys.executable} lacks what freepath needs ({why}): {advice}")
        case OSError():
            forget(sys.stdout)
            return complain(name, f"{_what_failed(error)}: {error.strerror or error}")
    with contextlib.suppress(OSError):
        traceback.print_exception(error)
    note(f"{name}: this is a defect of freepath; please report the lines above")
    return DEFECT


def _what_failed(error: OSError) -> str:
    """The file that cannot be used, or the function whose system call was refused."""
    if error.filename is not None:
        return f"cannot use {error.filename}"
    frames = traceback.extract_tb(error.__traceback__)
    where = (
        f"{frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else "a call"
    )
    return f"the system refuses {where}"


def _status(command: Callable[[], int]) -> int:
    """Exit status of a command that may call exit, as argparse does for --help."""
    try:
        return command()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0


class Parser(argparse.ArgumentParser):
    """Parser without abbreviated options, with errors of one line, and with help that `head` may cut."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)
        self.color = False  # from Python 3.14 on help would be coloured, with FORCE_COLOR in a pipe as well

    def error(self, message: str) -> NoReturn:
        """Raise it for `run` to print."""
        raise UsageError(f"{message}; {self.prog} --help lists what there is")

    def print_help(self, file: Any = None) -> None:
        """Print the help."""
        say(self.format_help())


def complain(name: str, message: str, shown: Iterable[str] = ()) -> int:
    """One line on stderr, and what it shows below it; returns the exit status for bad input."""
    note(f"{name}: {message}")
    for line in shown:
        note(f"  {line}")
    return BAD_INPUT


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


@contextlib.contextmanager
def console(wide: int) -> "Iterator[Console]":
    """A Rich console on standard output; its text is printed when the block ends.

    Parameters
    ----------
    wide
        Columns when standard output is no terminal.
    """
    from rich.console import Console

    terminal = sys.stdout.isatty()
    drawn = Console(highlight=False, markup=False, emoji=False, force_terminal=forced(terminal))
    if not terminal:
        drawn.width = wide
    with drawn.capture() as captured:
        yield drawn
    say(captured.get())


def forced(terminal: bool) -> bool | None:
    """`force_terminal` of a Rich console: on a terminal Rich finds its abilities itself.

    Elsewhere False, also with FORCE_COLOR or TTY_COMPATIBLE: a file or a pipe has no width and interprets no
    escape sequence.
    """
    return None if terminal else False


def that_fit(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, spare: Sequence[str]
) -> list[int]:
    """Which columns of a table a terminal has room for.

    Parameters
    ----------
    width
        Of the terminal.
    spare
        Headings of columns that may be left out, in this order.
    """
    needed = {
        heading: SEPARATOR + max(len(text) for text in (heading, *(row[at] for row in rows)))
        for at, heading in enumerate(headings)
    }
    for heading in spare:
        if sum(needed.values()) <= width:
            break
        del needed[heading]
    return [at for at, heading in enumerate(headings) if heading in needed]


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


def note(text: str) -> None:
    """Print one line on stderr; a closed stderr is no error."""
    try:
        line = printable(text)
        if sys.stderr.isatty():
            line = "\n".join(_broken(line, shutil.get_terminal_size().columns))
        print(line, file=sys.stderr, flush=True)
    except OSError:
        forget(sys.stderr)


def spelled(*arguments: str) -> str:
    """A command quoted for the shell: `.venv/bin/python -m results show 'my run.json'`."""
    return shlex.join([_python(), *arguments])


def _python() -> str:
    """Name of this Python in a command: `python` where that is this one, else its path, shortest form."""
    python = shutil.which("python")
    if python and Path(python).absolute() == Path(sys.executable).absolute():
        return "python"
    folder = Path.cwd()
    executable = Path(sys.executable)
    return str(executable.relative_to(folder) if executable.is_relative_to(folder) else executable)


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
