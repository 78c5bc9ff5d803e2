"""python -m results: read what was measured.

For example:
  python -m results answer run.json                the answer, on one screen
  python -m results show run.json                  tables
  python -m results show run.json --margin 0.05ns  another smallest effect
  python -m results show run.json --format json    for programs
  python -m results compare old.json new.json      exit status 1 on a regression
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from model.common.command import Parser, complain, leave, note, prose, run
from model.common.errors import UsageError
from model.common.files import STANDARD, check_target, write_new

if TYPE_CHECKING:
    from results.verdict import Margin

NAME: Final = "python -m results"


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run(NAME, lambda: _command(argv))


def _command(argv: Sequence[str]) -> int:
    """What takes long to import is imported by the commands, where Ctrl-C and errors are met."""
    args = _parser().parse_args(argv)
    if args.output is not None:
        check_target(args.output, replace=args.force)
    status: int = args.command(args)
    return status


def _parser() -> Parser:
    parser = Parser(prog=NAME, description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_answer(commands)
    _add_show(commands)
    _add_claims(commands)
    _add_compare(commands)
    _add_history(commands)
    _add_report(commands)
    _add_calibration(commands)
    return parser


def _add_answer(commands: "argparse._SubParsersAction[Parser]") -> None:
    answer = commands.add_parser("answer", help="what the test costs here, in one sentence; the claims")
    answer.add_argument("file", metavar="FILE", help="run of python -m benchmarks -o FILE")
    _add_census(answer)
    answer.add_argument("--format", choices=("text", "json"), default="text")
    _add_margin(answer)
    add_output(answer)
    answer.set_defaults(command=_answer)


def _add_census(parser: Parser) -> None:
    parser.add_argument(
        "census", metavar="CENSUS", nargs="?", help="census file; the kept reference by default"
    )


def _add_margin(parser: Parser) -> None:
    parser.add_argument(
        "--margin", default="1%", help="smallest overhead that matters: 0.05ns, 1%% (default)"
    )


def _add_show(commands: "argparse._SubParsersAction[Parser]") -> None:
    show = commands.add_parser("show", help="overheads with intervals, noise floor and verdicts")
    show.add_argument("file", metavar="FILE", help="run of python -m benchmarks -o FILE")
    show.add_argument("--format", choices=("table", "json", "csv", "markdown"), default="table")
    _add_margin(show)
    add_output(show)
    show.set_defaults(command=_show)


def _add_claims(commands: "argparse._SubParsersAction[Parser]") -> None:
    claims = commands.add_parser(
        "claims", help="the mail's six claims: holds, fails, undecided; exit 1 if one fails"
    )
    claims.add_argument("file", metavar="FILE", help="run of python -m benchmarks -o FILE")
    _add_census(claims)
    claims.add_argument("--format", choices=("text", "json", "markdown"), default="text")
    _add_margin(claims)
    add_output(claims)
    claims.set_defaults(command=_claims)


def _add_compare(commands: "argparse._SubParsersAction[Parser]") -> None:
    compare = commands.add_parser(
        "compare", help="what changed between two runs, or two census files; exit 1 if so"
    )
    compare.add_argument("old", metavar="OLD")
    compare.add_argument("new", metavar="NEW")
    compare.add_argument("--format", choices=("table", "json", "markdown"), default="table")
    compare.add_argument(
        "--threshold", default="2%", help="smallest change of interest: 0.1ns, 2%% of base (default)"
    )
    compare.add_argument(
        "--across-machines", action="store_true", help="compare unlike machines or compilers too"
    )
    compare.add_argument(
        "--strict", action="store_true", help="exit 3 when something is missing or unsure, and nothing worse"
    )
    add_output(compare)
    compare.set_defaults(command=_compare)


def _add_history(commands: "argparse._SubParsersAction[Parser]") -> None:
    history = commands.add_parser("history", help="each cell over the runs of a folder, change points marked")
    history.add_argument("folder", metavar="DIR", help="results/runs, or any folder of runs")
    history.add_argument("--format", choices=("text", "json"), default="text")
    add_output(history)
    history.set_defaults(command=_history)


def _add_report(commands: "argparse._SubParsersAction[Parser]") -> None:
    report = commands.add_parser("report", help="one self-contained page: report.html, or report.md")
    report.add_argument("file", metavar="FILE", help="run of python -m benchmarks -o FILE")
    _add_census(report)
    _add_margin(report)
    add_output(report)
    report.set_defaults(command=_report)


def _add_calibration(commands: "argparse._SubParsersAction[Parser]") -> None:
    calibration = commands.add_parser(
        "calibration", help="what the instrument can tell, from --calibrate; exit 1 when a target is missed"
    )
    calibration.add_argument("file", metavar="FILE", help="run of python -m benchmarks --calibrate -o FILE")
    calibration.add_argument("--format", choices=("text", "json"), default="text")
    add_output(calibration)
    calibration.set_defaults(command=_calibration)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Options of every command that writes a file."""
    parser.add_argument("-o", "--output", metavar="OUT", help="write there, not to standard output (-)")
    parser.add_argument("--force", action="store_true", help="overwrite OUT")


