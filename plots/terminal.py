"""`python -m plots.terminal TRANSCRIPT -o FILE.svg`: the output of a command as a picture of a terminal.

`make picture` makes README's picture of `make run` with it. The SVG holds text, and loads no font from a
server.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from model.common.command import leave, run
from model.common.errors import FileError
from model.common.files import check_target, write_new
from model.common.parser import Parser

COLUMNS: Final = 84
LARGEST: Final = 100_000
"""Largest transcript, bytes: a picture holds a screen or two."""
SVG: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Template that Rich fills in; its own loads a font from a server."""


def drawn(transcript: str, title: str) -> str:
    """A transcript as an SVG document.

    Parameters
    ----------
    transcript
        Plain text; of a line that was overwritten (a carriage return), only the last state is drawn.
    title
        The window's title, for instance the command.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, file=io.StringIO(), width=COLUMNS, force_terminal=True, highlight=False)
    for line in transcript.rstrip("\n").split("\n"):
        console.print(Text(line.rpartition("\r")[2]), overflow="fold")
    return console.export_svg(title=title, code_format=SVG, unique_id="terminal")


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run("python -m plots.terminal", lambda: _command(argv))


def _command(argv: Sequence[str]) -> int:
    parser = Parser(prog="python -m plots.terminal", description=__doc__)
    parser.add_argument("transcript", metavar="TRANSCRIPT", help="a text file: what the command printed")
    parser.add_argument("--title", default="make run")
    parser.add_argument("-o", "--output", metavar="OUT", required=True)
    parser.add_argument("--force", action="store_true", help="overwrite OUT")
    args: argparse.Namespace = parser.parse_args(argv)
    check_target(args.output, replace=args.force)
    content = Path(args.transcript).read_bytes()
    if len(content) > LARGEST:
        raise FileError(f"{args.transcript} is longer than a screen: {len(content)} bytes")
    write_new(args.output, drawn(content.decode(errors="replace"), args.title), replace=args.force)
    return 0


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
