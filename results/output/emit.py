"""Output of a command: `-o OUT`, or standard output, which may be a terminal."""

import argparse
import sys
from collections.abc import Iterable

from model.common.files import STANDARD, write_new
from model.common.streams import prose


def emit_lines(lines: Iterable[str], args: argparse.Namespace) -> None:
    """Emit lines of text; on a terminal, long ones are broken between words, but not those of Markdown."""
    text = "".join(f"{line}\n" for line in lines)
    emit(prose(text) if to_terminal(args) and args.format != "markdown" else text, args)


def to_terminal(args: argparse.Namespace) -> bool:
    """Whether the text goes to a terminal, not to a file or a pipe."""
    return args.output in (None, STANDARD) and sys.stdout.isatty()


def emit(text: str, args: argparse.Namespace) -> None:
    """Write it to OUT, or to standard output."""
    write_new(STANDARD if args.output is None else args.output, text, replace=args.force)