def _answer(args: argparse.Namespace) -> int:
    from results import answer, claims
    from results.load import load

    run, margin = load(args.file), margin_of(args.margin, "--margin")
    found = claims.answers(run, Path(args.census) if args.census else None, margin)
    if args.format == "json":
        emit(answer.as_json(run, margin, found), args)
    else:
        emit_lines(answer.lines(run, margin, found), args)
    return 0


def _show(args: argparse.Namespace) -> int:
    from results.load import load
    from results.show import FORMATS

    emit(FORMATS[args.format](load(args.file), margin_of(args.margin, "--margin")), args)
    return 0


def margin_of(text: str, option: str) -> "Margin":
    """Read a margin; a wrong one is a UsageError that names the option."""
    from results.verdict import Margin

    try:
        return Margin.parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _claims(args: argparse.Namespace) -> int:
    from results import claims
    from results.load import load

    census = Path(args.census) if args.census else None
    found = claims.answers(load(args.file), census, margin_of(args.margin, "--margin"))
    if args.format == "json":
        emit(claims.as_json(found), args)
    else:
        emit_lines(claims.lines(found, markdown=args.format == "markdown"), args)
    return claims.exit_status(found)


def _history(args: argparse.Namespace) -> int:
    from results import history

    found = history.history(Path(args.folder))
    if args.format == "json":
        emit(history.as_json(found), args)
    else:
        emit_lines(history.lines(found), args)
    return 0


def _report(args: argparse.Namespace) -> int:
    from results import report
    from results.claims import REFERENCE
    from results.load import load, regular

    kind = Path((args.output or "").removesuffix(".gz")).suffix
    if args.output != STANDARD and kind not in (".html", ".md"):
        raise UsageError("report needs -o with a name that ends in .html or .md, or - for HTML")
    margin_of(args.margin, "--margin")
    make = report.as_text if kind == ".md" else report.as_html
    with regular(args.file) as file, regular(args.census or REFERENCE) as census:
        page = make(load(file), census, args.margin)
    emit(page.text, args)
    return max((complain(NAME, line) for line in page.failed), default=0)


def _compare(args: argparse.Namespace) -> int:
    from results import compare
    from results.load import Run

    threshold = margin_of(args.threshold, "--threshold")
    old, new = (compare.run_or_census(path) for path in (args.old, args.new))
    if isinstance(old, Run) and isinstance(new, Run):
        changes = compare.compare_runs(old, new, threshold, across=args.across_machines)
    elif isinstance(old, Run) or isinstance(new, Run):
        raise UsageError("one file is a census and the other is not: compare like with like")
    else:
        changes = compare.compare_census(old, new)
    for side in (old, new):
        if isinstance(side, Run):
            for doubt in side.doubts:
                note(f"{side.path}: {doubt}")
    if args.format == "json":
        emit(compare.as_json(changes, strict=args.strict), args)
    else:
        emit_lines(compare.lines(changes, markdown=args.format == "markdown"), args)
    return compare.exit_status(changes, strict=args.strict)


def _calibration(args: argparse.Namespace) -> int:
    import json

    from results.calibration import document, exit_status, lines
    from results.load import load

    run, plain = load(args.file), Path(args.file).with_suffix(".plain.json")
    if args.format == "json":
        emit(json.dumps(document(run, plain), indent=2, allow_nan=False) + "\n", args)
    else:
        emit_lines(lines(run, plain), args)
    return exit_status(run, plain)


def emit_lines(lines: Iterable[str], args: argparse.Namespace) -> None:
    """Emit lines of text; on a terminal, long ones are broken between words, but not those of Markdown."""
    text = "".join(f"{line}\n" for line in lines)
    emit(text if args.output or args.format == "markdown" else prose(text), args)


def emit(text: str, args: argparse.Namespace) -> None:
    """Write it to OUT, or say it."""
    write_new(STANDARD if args.output is None else args.output, text, replace=args.force)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
