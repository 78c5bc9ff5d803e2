"""python -m benchmarks: measure the free path, as a pyperf program.

For example:
  python -m benchmarks --quick -o quick.json        the headline: two minutes
  python -m benchmarks -o run.json                  every warm scenario
  python -m benchmarks --only 'v1*' --quick -o v1.json
                                                    two variants beside base
  python -m benchmarks --only 'memcg=on-*,depth=full,keyfirst' -o full.json
  python -m benchmarks --sweep between -o b.json    evicted caches, branches
  python -m benchmarks --sweep threads=1,2 -o t.json
                                                    on one and on two CPUs
  python -m benchmarks --insert 'movl 48($0), %edx; testl %edx, %edx; js 2f'
                                                    your own check
  python -m benchmarks --memory dram -o cold.json   struct pages in DRAM
  python -m benchmarks --quick --until-decided --budget 5min -o sure.json
  python -m benchmarks --resume run.json            resume an interrupted run
  python -m benchmarks --quick --on tcp://scheduler:8786 -o fleet
                                                    on every host of a fleet
  python -m benchmarks --list                       scenarios and arms
  python -m benchmarks --doctor                     what disturbs measuring
  python -m benchmarks --calibrate -o inst.json     the instrument's errors
then: python -m results show run.json
"""

import signal
import sys

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Until `run` handles it, Ctrl-C ends the process at once, without a message. A worker always ends so:
    # the parent reports what happened.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from model.common.command import complain, guard, leave, run
from model.common.errors import CompileError, FreepathError, UsageError
from model.common.limits import check_address_space
from model.common.parser import Parser
from model.common.streams import note, say

if __name__ == "__main__":
    guard("python -m benchmarks")
    try:
        check_address_space(256 << 20, "measuring")  # with less, importing numpy ends in a traceback
    except FreepathError as error:
        leave(complain("python -m benchmarks", str(error)))

import argparse
import json
import os
import platform
import secrets
import shlex
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

from benchmarks import doctor, file_cases, kernel_files, listing, user_variants
from benchmarks.cases import Case, with_arms
from benchmarks.census.brief import brief
from benchmarks.census.proof import prove
from benchmarks.commit import UNKNOWN, commit, sources
from benchmarks.process_settings import addresses_fixed, loads_wait, set_store_bypass
from benchmarks.processor import processor
from benchmarks.selection import along, select_for
from benchmarks.timing import nursery, partner, workers
from benchmarks.timing.append import MUST_MATCH, check_append, metadata_of
from benchmarks.timing.calibrate import calibration_cases
from benchmarks.timing.options import (
    NAME,
    add_options,
    check,
    check_pyperfs,
    early_options,
    help_text,
    hide,
    views,
    without_targets,
)
from benchmarks.timing.partial import Partial
from benchmarks.timing.same_machine import check_machine, note_differences
from benchmarks.timing.scheme import Scheme
from benchmarks.units import check_margin
from model.common.files import check_target
from model.common.system_files import cpus_in
from model.kernels.arrays import check_available
from model.kernels.store import DEFAULT_CPU, Store, default_folder
from model.kernels.user_variants.added import add_again, added, as_plain
from model.vocabulary.formats import INSTRUMENT, NO_SETTINGS, PLAN

QUICK = {"processes": 7, "values": 5}
DEFAULT = {"processes": 16, "values": 8}


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    resumes = any(word.partition("=")[0] == "--resume" for word in argv)
    elsewhere = any(word.partition("=")[0] == "--on" for word in argv)
    if elsewhere and not {"--list", "--doctor", "-h", "--help"} & {*argv}:
        return _fleet(argv, resumes=resumes)
    if resumes:
        return _resume(argv)
    early = early_options(argv)
    kernel_files.check(early)
    if early.new_variant:
        return user_variants.write_template(early.new_variant, early.kernel, early.output)
    if early.worker:
        add_again(json.loads(early.own))
    else:
        user_variants.add(early)
    kernel_files.add(early)
    scheme = Scheme(early.builds, early.scheme)  # refuses what does not exist, also with --list
    if early.list:
        return listing.show(_chosen(early, early.memory or ("" if early.quick else "all")), early.json)
    if early.doctor:
        return doctor.show(early.json)
    if not early.worker:
        check(early)
    return _measure(argv, early, scheme)


