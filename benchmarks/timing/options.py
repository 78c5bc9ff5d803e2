"""Options of `python -m benchmarks` beside pyperf's own, and what is refused before anything is measured."""

import argparse
import os
import textwrap
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

from benchmarks import kernel_files, user_variants
from benchmarks.cases import names
from benchmarks.timing import partner
from benchmarks.timing.scheme import INCIDENTAL, PHASES
from benchmarks.units import check_margin, seconds
from model.common.errors import UsageError
from model.common.files import check_target
from model.common.parser import Parser
from model.kernels.store import DEFAULT_CPU, check_can_compile
from model.vocabulary.formats import MOST_SEED
from model.vocabulary.partial_run import PLAIN

NAME: Final = "python -m benchmarks"
HELP_WIDTH: Final = 79
LEAST_BUDGET_S: Final = 10.0
HIDDEN: Final = frozenset(
    {"help", "output", "append", "compare_to", "worker", "worker_task", "pipe", "track_memory", "tracemalloc"}
    | {"calibrate_loops", "recalibrate_loops", "calibrate_warmups", "recalibrate_warmups"}
)
OURS: Final = {"output": "target", "append": "append_to"}
"""pyperf's options for files -> the attributes that have them here: freepath writes the files."""
VIEWS: Final = ("stats", "metadata", "hist", "dump")
"""pyperf's options that print a run: applied to every arm, once the file is written."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Our options, beside those of pyperf's runner."""
    _add_what(parser.add_argument_group("what to measure"))
    user_variants.add_options(parser.add_argument_group("checks of your own"))
    kernel_files.add_options(parser.add_argument_group("a kernel file of your own"))
    _add_how(parser.add_argument_group("how"))
    other = parser.add_argument_group("instead of measuring")
    other.add_argument("--list", action="store_true", help="show scenarios and arms")
    other.add_argument(
        "--doctor", action="store_true", help="say what disturbs measuring here, and what helps"
    )
    about = "write a commented check to begin from; -o FILE"
    other.add_argument("--new-variant", metavar="NAME", help=about)
    other.add_argument("--json", action="store_true", help="with --list or --doctor: as JSON")


