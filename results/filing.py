"""`python -m results.filing DIR`: keep the runs of `make figures`, and say what moved.

The headline's first seed becomes the machine's published run; all others go to results/reference under name,
core, date and seed, without host name and folders. What was kept of the same name and core is replaced.
A list of all that moved against what was published is written into DIR.

For example:
  python -m results.filing results/runs/figures
  python -m results.filing results/runs/figures --to elsewhere
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from model.common.command import leave, run
from model.common.errors import FileError
from model.common.files import write_new
from model.common.parser import Parser
from model.common.streams import say
from results.analysis.machines import FOLDER
from results.kept import moved
from results.kept.filing import MOVED, compared, file_all, measured
from results.reading.folder import REFERENCE

NAME: Final = "python -m results.filing"
FOLDERS: Final = ("machines", "reference")
"""Where runs go, below --to."""


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run(NAME, lambda: _command(argv))


def _command(argv: Sequence[str]) -> int:
    parser = Parser(prog=NAME, description=__doc__)
    parser.add_argument("folder", metavar="DIR", help="folder of make figures")
    about = "another folder than results, with machines and reference in it"
    parser.add_argument("--to", metavar="DIR", help=about)
    args = parser.parse_args(argv)
    folder = Path(args.folder)
    places = [Path(args.to) / name for name in FOLDERS] if args.to else [FOLDER, REFERENCE]
    found = measured(folder)
    comparisons = list(compared(found, *places))
    try:
        write_new(folder / MOVED, _text(moved.lines(comparisons, everything=True)), replace=True)
    except OSError as error:
        raise FileError(f"cannot write {folder / MOVED}: {error.strerror}") from None
    written = file_all(found, *places)
    say(_text(moved.lines(comparisons)))
    say(_text(f"kept: {path}" for path in written))
    return 0


def _text(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