def _fleet(argv: list[str], *, resumes: bool) -> int:
    """Measure on the hosts of a scheduler, after the checks of a run on this machine."""
    from benchmarks.fleet import driver
    from results.reading.load import load
    from results.reading.machine import key_of, machine_of

    early = early_options([] if resumes else argv)
    kernel_files.check(early)
    if not resumes:
        Scheme(early.builds, early.scheme).loops(early.loops)
        check_margin(early.margin)
    cases = calibration_cases() if early.calibrate else select_for(early, early.memory)
    parser = Parser(add_help=False)
    parser.add_argument("-p", "--processes", type=int)
    wanted = parser.parse_known_args(argv)[0].processes or (QUICK if early.quick else DEFAULT)["processes"]
    total = sum(case.processes or wanted for case in cases)
    return driver.run(argv, total, lambda path: key_of(machine_of(load(path))))


def _resume(argv: list[str]) -> int:
    """Resume an interrupted run, with the options that it began with."""
    parser = Parser(prog=NAME, description="Resume an interrupted run.")
    parser.add_argument("--resume", metavar="FILE", required=True, help="the file after -o of that run")
    parser.add_argument("-o", "--output", help="write this file instead")
    asked, more = parser.parse_known_args(argv)
    if more:
        raise UsageError(f"--resume takes every option from the run that it goes on with, not {more[0]}")
    partial = Partial.find(Path(asked.resume))
    if asked.output:
        check_target(asked.output)
        partial.target = Path(asked.output)
        partial.save_plan(append=False)
    plan = partial.plan
    if plan["sources"] != sources():
        raise UsageError(
            f"--resume {asked.resume}: the sources of model/ or benchmarks/ have changed since it began at "
            f"commit {plan['context']['commit']}: check that out to go on"
        )
    early = early_options(plan["argv"])
    kernel_files.add(early)
    add_again(plan.get("own", []))  # the texts that it began with: the files may have changed
    return _measure(plan["argv"], early, Scheme(early.builds, early.scheme), partial)


def _measure(
    argv: list[str], early: argparse.Namespace, scheme: Scheme, partial: Partial | None = None
) -> int:
    """Measure what the command line selects, or what a resumed run lacks."""
    set_store_bypass(early.store_bypass)
    cases = calibration_cases() if early.calibrate else _chosen(early, early.memory)
    code = json.loads(early.code)
    store = Store(
        Path(early.cache) if early.cache else default_folder(), early.cpu, digest=code.get("digest")
    )
    runner = _runner(argv, early, store, scheme)
    if runner.args.worker:
        return _work(runner, cases, store, scheme, code)
    from benchmarks.timing.session import Session
    from benchmarks.timing.verdict_hooks import VerdictHooks

    if (shown := views(runner.args)) and not (partial or early.output or early.append):
        raise UsageError(f"--{shown[0]} shows the file that was written: give -o FILE")
    partner.check(early.sibling, runner.args.affinity, [case.scenario.threads for case in cases])
    for case in cases:
        check_available(case.path.pages(case.scenario))
    if not partial:
        user_variants.vet_checkout()
        prove(cases, {brought.name: brought.where for brought in added()}, Store(store.root, DEFAULT_CPU))
    workers.prepare(runner.args)
    context = _context(argv, early, scheme, runner.args.affinity)
    partial = _continued(partial, context) if partial else _begun(argv, early, context, runner.args.seed)
    runner.args.seed = partial.plan["seed"]
    hooks = VerdictHooks(_undecided, _calibration, _brought, _read, _sharpness, lambda: brief(cases, store))
    return Session(runner, cases, store, context, partial, hooks).run()


def _chosen(early: argparse.Namespace, memory: str) -> list[Case]:
    """What the command line chooses: of the models, or of the kernel files."""
    timed = not early.list
    return file_cases.select(early, memory, timed=timed) if early.vmlinux else select_for(early, memory)


