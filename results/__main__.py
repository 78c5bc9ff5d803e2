"""python -m results: read what was measured.

For example:
  python -m results answer run.json                the answer, on one screen
  python -m results show run.json                  tables
  python -m results show run.json --margin 0.05ns  another smallest effect
  python -m results show run.json --format json    for programs
  python -m results compare old.json new.json      exit status 1 on a regression
"""

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from model.common.command import complain, leave, run
from model.common.errors import UsageError
from model.common.files import STANDARD, check_target
from model.common.parser import Parser
from model.common.streams import note
from model.vocabulary.partial_run import PLAIN
from results.options import (
    add_pair,
    analysed,
    census_option,
    file_option,
    format_option,
    margin_of,
    margin_option,
    output,
)
from results.output.emit import emit, emit_lines, to_terminal

NAME: Final = "python -m results"


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run(NAME, lambda: _command(argv))


def _command(argv: Sequence[str]) -> int:
    """Slow imports stand inside the commands, where Ctrl-C and errors are handled."""
    args = _parser().parse_args(argv)
    if args.output is not None:
        check_target(args.output, replace=args.force)
    status: int = args.command(args)
    return status


def _parser() -> Parser:
    parser = Parser(prog=NAME, description=__doc__)
    _add_commands(parser.add_subparsers(required=True, metavar="COMMAND"))
    return parser


def _add(
    commands: "argparse._SubParsersAction[Parser]",
    command: Callable[[argparse.Namespace], int],
    summary: str,
    *parents: Parser,
) -> Parser:
    """A command under its function's name; the function's docstring is its `--help` text."""
    about = inspect.cleandoc(command.__doc__ or "")
    name = command.__name__.removeprefix("_")
    parser = commands.add_parser(name, help=summary, description=about, parents=parents)
    parser.set_defaults(command=command)
    return parser


