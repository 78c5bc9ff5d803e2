"""Options of `python -m benchmarks` beside pyperf's own, and what is refused before anything is measured."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.scheme import INCIDENTAL, PHASES, Scheme
from benchmarks.units import check_margin, seconds
from model.common.command import Parser
from model.common.errors import UsageError
from model.common.files import check_target
from model.store import DEFAULT_CPU, check_can_compile

NAME: Final = "python -m benchmarks"
LEAST_BUDGET_S: Final = 10.0


def early_options(argv: Sequence[str]) -> argparse.Namespace:
    """What must be known before pyperf, which takes long to import, sees the arguments."""
    parser = Parser(prog=NAME, add_help=False)
    add_options(parser)
    parser.add_argument("-o", "--output")
    parser.add_argument("--append")
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("-l", "--loops", type=int)
    parser.add_argument("--pair-dir")
    return parser.parse_known_args(argv)[0]


def without_targets(argv: Sequence[str]) -> list[str]:
    """The arguments for pyperf: which file is written, and when, is ours."""
    parser = Parser(add_help=False)
    parser.add_argument("-o", "--output")
    parser.add_argument("--append")
    return parser.parse_known_args(argv)[1]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Our options; pyperf's runner has its own besides."""
    add = parser.add_argument
    add("--list", action="store_true", help="show scenarios and arms, measure nothing")
    add("--doctor", action="store_true", help="say what disturbs measuring here, and what helps")
    add("--json", action="store_true", help="with --list and --doctor: as JSON")
    add("--only", default="", metavar="EXPR", help="comma-separated globs of variants, or axis=glob")
    add("--memory", default="", metavar="SIZE", help="warm (default), l2, l3, dram, or all")
    add("--quick", action="store_true", help="headline scenarios and arms, fewer processes")
    add("--until-decided", action="store_true", help="add processes where a verdict is open")
    add("--budget", default="10min", help="how long that may take: 90s, 10min (default), 1h")
    add("--margin", default="1%", help="for that: smallest overhead that matters, 0.05ns or 1%% (default)")
    add(
        "--calibrate",
        action="store_true",
        help="measure the instrument instead: about ten minutes; exit 1 if a target is missed",
    )
    add(
        "--resume",
        metavar="FILE",
        help="go on with a run that was stopped: measure what FILE.partial lacks, then write FILE",
    )
    add("--seed", type=int, help="repeat the code placements of another run")
    add("--builds", type=int, default=PHASES, metavar="N", help="phases of the compilation; 1: as compiled")
    add(
        "--scheme",
        choices=INCIDENTAL,
        default="both",
        help="what differs between builds: NOPs before the patch point (phase), random NOPs elsewhere, "
        "or both",
    )
    add(
        "--store-bypass",
        choices=("on", "off"),
        default="on",
        help="off: loads wait for older stores, as under PR_SPEC_STORE_BYPASS; for CPUs that guess wrongly",
    )
    add("--cpu", default=DEFAULT_CPU, help="LLVM's name of the CPU to compile for: x86-64 (default)")
    add("--cache", default="", help=argparse.SUPPRESS)
    add("--context", default="{}", help=argparse.SUPPRESS)
    add("--code", default="{}", help=argparse.SUPPRESS)
    add("--parent", type=int, default=0, help=argparse.SUPPRESS)
    add("--schedule", default="", help=argparse.SUPPRESS)


def check(early: argparse.Namespace) -> None:
    """Refuse before measuring what could not be done, or not be written after it."""
    if seconds(early.budget) < LEAST_BUDGET_S:
        raise UsageError(f"--budget {early.budget} is too small to measure anything: give 10s or more")
    check_margin(early.margin)
    Scheme(early.builds, early.scheme).loops(early.loops)
    check_can_compile()
    target = early.output or early.append
    if target is None:
        return
    path = Path(target)
    if early.output and (path.exists() or path.is_symlink()):
        raise UsageError(f"{target} exists: choose another name, or --append {target} to go on")
    if str(path) == "-" or (path.exists() and not path.is_file()):
        raise UsageError(f"{target} is no file: processes are kept beside it as they finish, so give a name")
    check_target(path, replace=True)
    if early.calibrate:
        check_target(path.with_suffix(".plain.json"))
