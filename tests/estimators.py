"""Estimators judged on kept slices: `python -m tests.estimators RAW.zip ...` (of `--raw RAW.zip`).

Each turns the slices of a cell, float64[..., rounds, arms] in ns per page, into a time per arm. They are
judged on the slices as measured, and on the same slices with noise put in: a sibling thread that comes and
goes, interruptions, and an arm that pays 10 ns in one build of ten. Columns: the median over arms of the half
width of a 95 % interval over all processes, ns per page; the same of the A/A control; the largest shift of an
arm by the noise; how many A/A intervals cover zero, of sessions of six processes each. A/A are base-twin, and
in scenario `off` (of `--calibrate --raw`) every arm that is nothing there. A second table has the cells by
how far the machine's level moved in them, and the standard deviation over cells of arms' differences to base.
"""

import io
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from benchmarks.timing.levels import faster_half, levelled, neighbours
from model.vocabulary.calibration import NULL, SESSION

Floats = npt.NDArray[np.float64]
Estimator = Callable[[Floats, npt.NDArray[np.uint8]], Floats]


def polish(slices: Floats, first: int = 0) -> Floats:
    """Medians over rounds of the distance from the median arm of the round, from a round on."""
    left = np.log(slices[..., first:, :])
    arms = np.median(left, axis=-2)
    for _ in range(3):
        rounds = np.median(left - arms[..., None, :], axis=-1, keepdims=True)
        rounds -= np.median(rounds, axis=-2, keepdims=True)
        arms = np.median(left - rounds, axis=-2)
    return np.asarray(np.exp(arms))


def pairs(slices: Floats, first: int = 0) -> Floats:
    """Median over rounds of the log ratio to base in the same round, times base's median."""
    left = np.log(slices[..., first:, :])
    base = np.median(left[..., :1], axis=-2)
    return np.asarray(np.exp(base + np.median(left - left[..., :1], axis=-2)))


ESTIMATORS: Final[Mapping[str, Estimator]] = {
    "mean": lambda slices, turns: slices.mean(axis=-2),
    "median": lambda slices, turns: np.median(slices, axis=-2),
    "minimum": lambda slices, turns: slices.min(axis=-2),
    "faster half": lambda slices, turns: faster_half(slices),
    "ratio to base, median": lambda slices, turns: pairs(slices),
    "the same without the first round": lambda slices, turns: pairs(slices, 1),
    "median polish": lambda slices, turns: polish(slices),
    "the same without the first round ": lambda slices, turns: polish(slices, 1),
    "neighbours, faster half": neighbours,
}


@dataclass(frozen=True)
class Kept:
    """One process: float64[values, builds, places, rounds, arms], and likewise when each was timed."""

    slices: Floats
    turns: npt.NDArray[np.uint8]
    scenario: str
    arms: tuple[str, ...]
    """Names of the variants."""

    @property
    def same(self) -> list[int]:
        """Numbers of the arms that are base once more."""
        names = NULL if self.scenario.startswith("off/") else ("base-twin",)
        return [number for number, name in enumerate(self.arms) if name in names]


