"""A worker: a process that measures all arms of one case of a run, so that they can be compared in pairs.

The plan in the run's folder says what the case is, pyperf's options how many values. pyperf sees the first
arm as "the benchmark": warm-ups and pipes are its own. The worker also writes a side file into the folder,
itself a valid pyperf suite, with one run per arm; the parent merges these. Runs of one process share a
`pair_id`, and value k of each comes from the same block of slices.
"""

import argparse
import faulthandler
import os
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt
import pyperf

from benchmarks import kernel_files
from benchmarks.cases import Case, from_plain
from benchmarks.commit import sources
from benchmarks.machine_load import Watch
from benchmarks.process_settings import set_store_bypass
from benchmarks.processor import processor
from benchmarks.timing import levels, options, raw
from benchmarks.timing.collect import dumps
from benchmarks.timing.confine import confine
from benchmarks.timing.dates import moments
from benchmarks.timing.plan import Work, damaged, plan_in
from benchmarks.timing.pyperf_facts import collect_what_can_be_read
from benchmarks.timing.sampler import Sampler, Value, interquartile_mean
from benchmarks.timing.scheme import Scheme
from model.common.errors import CompileError, FileError, UsageError
from model.common.files import write_new
from model.common.process import end_with_parent
from model.kernels.arrays import huge_share
from model.kernels.lay_out.image import LAY_OUT
from model.kernels.store import Store
from model.kernels.user_variants.added import add_again
from model.machine_code import image_cache, pieces
from model.machine_code.placement import POSITIONS, STACK_PLACES, STACK_STEP
from model.vocabulary.formats import INSTRUMENT, RUN
from model.vocabulary.partial_run import PLAIN, WORDS, claim_name, process_stem


def measure(argv: list[str]) -> int:
    """Measure the case that the arguments name; returns the exit status."""
    runner = pyperf.Runner()
    runner.argparser.add_argument("--plan", type=Path, required=True)
    runner.argparser.add_argument("--case", type=int, required=True)
    runner.argparser.add_argument("--sha256", default="")
    runner.argparser.add_argument("--parent", type=int, default=0)
    options.become_ours(runner.argparser)
    runner.argparser.error = _refuse
    args = options.parse(runner, argv)
    args.worker_task = None  # where the case stands in its parent's run; here it is the only one
    if args.parent:
        _begin(args.parent, args.plan)
    faulthandler.enable()
    plan = plan_in(args.plan, args.sha256)
    try:
        work: Work = plan["work"]
        case = from_plain(work["cases"][args.case])
    except (LookupError, TypeError, ValueError):
        raise damaged(args.plan) from None
    process = _Process(args.plan, args.case, case, plan["seed"], work)
    time = partial(process.time, _prepared(plan, work))
    if work["files"]:
        confine(args.plan)
    collect_what_can_be_read()
    process.save(runner.bench_time_func(case.benchmark(0), time, inner_loops=case.pages_per_slice))
    return 0


KEPT: Final[list[argparse.Namespace]] = []
"""Whose images this process keeps."""


def keep(argv: list[str]) -> None:
    """Read the images of a worker's case into this process, from which it will be forked; one case at a time.

    A worker reads their files again, and takes what is kept here where the content is the same.
    """
    asked = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    asked.add_argument("--plan", type=Path)
    asked.add_argument("--case", type=int)
    args, _ = asked.parse_known_args(argv)
    if [args] == KEPT:
        return
    KEPT[:] = [args]
    image_cache.KEPT.clear()
    pieces.KEPT.clear()
    sources()  # a worker reads again what has changed since
    plan = plan_in(args.plan)
    work: Work = plan["work"]
    if work["files"]:
        kernel_files.import_all()
    if plan["own"] or work["files"]:
        return  # what the user brought is for workers alone
    case = from_plain(work["cases"][args.case])
    store = image_cache.Cache(Path(work["cache"]), work["cpu"], work["digest"])
    store.keep(LAY_OUT)
    for arm in case.arms:
        code = store.keep(case.path.image(case.scenario, arm))
        pieces.pieces_of(code, case.path.loop(case.scenario, arm), keep=True)
        _ = code.digest  # found once, too


def _prepared(plan: Mapping[str, Any], work: Work) -> Store:
    """The code of the run; what its parent added to the model is added to this process, too."""
    if plan["sources"] != sources():
        raise CompileError(
            "the sources of model/ or benchmarks/ were edited meanwhile: put them back, and resume"
        )
    set_store_bypass(work["store_bypass"])
    add_again(plan["own"])
    kernel_files.add_again(work["files"])
    store = Store(Path(work["cache"]), work["cpu"], digest=work["digest"])
    store.expect(plan["code"])
    return store


def _refuse(message: str) -> NoReturn:
    raise UsageError(f"{message}; --worker is how a run starts its workers: --plan FILE.partial --case N")