def _undecided(folder: Path, margin: str) -> dict[str, frozenset[str]]:
    """Undecided arms by scenario. Only this command imports results; the rest of benchmarks/ does not."""
    from model.vocabulary.margin import Margin
    from results.analysis.groups import undecided
    from results.reading.load import load

    return undecided(load(folder), Margin.parse(margin))


def _sharpness(folder: Path, wanted: Mapping[str, int]) -> list[float]:
    """Half-widths of all arms once each scenario has as many processes as wanted, ns per page."""
    from results.analysis.groups import halves_after
    from results.reading.load import load

    return halves_after(load(folder), wanted)


def _brought(folder: Path, margin: str) -> list[str]:
    """A line for each check of the user's own, in each scenario."""
    names = {brought.name for brought in added()} | kernel_files.inserted()
    if not names:
        return []
    from model.vocabulary.margin import Margin
    from results.analysis.groups import analyse
    from results.analysis.texts import text_of
    from results.reading.load import load

    groups = analyse(load(folder), Margin.parse(margin))
    cells = [cell for group in groups for cell in group.cells if cell.overhead.arm.variant in names]
    return [f"{c.scenario.name}: {text_of(c.overhead, c.judgement)}" for c in cells]


def _read(content: str, path: Path) -> None:
    """Check that `python -m results` can read this content."""
    from results.reading.load import document_in, run_of

    run_of(document_in(content.encode(errors="replace"), path), path)


def _calibration(file: Path) -> int:
    """Print it as `python -m results calibration` does."""
    from results.__main__ import main as results

    return results(["calibration", str(file)])


def _runner(argv: list[str], early: argparse.Namespace, store: Store, scheme: Scheme) -> Any:
    """A runner with our options beside pyperf's, its arguments parsed."""
    from benchmarks.timing.runner import PairedRunner

    def forward(command: list[str], args: argparse.Namespace) -> None:
        command += ["--seed", str(args.seed), "--cache", str(store.root), "--context", args.context]
        command += [f"--only={args.only}", f"--memory={args.memory}", f"--schedule={args.schedule}"]
        command += [f"--builds={args.builds}", f"--scheme={args.scheme}", f"--cpu={args.cpu}"]
        command += [f"--store-bypass={args.store_bypass}", f"--code={args.code}", f"--parent={os.getpid()}"]
        command += [f"--own={json.dumps(as_plain(), separators=(',', ':'))}"]
        command += kernel_files.for_worker(early)
        command += [f"--sweep={args.sweep if args.vmlinux else along(args.sweep)}"] if args.sweep else []
        command += ["--quick"] if args.quick else []
        command += [f"--raw={args.raw}"] if args.raw else []
        command += [f"--arms={args.arms}"] if args.arms else []
        command += ["--calibrate"] if args.calibrate else []

    runner = PairedRunner(forward, **(QUICK if early.quick else DEFAULT), warmups=0, loops=scheme.loops())
    parser = runner.argparser
    parser.prog, parser.allow_abbrev, parser.color = NAME, False, False
    parser.error = Parser.error.__get__(parser)
    hide(parser)
    helped = help_text(__doc__, parser.format_help()) if {"-h", "--help"} & {*argv} else ""
    parser.print_help = lambda file=None: say(helped)
    add_options(parser)
    _parse(runner, argv)
    return runner


def _context(argv: list[str], early: argparse.Namespace, scheme: Scheme, affinity: str) -> dict[str, Any]:
    """Metadata of every run, of workers on these CPUs."""
    known = commit()
    if known == UNKNOWN:
        note("the commit is unknown (no git, or no checkout of this user): figures will not name it")
    settings = {k: v for k, v in sorted(os.environ.items()) if k.startswith(("NUMBA_", "LLVMLITE_"))}
    if settings:
        note(f"compiled with {', '.join(settings)} from the environment; the code has a cache of its own")
    if loads_wait() and early.store_bypass == "on":
        note("SSBD is on in this process, by seccomp or the kernel's command line: the file says so")
    if addresses_fixed():
        note("address randomisation is off (setarch -R): processes differ less than elsewhere")
    return {
        "commit": known,
        "numba": version("numba"),
        "freepath_cpu": early.cpu,
        "instrument": INSTRUMENT,
        "build_scheme": scheme.name,
        "builds": scheme.builds,
        "store_bypass": "off" if loads_wait() else "on",
        "sibling": early.sibling,
        **({"own_variants": " ".join(f"{o.name}:{o.digest}" for o in added())} if added() else {}),
        "compiler_settings": " ".join(f"{k}={v}" for k, v in settings.items()) or NO_SETTINGS,
        **processor(cpus_in(affinity)[0]),
        "platform": platform.platform(True, False),  # as pyperf has it
        **doctor.facts(),
        **kernel_files.facts(),
        "freepath_command": shlex.join(["python", "-m", "benchmarks", *kernel_files.without_folders(argv)]),
    }