def processes(path: Path) -> Iterator[Kept]:
    """The processes in a file of `--raw`, scenario by scenario."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            arrays = np.load(io.BytesIO(archive.read(name)))
            names = tuple(str(name).partition("/")[0] for name in arrays["arms"])
            slices = arrays["slices"].astype(np.float64)
            yield Kept(slices, arrays["turns"], str(arrays["scenario"]), names)


def in_time(kept: Kept, noise: Floats) -> Floats:
    """Noise in the order of time, float64[..., rounds * arms], as slices are stored."""
    noise = noise.reshape(kept.slices.shape)
    return np.asarray(np.take_along_axis(noise, kept.turns.astype(np.int64), axis=-1))


def sibling(kept: Kept, rng: np.random.Generator) -> Kept:
    """A thread that comes and goes every 50 slices on average, 40 % slower while it is there."""
    changes = rng.random(kept.slices.size) < 1 / 50
    there = (np.cumsum(changes) % 2).astype(float)
    return replace(kept, slices=kept.slices * (1 + 0.4 * in_time(kept, there)))


def interruptions(kept: Kept, rng: np.random.Generator) -> Kept:
    """One slice of a hundred is interrupted: 10 us to 4 ms, which is 20 to 8,000 ns per page."""
    hit = rng.random(kept.slices.size) < 0.01
    return replace(kept, slices=kept.slices + in_time(kept, hit * 20 * 400 ** rng.random(hit.size)))


def rare(kept: Kept, rng: np.random.Generator) -> Kept:
    """Arms but the first two pay 10 ns in a tenth of the builds, 1 ns on average."""
    builds, arms = int(np.prod(kept.slices.shape[:2])), kept.slices.shape[-1]
    share = np.where(np.arange(builds) < round(builds / 10), 10.0, 0.0)[:, None]
    paid = rng.permuted(np.repeat(share / share.mean(), arms, axis=1), axis=0)
    paid[:, :2] = 0.0
    return replace(kept, slices=kept.slices + paid.reshape(*kept.slices.shape[:2], 1, 1, arms))


MOVES: Final = (0.02, 0.03, 0.05, 0.1, np.inf)
"""How far a level moves, as a logarithm, in the cells of each row."""

NOISE: Final[Mapping[str, tuple[Callable[[Kept, np.random.Generator], Kept], float]]] = {
    "as measured": (lambda kept, rng: kept, 0.0),
    "sibling": (sibling, 0.0),
    "interruptions": (interruptions, 0.0),
    "one build in ten pays 10 ns": (rare, 1.0),
}


def overheads(kept: list[Kept], estimator: Estimator) -> Floats:
    """float64[processes, arms], ns per page over the first arm, each a mean over all cells."""
    rows = []
    for process in kept:
        times = estimator(process.slices, process.turns)
        rows.append(times.reshape(-1, times.shape[-1]).mean(axis=0))
    means = np.array(rows)
    return np.asarray(np.expm1(np.log(means / means[:, :1])) * means[:, :1].mean())


def covering(costs: Floats, same: list[int]) -> tuple[int, int]:
    """How many A/A intervals of sessions cover zero, and how many there are."""
    sessions = [costs[at : at + SESSION, same] for at in range(0, len(costs) - SESSION + 1, SESSION)]
    wide = stdtrit(SESSION - 1, 0.975) / np.sqrt(SESSION)
    hit = [np.abs(own.mean(axis=0)) <= wide * own.std(axis=0, ddof=1) for own in sessions]
    return int(np.sum(hit)), int(np.size(hit))


def report(files: list[Path]) -> None:
    """Print two tables for each scenario of each file."""
    for path in files:
        for scenario, group in groupby(processes(path), key=lambda one: one.scenario):
            kept = list(group)
            print(f"{path.name}, {scenario}")
            table(kept)
            by_move(kept)


def by_move(kept: list[Kept]) -> None:
    """Print how far arms are from base in a cell, by how far the machine's level moved in it."""
    each = [levelled(process.slices, process.turns) for process in kept]
    moved = np.stack([moves for _, moves in each])
    apart = np.stack([times[..., 1:] - times[..., :1] for times, _ in each])
    for limit in MOVES:
        chosen = moved < limit
        wide = apart[chosen].std(axis=0)
        print(
            f"  level moves by less than {limit:6.2f}: {chosen.mean():4.0%} of the cells, standard deviation "
            f"of the A/A control {wide[0]:.3f}, of the other arms {np.median(wide[1:]):.3f} (median)"
        )


def table(kept: list[Kept]) -> None:
    """Print what each estimator makes of the processes of a scenario."""
    count, arms = len(kept), kept[0].slices.shape[-1]
    wide = stdtrit(count - 1, 0.975) / np.sqrt(count)
    print(f"  {count} processes, {arms} arms, {kept[0].slices[..., 0, 0].size} cells each")
    usual = {name: overheads(kept, estimator) for name, estimator in ESTIMATORS.items()}
    for noise, (put_in, truth) in NOISE.items():
        disturbed = [put_in(one, np.random.default_rng(n)) for n, one in enumerate(kept)]
        for name, estimator in ESTIMATORS.items():
            after = overheads(disturbed, estimator)
            widths = wide * after.std(axis=0, ddof=1)
            shift = (after - usual[name]).mean(axis=0)[2:] - truth
            hit, asked = covering(after, kept[0].same)
            print(
                f"  {noise:28} {name:34} +-{np.median(widths[1:]):8.4f}  twin +-{widths[1]:8.4f}  "
                f"shift {shift[np.abs(shift).argmax()]:+8.4f}  covers {hit} of {asked}"
            )


if __name__ == "__main__":
    report([Path(name) for name in sys.argv[1:]])