def _add_what(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--quick", action="store_true", help="headline scenarios and arms, fewer processes: a minute")
    add("--only", default="", metavar="EXPR", help="comma-separated globs of variants, or AXIS=glob")
    add(
        "--sweep",
        default="",
        metavar="AXIS[=VALUE,...]",
        help="the headline arms along one axis, or at some of its values; plots draws its figure",
    )
    add("--memory", default="", metavar="SIZE", help="warm (default), l2, l3, dram, or all")
    add(
        "--calibrate",
        action="store_true",
        help="measure the instrument instead: about two minutes; exit 1 if a target is missed",
    )
    add(
        "--resume",
        metavar="FILE",
        help="resume an interrupted run: measure what FILE.partial lacks, then write FILE",
    )


def _add_how(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--until-decided", action="store_true", help="add processes where a verdict is undecided")
    add("--budget", default="10min", help="time for that: 90s, 10min (default), 1h")
    add("--margin", default="1%", help="for that: smallest overhead that matters, 0.05ns or 1%% (default)")
    add("--seed", type=int, metavar="N", help="repeat the builds and placements of another run")
    add("--builds", type=int, default=PHASES, metavar="N", help="NOP phases (24); 1: the image as compiled")
    add(
        "--scheme",
        choices=INCIDENTAL,
        default="both",
        help="what differs between builds: NOPs before the patch point (phase), random NOPs elsewhere, "
        "or both (default)",
    )
    add(
        "--store-bypass",
        choices=("on", "off"),
        default="on",
        help="off: SSBD (PR_SPEC_STORE_BYPASS), which prevents memory-order misspeculation",
    )
    partner.add_option(group)
    add(
        "--on",
        metavar="SCHEDULER",
        help="measure on every host of a Dask scheduler (address, file, ssh:host1,host2), not here; "
        "-o DIR gets a file per machine (docs/fleet.md)",
    )
    add("--raw", default="", metavar="FILE", help="keep every slice, too, for other estimators (zip)")
    add("--cpu", default=DEFAULT_CPU, help="LLVM's name of the CPU to compile for: x86-64 (default)")


def help_text(description: str, pyperfs: str) -> str:
    """What `--help` prints: our options, the axes, then pyperf's.

    Parameters
    ----------
    description
        What the command is for, with examples.
    pyperfs
        The help of pyperf's own parser.
    """
    axes = [
        textwrap.fill(f"  {axis:10} {', '.join(values)}", HELP_WIDTH, subsequent_indent=" " * 13)
        for axis, values in names().items()
        if len(values) > 1  # `path` has one, and chooses nothing
    ]
    own = Parser(
        prog=NAME,
        usage=f"{NAME} [options] -o FILE",
        description=description,
        epilog="\n".join(["axes of --only and their values:", *axes]),
    )
    own.add_argument(
        "-o", "--output", metavar="FILE", help="write the run there, a pyperf file; .gz is packed"
    )
    own.add_argument("--append", metavar="FILE", help="add processes to a run that measured the same")
    add_options(own)
    return f"{own.format_help()}\noptions of pyperf:\n{pyperfs.partition('options:')[2].lstrip(chr(10))}"


def become_ours(parser: Any) -> None:
    """Give pyperf's parser the manners of `Parser`; hide its options of files and of workers."""
    parser.prog, parser.allow_abbrev, parser.color = NAME, False, False
    parser.error = Parser.error.__get__(parser)
    for action in parser._actions:
        if action.dest in HIDDEN:
            action.help = argparse.SUPPRESS
        action.dest = OURS.get(action.dest, action.dest)
    parser.set_defaults(**dict.fromkeys(OURS))


def parse(runner: Any, argv: Sequence[str]) -> argparse.Namespace:
    """Let a runner of pyperf parse its arguments; raise what it complains of."""
    said = StringIO()
    try:
        # pyperf complains on standard output, and exits with 1, which here is reserved for findings.
        with redirect_stdout(said):
            args: argparse.Namespace = runner.parse_args(argv)
    except SystemExit as stop:
        if stop.code == 1:
            raise UsageError(said.getvalue().strip().removeprefix("ERROR: ")) from None
        raise
    return args


def check(args: argparse.Namespace) -> None:
    """Refuse, before measuring, what could not be measured or not be written."""
    if args.json:
        raise UsageError("--json goes with --list or --doctor; a run is written as JSON anyway, with -o FILE")
    if args.only and not args.only.strip(", "):
        raise UsageError(f"--only '{args.only}' names nothing: leave it out to measure everything")
    if args.sweep and (args.only or args.memory or args.quick or args.calibrate):
        raise UsageError("--sweep chooses scenarios and arms itself: leave out --only, --memory, --quick")
    if seconds(args.budget) < LEAST_BUDGET_S:
        raise UsageError(f"--budget {args.budget} is too small to measure anything: give 10s or more")
    if args.seed is not None and args.seed < 0:
        raise UsageError(f"--seed {args.seed}: give a number that is not negative")
    if args.seed is not None and args.seed > MOST_SEED:
        raise UsageError(f"--seed {args.seed}: give a number up to {MOST_SEED}")
    check_margin(args.margin)
    check_can_compile()
    _check_affinity(args.affinity)
    partner.check(args.sibling, args.affinity)
    _check_target(args)


def check_pyperfs(args: argparse.Namespace) -> None:
    """Refuse options of pyperf with which a run would not be paired times.

    Raises
    ------
    UsageError
    """
    if args.compare_to:
        raise UsageError("--compare-to is not for pairs: measure twice and use python -m results compare")
    if args.track_memory or args.tracemalloc:
        option = "--track-memory" if args.track_memory else "--tracemalloc"
        raise UsageError(f"{option} measures bytes and not time: leave it out")
    if args.pipe is not None:
        raise UsageError("--pipe is for workers: leave it out")


def views(args: argparse.Namespace) -> list[str]:
    """Which of `VIEWS` pyperf was asked for."""
    return [view for view in VIEWS if getattr(args, view)]


def _check_affinity(affinity: str | None) -> None:
    if affinity is None:
        return
    allowed = os.sched_getaffinity(0)
    wrong = UsageError(f"--affinity {affinity}: give CPUs of this machine, such as {min(allowed)} or 0,2-3")
    for part in affinity.split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise wrong
        cpus = range(int(first), int(last or first) + 1)
        if not cpus or not allowed.issuperset(cpus):
            raise wrong


def _check_target(args: argparse.Namespace) -> None:
    target = args.target or args.append_to
    if target is None:
        return
    path = Path(target)
    if args.target and (path.exists() or path.is_symlink()):
        raise UsageError(f"{target} exists: choose another name, or --append {target} to go on")
    if str(path) == "-" or (path.exists() and not path.is_file()):
        raise UsageError(f"{target} is no file: processes are kept beside it as they finish, so give a name")
    check_target(path, replace=True)
    if args.raw:
        check_target(args.raw)
    if args.calibrate:
        check_target(path.with_suffix(PLAIN))
