"""python -m benchmarks: measure the free path, as a pyperf program.

For example:
  python -m benchmarks --quick -o quick.json            the headline, in about a minute
  python -m benchmarks -o run.json                      every warm scenario
  python -m benchmarks --only 'v1*' --quick -o v1.json  base, its twin and two variants
  python -m benchmarks --only 'memcg=on-*,depth=full,keyfirst' -o full.json
  python -m benchmarks --memory dram -o cold.json       16,777,216 struct pages: 1 GiB
  python -m benchmarks --list
then: python -m results show run.json
"""

import argparse
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks import listing
from benchmarks.calibrate import calibration_cases
from benchmarks.cases import Case, select
from benchmarks.conditions import commit
from model.errors import FreepathError
from model.memory import check_available
from model.store import DEFAULT_CPU, Store, check_can_compile, default_folder

QUICK = {"processes": 6, "values": 8}
DEFAULT = {"processes": 16, "values": 10}
LOOPS = 128
"""Slices per arm and block; a multiple of 32: sixteen placements, each mirrored."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    early = _early_parser().parse_known_args(argv)[0]
    try:
        if early.list:
            return listing.show(
                select(early.only, memory=early.memory or "all", quick=early.quick), early.json
            )
        if not early.worker:
            check_can_compile()
            _check_target(early.output, early.append)
        return _measure(argv, early)
    except FreepathError as error:
        print(f"python -m benchmarks: {error}", file=sys.stderr)
        return 2


def _early_parser() -> argparse.ArgumentParser:
    """What must be known before pyperf, which takes long to import, sees the arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_options(parser)
    parser.add_argument("-o", "--output")
    parser.add_argument("--append")
    parser.add_argument("--worker", action="store_true")
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list", action="store_true", help="show scenarios and arms, measure nothing")
    parser.add_argument("--json", action="store_true", help="with --list: as JSON")
    parser.add_argument(
        "--only",
        default="",
        metavar="EXPR",
        help="comma-separated globs of variants, or axis=glob; the bases always stay",
    )
    parser.add_argument("--memory", default="", metavar="SIZE", help="warm (default), l2, l3, dram, or all")
    parser.add_argument("--quick", action="store_true", help="headline scenarios and arms, fewer processes")
    parser.add_argument(
        "--calibrate", action="store_true", help="measure the instrument instead: four minutes"
    )
    parser.add_argument("--seed", type=int, help="repeat the code placements of another run")
    parser.add_argument("--cache", default="", help=argparse.SUPPRESS)
    parser.add_argument("--context", default="{}", help=argparse.SUPPRESS)


def _check_target(output: str | None, append: str | None) -> None:
    """Refuse before measuring what could not be written after it."""
    if output and Path(output).exists():
        raise FreepathError(f"{output} exists: choose another name, or --append {output} to go on")
    target = output or append
    if target and not _writable(Path(target)):
        raise FreepathError(f"cannot write {target}: its folder is missing or read-only; choose another -o")


def _writable(path: Path) -> bool:
    import os

    return path.parent.is_dir() and os.access(path if path.exists() else path.parent, os.W_OK)


def _measure(argv: list[str], early: argparse.Namespace) -> int:
    cases = (
        calibration_cases() if early.calibrate else select(early.only, memory=early.memory, quick=early.quick)
    )
    store = Store(Path(early.cache) if early.cache else default_folder())
    from benchmarks.runner import PairedRunner

    def forward(command: list[str], args: argparse.Namespace) -> None:
        command += ["--seed", str(args.seed), "--cache", str(store.root), "--context", args.context]
        command += [f"--only={args.only}", f"--memory={args.memory}"] + (["--quick"] if args.quick else [])
        command += ["--calibrate"] if args.calibrate else []

    runner = PairedRunner(forward, **(QUICK if early.quick else DEFAULT), warmups=1, loops=LOOPS)
    runner.argparser.prog = "python -m benchmarks"
    runner.argparser.description = __doc__
    runner.argparser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_options(runner.argparser)
    args = _parse(runner, argv)
    if args.worker:
        return _work(runner, cases, store)
    from benchmarks.session import Session

    for case in cases:
        check_available(case.scenario.pages)
    context = {
        "commit": commit(),
        "numba": version("numba"),
        "freepath_cpu": DEFAULT_CPU,
        "freepath_command": shlex.join(["python", "-m", "benchmarks", *argv]),
    }
    return Session(runner, cases, store, context).run()


def _parse(runner: "PairedRunner", argv: list[str]) -> argparse.Namespace:  # type: ignore[name-defined]  # noqa: F821
    try:
        args: argparse.Namespace = runner.parse_args(argv)
    except SystemExit as stop:
        # pyperf exits with 1 for a wrong option; here that is reserved for findings.
        raise SystemExit(2 if stop.code == 1 else stop.code) from None
    if args.compare_to:
        raise FreepathError("--compare-to is not for pairs: measure twice and use python -m results compare")
    return args


def _work(runner: "PairedRunner", cases: list[Case], store: Store) -> int:  # type: ignore[name-defined]  # noqa: F821
    """Measure the one case that this worker was started for."""
    import json

    from benchmarks.sampler import Sampler

    runner.context = json.loads(runner.args.context)
    for index, case in enumerate(cases):
        runner.bench_case(index, case, lambda case, seed: Sampler(case, store, seed))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