def _begin(parent: int, folder: Path) -> None:
    """End with the parent, and write stderr to the file that it reads."""
    end_with_parent(parent)
    # Code of a kernel file that ran before can write there: what it put in its place is not followed.
    try:
        words = os.open(folder / WORDS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise FileError(f"cannot write {folder / WORDS}: {error.strerror}") from None
    os.dup2(words, sys.stderr.fileno())


class _Process:
    """What this process does for its case, number `index` of the plan in the folder."""

    def __init__(self, folder: Path, index: int, case: Case, seed: int, work: Work) -> None:
        self.folder, self.index, self.case, self.seed, self.work = folder, index, case, seed, work
        self.sampler: Any = None

    def time(self, store: Store, loops: int) -> float:
        """Pyperf's time function; sets up the sampler on its first call."""
        if self.sampler is None:
            self.process = claim_number(self.folder, self.index)
            self.began = datetime.now(UTC)
            self.watch = Watch()
            seed = [self.seed, self.index, self.process]
            self.sampler = Sampler(self.case, store, seed, Scheme(**self.work["scheme"]))
        return float(self.sampler(loops))

    def save(self, bench: pyperf.Benchmark) -> None:
        """Write the process to the disk, whole or not at all."""
        (run,) = bench.get_runs()
        if not run.values:
            return
        self.sampler.check()
        file = self.folder / process_stem(self.index, self.process)
        if self.case.pyperf_alone:
            bench.update_metadata(moments(self.began, run.get_metadata()))
            write_new(Path(f"{file}{PLAIN}"), dumps(pyperf.BenchmarkSuite([bench])))
            return
        if self.work["raw"]:
            arms = [arm.name for arm in self.case.arms]
            content = raw.packed(self.sampler, self.case.scenario.name, arms, len(run.values))
            write_new(Path(f"{file}{raw.SUFFIX}"), content, replace=True)
        write_new(Path(f"{file}.json"), dumps(pyperf.BenchmarkSuite(self._arms(run))))

    def _arms(self, run: pyperf.Run) -> list[pyperf.Benchmark]:
        """One run per arm: the blocks of the values, not those of warm-ups or calibration."""
        measured = self._measured(run)
        memory = self.sampler.start.machine.memory
        huge = huge_share(memory.mem_map)
        slots = np.stack([value.slots for value in measured])
        parts = levels.parts_of(slots)
        common = run.get_metadata() | self.case.scenario.metadata() | self.watch.metadata()
        common |= {
            "schema": RUN,
            "instrument": INSTRUMENT,
            **moments(self.began, common),
            "pair_id": uuid.uuid4().hex[:12],
            "seed": self.seed,
            "process": self.process,
            "places": self.sampler.places,
            "clock_ns": round(self.sampler.empty_pass_ns, 5),
            "data_offset": memory.data_offset,
            "struct_pages": self.case.path.pages(self.case.scenario),
            "ticks_per_ns": round(self.sampler.ticks_per_ns, 6),
            "cycle_ns": round(fmean(interquartile_mean(value.cycles) for value in measured), 6),
            "slot_ns": " ".join(f"{interquartile_mean(value.slots.ravel()):.5f}" for value in measured),
            "build_slot_ns": " ".join(
                f"{ns:.4f}" for value in measured for ns in value.slots.mean(axis=(1, 2))
            ),
            "part_slot_ns": part_means(levels.busier_sides(slots), parts),
            "part_calm_slot_ns": " ".join(f"{ns:.5f}" for ns in levels.calm_of(slots, parts)),
            "bare_ns": " ".join(f"{interquartile_mean(value.bare):.4f}" for value in measured),
            "timed_again": sum(value.again for value in measured),
            "timed_s": round(self.sampler.timed_s, 4),
            **({} if huge is None else {"huge_share": round(huge, 3)}),
            **self.work["context"],
            **processor(),  # the worker's own, which need not be the parent's on a hybrid CPU
        }
        return [self._arm(number, run, common, parts) for number in range(len(self.case.arms))]

    def _measured(self, run: pyperf.Run) -> list[Value]:
        """What belongs to the run's values: the sampler's last ones."""
        return list(self.sampler.values[len(self.sampler.values) - len(run.values) :])

    def _arm(
        self, number: int, run: pyperf.Run, common: dict[str, Any], parts: levels.Parts
    ) -> pyperf.Benchmark:
        arm, measured = self.case.arms[number], self._measured(run)
        blocks = [float(value.block[number].mean()) * 1e-9 for value in self.sampler.values]
        times = np.concatenate([value.block[number] for value in measured])
        by_place = np.stack([value.levels[number] for value in measured])
        placement = np.stack([value.cells.placement for value in measured])
        stack = np.stack([value.cells.stack for value in measured]) // STACK_STEP
        own: dict[str, Any] = {
            "name": self.case.benchmark(number),
            "variant": arm.variant,
            "gate": arm.gate,
            "image_digest": self.sampler.arms[number].digest,
            "story": self.case.variant(arm).story_line,
            "build_ns": " ".join(f"{time:.3f}" for time in times),
            "part_ns": part_means(by_place.ravel(), parts),
            "layout_ns": means(by_place, placement, POSITIONS),
            "stack_ns": means(by_place, stack, STACK_PLACES),
        }
        slots = self.case.path.slots(arm)
        own |= {} if slots is None else {"slots": slots}
        own |= self.work["counts"].get(self.case.scenario.name, {}).get(arm.name, {})
        loops, first = common["loops"], len(blocks) - len(measured)
        warmups = [(loops, value) for value in blocks[first - len(run.warmups) : first]]
        return pyperf.Benchmark(
            [pyperf.Run(blocks[first:], warmups=warmups, metadata=common | own, collect_metadata=False)]
        )


def means(times: npt.NDArray[np.float64], place: npt.NDArray[np.int64], count: int) -> str:
    """Mean time at each of so many places; `nan` where none was measured."""
    places = [times[place == number] for number in range(count)]
    return " ".join(f"{chosen.mean():.5f}" if len(chosen) else "nan" for chosen in places)


def part_means(times: npt.NDArray[np.float64], parts: levels.Parts) -> str:
    """Mean over the cells of each part; `nan` of one without cells."""
    return " ".join(f"{times[part].mean():.5f}" if len(part) else "nan" for part in parts)


def claim_number(folder: Path, case: int) -> int:
    """The number of this process among those of its case: the next one that nobody has claimed.

    It makes the seed of every process different, and the same again when the run is repeated.
    """
    number = 0
    while True:
        try:
            (folder / claim_name(case, number)).touch(exist_ok=False)
            return number
        except FileExistsError:
            number += 1