def _begun(argv: list[str], early: argparse.Namespace, context: dict[str, Any], seed: int | None) -> Partial:
    """Make the folder of a new run, after the last checks."""
    if early.append:
        check_append(Path(early.append), context, early.seed)
        note_differences(f"--append {early.append}", metadata_of(Path(early.append)), context)
    target = early.output or early.append
    plan = {
        "schema": PLAN,
        "argv": argv,
        "append": bool(early.append),
        "seed": secrets.randbits(31) if seed is None else seed,
        "sources": sources(),
        "own": as_plain(),
        "context": context,
    }
    return Partial.begin(Path(target) if target else None, plan)


def _continued(partial: Partial, context: dict[str, Any]) -> Partial:
    """The folder of a run that is resumed, if this is still the machine and the compiler of its plan.

    Raises
    ------
    UsageError
    """
    began = partial.plan["context"]
    asked = f"--resume {partial.folder}"
    check_machine(asked, [began], context, "what is complete can be shown, and the rest measured anew")
    note_differences(asked, [began], context)
    for name in MUST_MATCH:
        if context.get(name) != began.get(name):
            raise UsageError(
                f"{asked}: it began with {name} {began.get(name)}, this is "
                f"{context.get(name)}: such processes are not averaged"
            )
    # Equal sources count as one commit: later commits changed nothing that measures.
    context |= {name: began[name] for name in ("commit", "freepath_command")}
    return partial


def _parse(runner: Any, argv: list[str]) -> None:
    said = StringIO()
    try:
        # pyperf complains on standard output, and exits with 1, which here is reserved for findings.
        with redirect_stdout(said):
            args = runner.parse_args(without_targets(argv))
    except SystemExit as stop:
        if stop.code == 1:
            raise UsageError(said.getvalue().strip().removeprefix("ERROR: ")) from None
        sys.stdout.write(said.getvalue())
        raise
    check_pyperfs(args)


def _work(runner: Any, cases: list[Case], store: Store, scheme: Scheme, code: dict[str, Any]) -> int:
    """Measure the one case that this worker was started for."""
    from benchmarks.timing.confine import confine
    from benchmarks.timing.sampler import Sampler

    runner.context, runner.counts = json.loads(runner.args.context), code.get("counts", {})
    if "sources" in code and code["sources"] != sources():
        raise CompileError(
            "the sources of model/ or benchmarks/ were edited meanwhile: put them back, and resume"
        )
    store.expect(code.get("sums", {}))
    if runner.args.vmlinux:
        confine(Path(runner.args.pair_dir))
    # pyperf finds a worker's task by its position; a case may have been measured in an earlier round too.
    schedule = [int(index) for index in runner.args.schedule.split(",") if index] or range(len(cases))
    for index in schedule:
        case = with_arms(cases[index], runner.args.arms) if index == schedule[-1] else cases[index]
        runner.bench_case(index, case, lambda case, seed: Sampler(case, store, seed, scheme))
    return 0


def start(argv: list[str]) -> int:
    """Run the command as a process; workers keep the signals' defaults, which end them at once."""
    if argv[:1] == [nursery.OPTION]:
        return nursery.serve(argv[1:], start)
    if "--worker" not in argv:
        return run(NAME, lambda: main(argv))
    workers.begin(argv)
    return run(NAME, lambda: main(argv), signals=False)


if __name__ == "__main__":
    leave(start(sys.argv[1:]))
