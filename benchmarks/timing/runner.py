"""A pyperf runner whose worker measures all arms of a scenario, so that they can be compared in pairs.

pyperf sees the first arm as "the benchmark": its options, worker processes, warm-ups and pipes are untouched.
The worker also writes a side file, itself a valid pyperf suite, with one run per arm, into the folder of
`partial`; the parent merges these. Runs of one process share a `pair_id`, and value k of each comes from the
same block of slices.
Only pyperf's public API is used, except for its facts of the machine (`pyperf_facts`).
"""

import argparse
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import pyperf

from benchmarks.cases import Case
from benchmarks.machine_load import Watch
from benchmarks.processor import processor
from benchmarks.timing import levels, raw
from benchmarks.timing.collect import dumps
from benchmarks.timing.dates import moments
from benchmarks.timing.pyperf_facts import collect_what_can_be_read
from benchmarks.timing.sampler import Value, interquartile_mean
from model.common.files import write_new
from model.kernels.arrays import huge_share
from model.machine_code.placement import POSITIONS, STACK_PLACES, STACK_STEP
from model.vocabulary.formats import INSTRUMENT, RUN
from model.vocabulary.partial_run import PLAIN, process_stem

ALONE = ("-m", "benchmarks")
"""What a worker is started with where nobody forks it."""
MakeSampler = Callable[[Case, list[int]], Any]


class PairedRunner(pyperf.Runner):  # type: ignore[misc]
    """pyperf.Runner with `bench_case`.

    Parameters
    ----------
    forward
        Options that workers need, as pyperf's `add_cmdline_args`.
    """

    def __init__(self, forward: Callable[[list[str], argparse.Namespace], None], **options: Any) -> None:
        collect_what_can_be_read()
        self.program = [*ALONE]
        """What pyperf starts as a worker; the list itself is pyperf's, too."""
        super().__init__(
            add_cmdline_args=self._forward_context,
            program_args=self.program,
            **options,
        )
        self._forward = forward
        self._position = 0
        self.argparser.add_argument("--pair-dir", help=argparse.SUPPRESS)
        self.context: dict[str, Any] = {}
        self.counts: dict[str, dict[str, dict[str, int]]] = {}

    def bench_case(self, index: int, case: Case, make_sampler: MakeSampler) -> pyperf.Benchmark | None:
        """Measure a case; the results lie in the pair folder, and pyperf's own view is returned.

        Parameters
        ----------
        index
            The case's place in the selection: part of the seed.
        make_sampler
            Called in the worker only, with the case and the seed of this process.
        """
        args = self.parse_args()
        self._position += 1
        # pyperf wants every name once; runs are stored under the case's own.
        name = f"{self._position}: {benchmark_name(case, 0)}"
        inner_loops = case.pages_per_slice
        if not args.worker:
            return self.bench_time_func(name, never_called, inner_loops=inner_loops)
        worker = _Worker(self, index, case, make_sampler)
        bench = self.bench_time_func(name, worker.time, inner_loops=inner_loops)
        if bench is not None and args.pair_dir:
            worker.save(bench, Path(args.pair_dir))
        return bench

    def _forward_context(self, command: list[str], args: argparse.Namespace) -> None:
        if args.pair_dir:
            command += ["--pair-dir", args.pair_dir]
        self._forward(command, args)


def never_called(*arguments: Any) -> Any:
    """Where the parent needs what only workers call."""
    raise AssertionError("only workers measure")


def benchmark_name(case: Case, arm: int) -> str:
    """`scenario: variant/gate`."""
    plain = "plain pyperf, " if case.pyperf_alone else ""
    return f"{plain}{case.scenario.name}: {case.arms[arm].name}"


class _Worker:
    """What one worker process does for the one case that it was started for."""

    def __init__(self, runner: PairedRunner, index: int, case: Case, make_sampler: MakeSampler) -> None:
        self.runner, self.index, self.case, self.make_sampler = runner, index, case, make_sampler
        self.sampler: Any = None

    def time(self, loops: int) -> float:
        """Pyperf's time function; sets up the sampler on its first call."""
        if self.sampler is None:
            args = self.runner.args
            self.process = claim_number(args.pair_dir, self.index)
            self.began = datetime.now(UTC)
            self.watch = Watch()
            self.sampler = self.make_sampler(self.case, [args.seed or 0, self.index, self.process])
        return float(self.sampler(loops))

    def save(self, bench: pyperf.Benchmark, folder: Path) -> None:
        """Write the process to the disk, whole or not at all."""
        (run,) = bench.get_runs()
        if not run.values:
            return
        self.sampler.check()
        name = process_stem(self.index, self.process)
        if self.case.pyperf_alone:
            facts = {"name": benchmark_name(self.case, 0), **moments(self.began, run.get_metadata())}
            bench.update_metadata(facts)
            write_new(folder / f"{name}{PLAIN}", dumps(pyperf.BenchmarkSuite([bench])))
        else:
            if self.runner.args.raw:
                arms = [arm.name for arm in self.case.arms]
                content = raw.packed(self.sampler, self.case.scenario.name, arms, len(run.values))
                write_new(folder / f"{name}{raw.SUFFIX}", content, replace=True)
            write_new(folder / f"{name}.json", dumps(pyperf.BenchmarkSuite(self._arms(run))))

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
            "seed": self.runner.args.seed or 0,
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
            **self.runner.context,
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
            "name": benchmark_name(self.case, number),
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
        own |= self.runner.counts.get(self.case.scenario.name, {}).get(arm.name, {})
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


def claim_number(folder: str | None, case: int) -> int:
    """The number of this process among those of its case: the next one that nobody has claimed.

    It makes the seed of every process different, and the same again when the run is repeated.
    """
    number = 0
    while folder:
        try:
            os.close(os.open(Path(folder) / f"{case}.{number}.claim", os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            number += 1
    return number
