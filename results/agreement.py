"""`python -m results.agreement [DIR]`: how far two seeds of one run agree.

Of two runs that differ in the seed, 95 % of the differences should lie within their joint 95 % interval.
Those beyond are listed, and so are cells on whose verdict the seeds do not agree: that verdict is undecided.
Exit status 1 where fewer than 95 % agree.

For example:
  python -m results.agreement                        the runs that are published and kept
  python -m results.agreement results/runs/figures   a folder of make figures
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from model.common.command import leave, run
from model.common.parser import Parser
from model.common.streams import say
from results.kept.agreement import exit_status, lines, of_folder, of_kept

NAME: Final = "python -m results.agreement"


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run(NAME, lambda: _command(argv))


def _command(argv: Sequence[str]) -> int:
    parser = Parser(prog=NAME, description=__doc__)
    about = "folder of make figures; by default what is published and kept"
    parser.add_argument("folder", metavar="DIR", nargs="?", help=about)
    args = parser.parse_args(argv)
    found = list(of_folder(Path(args.folder)) if args.folder else of_kept())
    say("".join(f"{line}\n" for line in lines(found)))
    return exit_status(found)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
