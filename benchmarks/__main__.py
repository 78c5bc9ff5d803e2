"""python -m benchmarks: measure the free path, as a pyperf program.

For example:
  python -m benchmarks --quick -o quick.json            the headline, in about a minute
  python -m benchmarks -o run.json                      every warm scenario
  python -m benchmarks --only 'v1*' --quick -o v1.json  base, its twin and two variants
  python -m benchmarks --only 'memcg=on-*,depth=full,keyfirst' -o full.json
  python -m benchmarks --memory dram -o cold.json       16,777,216 struct pages: 1 GiB
  python -m benchmarks --quick --until-decided --budget 5min -o sure.json
  python -m benchmarks --list
  python -m benchmarks --doctor                         what disturbs measuring here
  python -m benchmarks --calibrate -o instrument.json   what the instrument can tell
then: python -m results show run.json
"""

import signal
import sys

if "--worker" in sys.argv:
    # Ctrl-C reaches the whole group; the parent ends its workers, and they have nothing to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

import argparse
import os
import shlex
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import doctor, listing
from benchmarks.append import check_append
from benchmarks.calibrate import calibration_cases
from benchmarks.cases import Case, select
from benchmarks.conditions import commit, processor, set_store_bypass
from benchmarks.scheme import GROUPS, INCIDENTAL, PHASES, Scheme
from benchmarks.units import check_margin, seconds
from model.common.errors import FreepathError
from model.memory import check_available
from model.store import DEFAULT_CPU, Store, check_can_compile, default_folder

QUICK = {"processes": 6, "values": 8}
DEFAULT = {"processes": 16, "values": 8}
LEAST_BUDGET_S = 10.0


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    early = _early_parser().parse_known_args(argv)[0]
    try:
        if early.list:
            cases = select(early.only, memory=early.memory or "all", quick=early.quick)
            return listing.show(cases, early.json)
        if early.doctor:
            return doctor.show(early.json)
        if not early.worker:
            _check(early)
        set_store_bypass(early.store_bypass)
        return _measure(argv, early)
    except FreepathError as error:
        print(f"python -m benchmarks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _early_parser() -> argparse.ArgumentParser:
    """What must be known before pyperf, which takes long to import, sees the arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_options(parser)
    parser.add_argument("-o", "--output")
    parser.add_argument("--append")
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("-l", "--loops", type=int)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
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
    add("--schedule", default="", help=argparse.SUPPRESS)


def _check(early: argparse.Namespace) -> None:
    """Refuse before measuring what could not be done, or not be written after it."""
    if seconds(early.budget) < LEAST_BUDGET_S:
        raise FreepathError(f"--budget {early.budget} is too small to measure anything: give 10s or more")
    check_margin(early.margin)
    Scheme(early.builds, early.scheme).loops(early.loops)
    check_can_compile()
    if early.output and Path(early.output).exists():
        raise FreepathError(
            f"{early.output} exists: choose another name, or --append {early.output} to go on"
        )
    target = early.output or early.append
    if target and not _writable(Path(target)):
        raise FreepathError(f"cannot write {target}: its folder is missing or read-only; choose another -o")


def _writable(path: Path) -> bool:
    return path.parent.is_dir() and os.access(path if path.exists() else path.parent, os.W_OK)


def _measure(argv: list[str], early: argparse.Namespace) -> int:
    if early.calibrate:
        cases = calibration_cases()
    else:
        cases = select(early.only, memory=early.memory, quick=early.quick)
    store = Store(Path(early.cache) if early.cache else default_folder(), early.cpu)
    scheme = Scheme(early.builds, early.scheme)
    from benchmarks.runner import PairedRunner

    def forward(command: list[str], args: argparse.Namespace) -> None:
        command += ["--seed", str(args.seed), "--cache", str(store.root), "--context", args.context]
        command += [f"--only={args.only}", f"--memory={args.memory}", f"--schedule={args.schedule}"]
        command += [f"--builds={args.builds}", f"--scheme={args.scheme}", f"--cpu={args.cpu}"]
        command += [f"--store-bypass={args.store_bypass}", f"--code={args.code}"]
        command += ["--quick"] if args.quick else []
        command += ["--calibrate"] if args.calibrate else []

    runner = PairedRunner(forward, **(QUICK if early.quick else DEFAULT), warmups=0, loops=scheme.loops())
    runner.argparser.prog = "python -m benchmarks"
    runner.argparser.description = __doc__
    runner.argparser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_options(runner.argparser)
    args = _parse(runner, argv)
    if args.worker:
        return _work(runner, cases, store, scheme)
    from benchmarks.session import Session

    for case in cases:
        check_available(case.scenario.pages)
    context = {
        "commit": commit(),
        "numba": version("numba"),
        "freepath_cpu": early.cpu,
        "build_scheme": scheme.name,
        "builds": scheme.builds,
        "store_bypass": early.store_bypass,
        **processor(),
        **doctor.facts(),
        "freepath_command": shlex.join(["python", "-m", "benchmarks", *argv]),
    }
    if early.append:
        check_append(Path(early.append), context, early.seed)
    return Session(runner, cases, store, context).run()


def _parse(runner: Any, argv: list[str]) -> argparse.Namespace:
    try:
        args: argparse.Namespace = runner.parse_args(argv)
    except SystemExit as stop:
        # pyperf exits with 1 for a wrong option; here that is reserved for findings.
        raise SystemExit(2 if stop.code == 1 else stop.code) from None
    if args.compare_to:
        raise FreepathError("--compare-to is not for pairs: measure twice and use python -m results compare")
    return args


def _work(runner: Any, cases: list[Case], store: Store, scheme: Scheme) -> int:
    """Measure the one case that this worker was started for."""
    import json

    from benchmarks.sampler import Sampler

    runner.context = json.loads(runner.args.context)
    store.expect(json.loads(runner.args.code))
    # Every value has builds of its own: the same ones again would be no new evidence.
    scheme = replace(scheme, groups=max(GROUPS, runner.args.values + runner.args.warmups))
    # pyperf finds a worker's task by its position; a case may have been measured in an earlier round too.
    schedule = [int(index) for index in runner.args.schedule.split(",") if index] or range(len(cases))
    for index in schedule:
        runner.bench_case(index, cases[index], lambda case, seed: Sampler(case, store, seed, scheme))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
