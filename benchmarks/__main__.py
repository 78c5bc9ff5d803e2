"""python -m benchmarks: measure the free path, as a pyperf program.

For example:
  python -m benchmarks --quick -o quick.json        the headline: a minute
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
from model.common.errors import FreepathError, UsageError
from model.common.limits import check_address_space
from model.common.parser import Parser
from model.common.streams import note

if __name__ == "__main__":
    guard("python -m benchmarks")
    try:
        check_address_space(256 << 20, "measuring")  # with less, importing numpy ends in a traceback
    except FreepathError as error:
        leave(complain("python -m benchmarks", str(error)))

import argparse
import os
import platform
import secrets
import shlex
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import doctor, kernel_files, listing, user_variants
from benchmarks.cases import Case, lasting
from benchmarks.commit import UNKNOWN, commit, sources
from benchmarks.process_settings import addresses_fixed, loads_wait, set_store_bypass
from benchmarks.processor import processor
from benchmarks.selection import select_for
from benchmarks.timing import nursery, partner, worker, workers
from benchmarks.timing.append import MUST_MATCH, check_append, metadata_of
from benchmarks.timing.calibrate import calibration_cases
from benchmarks.timing.options import NAME, check, views
from benchmarks.timing.partial import Partial
from benchmarks.timing.runner import PairedRunner, runner_of
from benchmarks.timing.same_machine import check_machine, note_differences
from benchmarks.timing.scheme import Scheme
from benchmarks.timing.session import Session
from benchmarks.timing.verdict_hooks import VerdictHooks
from benchmarks.units import check_margin
from model.common.files import check_target
from model.common.system_files import cpus_in
from model.kernels.arrays import check_available
from model.kernels.store import DEFAULT_CPU, Store, default_folder
from model.kernels.user_variants.added import add_again, added, as_plain
from model.vocabulary.formats import INSTRUMENT, NO_SETTINGS, PLAN


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    resumes = any(word.partition("=")[0] == "--resume" for word in argv)
    elsewhere = any(word.partition("=")[0] == "--on" for word in argv)
    if elsewhere and not {"--list", "--doctor", "-h", "--help"} & {*argv}:
        return _fleet(argv, resumes=resumes)
    if resumes:
        return _resume(argv)
    runner = runner_of(argv, __doc__ or "")
    args = runner.args
    kernel_files.check(args)
    if args.new_variant:
        return user_variants.write_template(args.new_variant, args.kernel, args.target)
    user_variants.add(args)
    kernel_files.add(args)
    if args.list:
        return listing.show(_chosen(args, args.memory or ("" if args.quick else "all")), args.json)
    if args.doctor:
        return doctor.show(args.json)
    check(args)
    return _measure(argv, runner)


def _fleet(argv: list[str], *, resumes: bool) -> int:
    """Measure on the hosts of a scheduler, after the checks of a run on this machine."""
    from benchmarks.fleet import driver
    from results.reading.load import load
    from results.reading.machine import key_of, machine_of

    args = runner_of([] if resumes else argv, __doc__ or "").args
    kernel_files.check(args)
    check_margin(args.margin)
    cases = calibration_cases() if args.calibrate else select_for(args, args.memory)
    total = sum(case.processes or args.processes for case in cases)
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
    runner = runner_of(plan["argv"], "")
    kernel_files.add(runner.args)
    add_again(plan.get("own", []))  # the texts that it began with: the files may have changed
    return _measure(plan["argv"], runner, partial)


def _measure(argv: list[str], runner: PairedRunner, partial: Partial | None = None) -> int:
    """Measure what the command line selects, or what a resumed run lacks."""
    args = runner.args
    set_store_bypass(args.store_bypass)
    cases = calibration_cases() if args.calibrate else _chosen(args, args.memory)
    store = Store(default_folder(), args.cpu)
    if (shown := views(args)) and not (partial or args.target or args.append_to):
        raise UsageError(f"--{shown[0]} shows the file that was written: give -o FILE")
    partner.check(args.sibling, args.affinity, [case.scenario.threads for case in cases])
    for case in cases:
        check_available(case.path.pages(case.scenario))
    if not partial:
        user_variants.vet_checkout()
        _prove(cases, Store(store.root, DEFAULT_CPU))
    workers.prepare(args)
    context = _context(argv, args)
    partial = _continued(partial, context) if partial else _begun(argv, args, context)
    args.seed = partial.plan["seed"]
    hooks = VerdictHooks(
        _undecided, _calibration, _brought, _read, _sharpness, lambda: _counted(cases, store)
    )
    return Session(runner, cases, store, context, partial, hooks).run()


def _prove(cases: list[Case], store: Store) -> None:
    """Check what the user added to the model in the emulator, which most commands need not load."""
    if brought := added():
        from benchmarks.census.proof import prove

        prove(cases, {each.name: each.where for each in brought}, store)


def _counted(cases: list[Case], store: Store) -> Mapping[str, Any]:
    """What one free by each arm of a kernel file executes."""
    if not any(case.path.gated for case in cases):
        return {}
    from benchmarks.census.brief import brief

    return brief(cases, store)


def _chosen(args: argparse.Namespace, memory: str) -> list[Case]:
    """What the command line chooses: of the models, or of the kernel files."""
    if args.vmlinux:
        from benchmarks import file_cases

        return file_cases.select(args, memory, timed=not args.list)
    cases = select_for(args, memory)
    return cases if args.values_given else [lasting(case, args.values) for case in cases]


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


def _context(argv: list[str], args: argparse.Namespace) -> dict[str, Any]:
    """Metadata of every run."""
    known, scheme = commit(), Scheme(args.builds, args.scheme)
    if known == UNKNOWN:
        note("the commit is unknown (no git, or no checkout of this user): figures will not name it")
    settings = {k: v for k, v in sorted(os.environ.items()) if k.startswith(("NUMBA_", "LLVMLITE_"))}
    if settings:
        note(f"compiled with {', '.join(settings)} from the environment; the code has a cache of its own")
    if loads_wait() and args.store_bypass == "on":
        note("SSBD is on in this process, by seccomp or the kernel's command line: the file says so")
    if addresses_fixed():
        note("address randomisation is off (setarch -R): processes differ less than elsewhere")
    return {
        "commit": known,
        "numba": version("numba"),
        "freepath_cpu": args.cpu,
        "instrument": INSTRUMENT,
        "build_scheme": scheme.name,
        "builds": scheme.builds,
        "store_bypass": "off" if loads_wait() else "on",
        "sibling": args.sibling,
        **({"own_variants": " ".join(f"{o.name}:{o.digest}" for o in added())} if added() else {}),
        "compiler_settings": " ".join(f"{k}={v}" for k, v in settings.items()) or NO_SETTINGS,
        **processor(cpus_in(args.affinity)[0]),
        "platform": platform.platform(True, False),  # as pyperf has it
        **doctor.facts(),
        **kernel_files.facts(),
        "freepath_command": shlex.join(["python", "-m", "benchmarks", *kernel_files.without_folders(argv)]),
    }


def _begun(argv: list[str], args: argparse.Namespace, context: dict[str, Any]) -> Partial:
    """Make the folder of a new run, after the last checks."""
    if args.append_to:
        check_append(Path(args.append_to), context, args.seed)
        note_differences(f"--append {args.append_to}", metadata_of(Path(args.append_to)), context)
    target = args.target or args.append_to
    plan = {
        "schema": PLAN,
        "argv": argv,
        "append": bool(args.append_to),
        "seed": secrets.randbits(31) if args.seed is None else args.seed,
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


def start(argv: list[str]) -> int:
    """Run the command as a process; workers keep the signals' defaults, which end them at once."""
    if argv[:1] == [nursery.OPTION]:
        return nursery.serve(argv[1:], start, worker.keep)
    if "--worker" not in argv:
        return run(NAME, lambda: main(argv))
    return run(NAME, lambda: worker.measure(argv), signals=False)


if __name__ == "__main__":
    leave(start(sys.argv[1:]))