def _add_commands(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Every command: shared options as parents, its own options below it."""
    out, margin, census, file = output(), margin_option(), census_option(), file_option()
    answer = "what the test costs here, in one sentence; the claims"
    _add(commands, _answer, answer, file, census, format_option("text", "mail", "json"), margin, out)
    show = "overheads with intervals, noise floor and verdicts"
    _add(commands, _show, show, file, format_option("table", "json", "csv", "markdown"), margin, out)
    claims = "the mail's six claims: holds, fails, undecided; exit 1 if one fails"
    _add(commands, _claims, claims, file, census, format_option("text", "json", "markdown"), margin, out)
    compare = "what changed between two runs, or two census files; exit 1 if so"
    add_pair(_add(commands, _compare, compare, format_option("table", "json", "markdown"), out))
    history = "each cell over the runs of a folder, change points marked"
    parser = _add(commands, _history, history, format_option("text", "json"), out)
    parser.add_argument("folder", metavar="DIR", help="results/runs, or any folder of runs")
    machines = "the same arms on every published CPU, side by side"
    parser = _add(commands, _machines, machines, format_option("table", "json", "csv", "markdown"), out)
    about = "results/machines by default, or any folder of machines"
    parser.add_argument("folder", metavar="DIR", nargs="?", help=about)
    about = "a scenario by name, or all; each kernel's usual one by default"
    parser.add_argument("--scenario", metavar="NAME", default="", help=about)
    overview = "the answer on every published CPU, on one screen"
    parser = _add(commands, _overview, overview, format_option("text", "markdown"), out)
    about = "results/machines by default, or any folder of machines"
    parser.add_argument("folder", metavar="DIR", nargs="?", help=about)
    documents = "regenerate the tables of README and docs from the published runs"
    _add(commands, _documents, documents).set_defaults(output=None)
    publish = "publish a run: store it in results/machines under its machine"
    parser = _add(commands, _publish, publish, file)
    parser.add_argument("--to", metavar="DIR", help="another folder of machines")
    parser.add_argument("--force", action="store_true", help="replace the run that is there")
    parser.set_defaults(output=None)
    export = "for github-action-benchmark, Apache Otava, LNT, or any reader of JUnit"
    parser = _add(commands, _export, export, margin, out)
    parser.add_argument("file", metavar="FILE", help="a run; for otava also a folder of runs")
    names = ("github-action-benchmark", "otava", "lnt", "junit")
    parser.add_argument("--format", choices=names, required=True)
    report = "one self-contained page: report.html, or report.md"
    _add(commands, _report, report, file, census, margin, out)
    calibration = "what the instrument can resolve, from --calibrate; exit 1 when a target is missed"
    _add(
        commands,
        _calibration,
        calibration,
        file_option("--calibrate -o FILE"),
        format_option("text", "json"),
        out,
    )


def _answer(args: argparse.Namespace) -> int:
    """What the test costs on this machine, in one sentence, and the verdict on each claim.

    For example:
      python -m results answer run.json
      python -m results answer run.json --margin 0.05ns
      python -m results answer run.json --format mail      for a reply on a mailing list
    """
    from results.claims import judging
    from results.output import as_answer, as_mail

    analysis = analysed(args)
    answers = judging.answers(analysis, Path(args.census) if args.census else None)
    if args.format == "json":
        emit(as_answer.as_json(analysis, answers), args)
    else:
        lines = as_mail.lines if args.format == "mail" else as_answer.lines
        emit_lines(lines(analysis, answers), args)
    return 0


def _show(args: argparse.Namespace) -> int:
    """Overheads with intervals, noise floor and verdicts, a table per scenario.

    For example:
      python -m results show run.json
      python -m results show run.json --margin 0.05ns
      python -m results show run.json --format csv -o cells.csv
      python -m results show run.json.partial          what a stopped run has so far
    """
    from results.output.as_csv import as_csv
    from results.output.as_json import as_json
    from results.output.as_markdown import as_markdown
    from results.output.as_table import as_table

    analysis = analysed(args)
    if args.format == "table":
        emit(as_table(analysis, terminal=to_terminal(args)), args)
    else:
        emit({"json": as_json, "csv": as_csv, "markdown": as_markdown}[args.format](analysis), args)
    return 0


def _claims(args: argparse.Namespace) -> int:
    """The mail's six claims, each judged by a rule (docs/claims.md): holds, fails, undecided.

    Exit status 1 if one fails.

    For example:
      python -m results claims run.json
      python -m results claims run.json census.json --format markdown
    """
    from results.claims import judging
    from results.output import as_claims
    from results.output.words import note_doubts

    analysis = analysed(args)
    answers = judging.answers(analysis, Path(args.census) if args.census else None)
    note_doubts(analysis.run)
    if not answers:
        note("no claim is about the kernels of this run (docs/claims.md)")
    if args.format == "json":
        emit(as_claims.as_json(answers), args)
    else:
        emit_lines(as_claims.lines(answers, markdown=args.format == "markdown"), args)
    return judging.exit_status(answers)


def _history(args: argparse.Namespace) -> int:
    """Each cell over the runs of a folder, oldest first, change points marked.

    For example:
      python -m results history results/runs
      python -m results history results/runs --format json -o history.json
    """
    from results.analysis import history
    from results.output import as_history

    series = history.history(Path(args.folder))
    if args.format == "json":
        emit(as_history.as_json(series), args)
    else:
        emit_lines(as_history.lines(series), args)
    return 0


def _machines(args: argparse.Namespace) -> int:
    """The same arms on every published machine, side by side.

    Mean over builds with its interval, cycles with what dispatch slots predict, share of builds that pay.

    For example:
      python -m results machines
      python -m results machines --scenario all --format csv -o machines.csv
      python -m results machines results/machines --format markdown
    """
    from results.analysis import machines
    from results.output import as_machines

    found = machines.entries(Path(args.folder) if args.folder else machines.FOLDER)
    names = machines.scenarios_of(found, args.scenario)
    if args.format in ("json", "csv"):
        emit({"json": as_machines.as_json, "csv": as_machines.as_csv}[args.format](found, names), args)
    else:
        made = as_machines.markdown if args.format == "markdown" else as_machines.table
        emit_lines(made(found, names), args)
    return 0


def _overview(args: argparse.Namespace) -> int:
    """What the test of 2015 and the steps of v6.18 cost on every published machine.

    For example:
      python -m results overview
      python -m results overview --format markdown -o overview.md
    """
    from results.analysis import machines
    from results.pages import overview

    found = machines.entries(Path(args.folder) if args.folder else machines.FOLDER)
    emit_lines((overview.markdown if args.format == "markdown" else overview.table)(found), args)
    return 0


def _documents(args: argparse.Namespace) -> int:
    """Regenerate the tables of README.md and docs/results.md from the runs in results/machines.

    Prints the pages that changed.
    """
    from model.common.streams import say
    from results.pages import documents

    say("".join(f"{page}\n" for page in documents.rewrite()))
    return 0


def _publish(args: argparse.Namespace) -> int:
    """Store a run under its machine in results/machines, with its figures and conditions.

    A machine is its processor (name, vendor, family, model, stepping, microcode, core type), SMT, governor,
    hypervisor, kernel and huge pages; it has one run.

    For example:
      python -m results publish run.json
      make publish RUN=results/runs/2026-11-26-.../run.json
    """
    from model.common.streams import say
    from results.analysis import machines
    from results.kept import publishing
    from results.reading.load import load

    folder = Path(args.to) if args.to else machines.FOLDER
    say(f"{publishing.publish(load(args.file), folder, replace=args.force)}\n")
    return 0


def _export(args: argparse.Namespace) -> int:
    """A run in the format of another tool (docs/ci.md): ns per page, levels or overheads.

    Otava and LNT get levels, of base and of every arm; the others get overheads over base.

    For example:
      python -m results export run.json --format github-action-benchmark -o benchmark.json
      python -m results export results/runs --format otava -o otava.csv
      python -m results export run.json --format lnt -o lnt.json
      python -m results export run.json --format junit -o junit.xml
    """
    from results.analysis.groups import analysis_of
    from results.output.exports import FORMATS, runs

    margin = margin_of(args.margin, "--margin")
    emit(FORMATS[args.format]([analysis_of(run, margin) for run in runs(args.file)]), args)
    return 0


def _report(args: argparse.Namespace) -> int:
    """One self-contained page: the answer, how far to trust it, the claims, figures, tables.

    For example:
      python -m results report run.json -o report.html
      python -m results report run.json census.json -o report.md
    """
    from plots import report
    from results.analysis.groups import analysis_of
    from results.claims.judging import CENSUS
    from results.reading.load import load, regular

    kind = Path((args.output or "").removesuffix(".gz")).suffix
    if args.output != STANDARD and kind not in (".html", ".md"):
        raise UsageError("report needs -o with a name that ends in .html or .md, or - for HTML")
    margin = margin_of(args.margin, "--margin")
    make = report.as_text if kind == ".md" else report.as_html
    with regular(args.file) as file, regular(args.census or CENSUS) as census:
        page = make(analysis_of(load(file), margin), census)
    emit(page.text, args)
    return max((complain(NAME, line) for line in page.failed), default=0)


def _compare(args: argparse.Namespace) -> int:
    """What changed between two runs of one machine, or between two census files.

    Exit status 1 on a regression or a changed count, 3 with --strict when something is missing or unsure.

    For example:
      python -m results compare old.json new.json
      python -m results compare old.json new.json --threshold 0.1ns --strict
      python -m results compare old.json new.json --html -o compare.html
      python -m results compare here.json there.json --across-machines --all
      python -m results compare old-census.json new-census.json --format markdown
    """
    from results.analysis import compare
    from results.analysis.groups import analysis_of
    from results.analysis.machines import MARGIN
    from results.output import as_changes
    from results.output.words import note_doubts, note_instruments
    from results.reading import census
    from results.reading.load import Run

    threshold = margin_of(args.threshold, "--threshold")
    sides = [census.run_or_census(path) for path in (args.old, args.new)]
    runs = [analysis_of(side, MARGIN) for side in sides if isinstance(side, Run)]
    if len(runs) == 1:
        raise UsageError("one file is a census and the other is not: compare like with like")
    both = (runs[0], runs[1]) if runs else None
    if both:
        changes = compare.compare_runs(*both, threshold, across=args.across_machines)
        note_instruments(*(analysis.run for analysis in both))
    else:
        changes = compare.compare_census(*sides)
    note_doubts(*(analysis.run for analysis in runs))
    status = as_changes.exit_status(changes, strict=args.strict)
    if args.html:
        from plots import comparison

        if both:
            page = comparison.of_runs(*both, changes, strict=args.strict)
        else:
            page = comparison.of_census(changes, (args.old, args.new), strict=args.strict)
        emit(page.text, args)
        return max((complain(NAME, line) for line in page.failed), default=status)
    if args.format == "json":
        emit(as_changes.as_json(changes, strict=args.strict), args)
    else:
        markdown, units = args.format == "markdown", args.across_machines
        emit_lines(as_changes.lines(changes, markdown=markdown, everything=args.all, units=units), args)
    return status


def _calibration(args: argparse.Namespace) -> int:
    """What the instrument can resolve: each target, the figure, and whether it is reached.

    Exit status 1 when a target is missed.

    For example:
      python -m benchmarks --calibrate -o instrument.json
      python -m results calibration instrument.json
    """
    import json

    from results.analysis.calibration import exit_status
    from results.output.as_calibration import document, lines
    from results.reading.load import load

    run, plain = load(args.file), Path(args.file).with_suffix(PLAIN)
    if args.format == "json":
        emit(json.dumps(document(run, plain), indent=2, allow_nan=False) + "\n", args)
    else:
        emit_lines(lines(run, plain), args)
    return exit_status(run, plain)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
