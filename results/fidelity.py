"""python -m results.fidelity FILE...: the model of a free beside kernel files, step by step.

Of each census: what one free executes and accesses, by step and by field, and what its tests add. Of each
run: what these cost. Kernels stand in the order of the files.

For example:
  python -m benchmarks.census --only 'kernel=v6.18,memcg=on-active' --in-order --json -o model.json
  python -m benchmarks.census --vmlinux /boot/vmlinuz-6.12 --in-order --json -o file.json
  python -m results.fidelity model.json file.json run.json
"""

import sys
from collections.abc import Sequence

from model.common.command import leave, run
from model.common.files import STANDARD, check_target, write_new
from model.common.parser import Parser
from model.common.streams import say
from results.analysis.fidelity import columns_of
from results.analysis.groups import analysis_of
from results.analysis.machines import MARGIN
from results.output.as_fidelity import merged, prices, tables
from results.reading.census import run_or_census
from results.reading.load import Run


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run("python -m results.fidelity", lambda: _command(argv))


def _command(argv: Sequence[str]) -> int:
    parser = Parser(prog="python -m results.fidelity", description=__doc__)
    parser.add_argument("files", metavar="FILE", nargs="+", help="census with --in-order, or run")
    about = "write the censuses there as one, for python -m plots; - is standard output"
    parser.add_argument("-o", "--output", metavar="OUT", help=about)
    parser.add_argument("--force", action="store_true", help="overwrite OUT")
    args = parser.parse_args(argv)
    if args.output is not None:
        check_target(args.output, replace=args.force)
    read = [(path, run_or_census(path)) for path in args.files]
    censuses = [(path, each) for path, each in read if not isinstance(each, Run)]
    columns = [column for path, census in censuses for column in columns_of(census, path)]
    if args.output is not None:
        write_new(args.output, merged([census for _, census in censuses]), replace=args.force)
    runs = [analysis_of(each, MARGIN) for _, each in read if isinstance(each, Run)]
    lines = [*(tables(columns) if columns else ()), *(prices(runs) if runs else ())]
    if args.output != STANDARD:
        say("".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
