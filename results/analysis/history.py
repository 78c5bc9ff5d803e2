"""`python -m results history DIR`: each cell over time, machine by machine, and where its level changed.

A change is reported when at most 5 % of shuffles of the runs show as large a difference between the runs
before and after. docs/history.md has the rule, its reason and its error rates.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from model.vocabulary.machine import identity
from model.vocabulary.margin import Margin
from results.analysis.conditions import apart
from results.analysis.groups import analyse
from results.reading.dates import date_of, oldest_first
from results.reading.folder import runs_in, settings_of
from results.reading.load import Arm, Array, BadRunError, MeasuredScenario, Run
from results.reading.machine import machine_of
from results.reading.times import MOST_NS

LEAST: Final = 8
"""Fewest runs that can show a change. Of the 35 ways to split seven runs into three and four, 2 are as the
order of measuring: 5.7 %, so no step reaches 5 %, however large. Four and four: 2 of 70."""
SEGMENT: Final = 2
"""Fewest runs on each side of a change: a single run that differs is an outlier."""
FALSE_RATE: Final = 0.05
"""Share of folders without any change in which one may be reported."""
SHUFFLES: Final = 199
"""Number of shuffles: 5 % of 199 + 1 is a whole number, so the test is exact (Davison and Hinkley 1997,
section 4.2)."""
BATCH: Final = 10
"""Shuffles between two checks whether further ones can change a result. It changes the time only: 40 takes
twice as long."""
CLIP: Final = 5.0
"""Largest distance of a run from its series' median, standard errors: values are clipped there, so that a
broken run cannot hide a step. Of 60 steps in tests/test_history.py's folders of 12 runs, a tenth of them
broken: 49 found without clipping, 51 at 8, 55 at 6, 58 at 5, 4 and 3; at 3, 48 beside a noisy series."""
CHANCE: Final = 2.0
"""Excess of a series' scatter, standard errors, from which on its errors are scaled up. Of 60 steps beside a
noisy series: 11 found without scaling, 47 at 8, 60 at 4, 2 and 1, 59 at 0. Of 60 temporary levels in quiet
folders: 43 at 2, 39 at 1, 25 at 0."""
HALF_OF_SQUARES: Final = 0.454936
"""Median of the square of a standard normal number."""
TIE: Final = 1e-6
"""Largest difference between statistics that is rounding, standard errors."""
LEAST_ERROR: Final = 1e-8
"""Smallest standard error, relative to the largest value of a series: a smaller one is rounding."""

Indices = npt.NDArray[np.intp]
Machine = dict[str, str | float]


@dataclass(frozen=True)
class Point:
    """One run's overhead in one cell; its date as `date_of` has it."""

    date: str
    commit: str
    overhead_ns: float
    ci95_ns: tuple[float, float] | None


@dataclass(frozen=True)
class Series:
    """One cell over time, on one machine.

    Attributes
    ----------
    machine
        The facts of `model.vocabulary.machine` and of `settings_of` that the first of the runs has.
    code
        Digests of the arm and of base; different code under the same name is another series.
    changes
        Indices of the points that begin a new level.
    """

    machine: Machine
    cell: str
    code: str
    points: list[Point]
    changes: list[int]


def history(folder: Path) -> list[Series]:
    """Read every run in a folder and below.

    Returns
    -------
    list[Series]
        Machine by machine, points by date.

    Raises
    ------
    BadRunError
        When there is no folder or no run of one machine in it.
    """
    runs = list(runs_in(folder))
    if not runs:
        raise BadRunError(f"{folder} holds no run: python -m benchmarks -o {folder}/run.json makes one")
    cells: dict[tuple[str, str, str], tuple[Machine, list[Point], list[float]]] = {}
    for run in oldest_first(runs):
        machine, key = _machine(run), _series_of(run)
        for group in analyse(run, Margin(1.0, percent=True)):
            for cell in group.cells:
                point = Point(date_of(run), _commit(run), cell.overhead.ns, cell.judgement.ci95)
                error = cell.overhead.error_ns
                name = f"{group.scenario.name}: {cell.overhead.arm.name}{apart(group.condition)}"
                place = key, name, _code(group.scenario, cell.overhead.arm)
                _, points, errors = cells.setdefault(place, (machine, [], []))
                points.append(point)
                errors.append(math.inf if error is None else error)
    changes = _changes([points for _, points, _ in cells.values()], [errors for *_, errors in cells.values()])
    series = [
        Series(machine, cell, code, points, places)
        for ((_, cell, code), (machine, points, _)), places in zip(cells.items(), changes, strict=True)
    ]
    machines, names = (list(dict.fromkeys(column)) for column in list(zip(*cells, strict=True))[:2])
    keyed = zip(cells, series, strict=True)
    ordered = sorted(keyed, key=lambda pair: (machines.index(pair[0][0]), names.index(pair[0][1])))
    return [row for _, row in ordered]


def _machine(run: Run) -> Machine:
    """Every fact of the machine, and the compiler: another kernel or microcode begins another series."""
    return {**machine_of(run), **settings_of(run)}


def _series_of(run: Run) -> str:
    """Key that the runs of one series share."""
    return json.dumps([identity(machine_of(run)), settings_of(run)])


def _code(scenario: MeasuredScenario, arm: Arm) -> str:
    """Digests of the arm and of its base, as far as the run has them."""
    codes = [" and ".join(map(str, scenario.codes_of(one))) for one in (arm, scenario.base_of(arm))]
    return f"{codes[0]}; base {codes[1]}"


def _commit(run: Run) -> str:
    commit = run.facts.get("commit", "unknown")
    return str(commit[0] if isinstance(commit, tuple) else commit)


def _changes(points: Sequence[list[Point]], errors: Sequence[list[float]]) -> list[list[int]]:
    """Indices of points; a run without an interval (a single process) takes no part in the test."""
    usable = [
        [i for i, point in enumerate(row) if abs(point.overhead_ns) < MOST_NS and error[i] < MOST_NS]
        for row, error in zip(points, errors, strict=True)
    ]
    places = change_points(
        [np.array([row[i].overhead_ns for i in kept]) for row, kept in zip(points, usable, strict=True)],
        [np.array([row[i] for i in kept]) for row, kept in zip(errors, usable, strict=True)],
    )
    return [[kept[place] for place in row] for kept, row in zip(usable, places, strict=True)]


def change_points(values: Sequence[Array], errors: Sequence[Array]) -> list[list[int]]:
    """Where levels changed, in all series of a folder together.

    Binary segmentation: the largest significant step splits a series, then each part is searched.

    Parameters
    ----------
    values, errors
        For each series float64[runs], in the order of measuring: overhead and its standard error, ns.

    Returns
    -------
    list[list[int]]
        For each series the indices of the runs that begin a new level.
    """
    rng = np.random.default_rng(0)  # the same folder gives the same answer
    changes: list[list[int]] = [[] for _ in values]
    stretches = [(row, 0, len(value)) for row, value in enumerate(values)]
    while stretches := [(row, a, b) for row, a, b in stretches if b - a >= LEAST]:
        steps = _believed(
            [values[row][a:b] for row, a, b in stretches], [errors[row][a:b] for row, a, b in stretches], rng
        )
        if not any(steps):
            break
        parts = []
        for (row, a, b), step in zip(stretches, steps, strict=True):
            cuts = [a + step] if step else []
            changes[row] += cuts
            parts += [(row, low, high) for low, high in pairwise([a, *cuts, b])]
        stretches = parts
    return [_placed(value, sorted(row)) for value, row in zip(values, changes, strict=True)]


def _placed(values: Array, changes: list[int]) -> list[int]:
    """Each change, moved to where its two levels (medians up to the next changes) fit the runs best.

    The test's place is blurred by its windows and by clipping.
    """
    placed = list(changes)
    for index, place in enumerate(changes):
        start, end = [0, *placed[:index]][-1], [*changes[index + 1 :], len(values)][0]
        before, after = np.median(values[start:place]), np.median(values[place:end])
        nearer_after = np.cumsum(np.abs(values - before) - np.abs(values - after))
        inside = nearer_after[start + SEGMENT - 1 : end - SEGMENT]
        placed[index] = start + SEGMENT + int(np.argmin(inside))
    return placed


@dataclass(frozen=True)
class _Block:
    """Series of one length: their places in the folder, and float64[runs, series] each."""

    rows: Indices
    values: Array
    variances: Array


def _believed(values: Sequence[Array], errors: Sequence[Array], rng: np.random.Generator) -> list[int]:
    """For each series the index of its largest step; 0 where it is not significant.

    Bonferroni over positions and series: they share 5 %, so the rate holds however the cells of a run
    depend on one another. The shuffles of all series are pooled: by its own shuffles alone (2 of 924 split 12
    runs in half as measured) no series could reach a 66th of 5 %. As with Holm, a significant step leaves
    the family, and the others are tested again.
    """
    blocks = _blocks(values, errors)
    sizes, places = np.zeros(len(values)), np.zeros(len(values), int)
    for block in blocks:
        by_place = _steps(block.values, block.variances)
        sizes[block.rows], places[block.rows] = by_place.max(axis=0), by_place.argmax(axis=0) + SEGMENT
    as_large = np.zeros(len(values), int)
    allowed = round(FALSE_RATE * (SHUFFLES + 1)) - 1  # the order of measuring counts as a shuffle
    for start in range(0, SHUFFLES, BATCH):
        count = min(BATCH, SHUFFLES - start)
        noise = np.sort(np.concatenate([_shuffled(block, count, rng) for block in blocks]))
        as_large += len(noise) - np.searchsorted(noise, sizes - TIE)
        if (as_large > allowed).all():
            break
    return [int(place) if few else 0 for place, few in zip(places, as_large <= allowed, strict=True)]


def _shuffled(block: _Block, count: int, rng: np.random.Generator) -> Array:
    """float64[count * series]: the largest step of each series with its runs shuffled."""
    runs = len(block.values)
    shuffles = rng.permuted(np.repeat(np.arange(runs)[:, None], count, axis=1), axis=0)
    largest: Array = _steps(block.values[shuffles], block.variances[shuffles]).max(axis=0).ravel()
    return largest


def _blocks(values: Sequence[Array], errors: Sequence[Array]) -> list[_Block]:
    """Series by length, with the noise between runs in their variances, and clipped."""
    lengths = np.array([len(value) for value in values])
    blocks = []
    for runs in np.unique(lengths):
        rows = np.flatnonzero(lengths == runs)
        places = rows.tolist()
        levels = np.stack([values[row] for row in places], axis=1)
        blocks.append(_Block(rows, levels, _stated(np.stack([errors[row] for row in places], axis=1))))
    between = _between(blocks)
    return [_without_outliers(block, between) for block in blocks]


def _stated(errors: Array) -> Array:
    """float64[runs, series]: variances, none below that of the series' median error.

    An error estimated from a few processes is sometimes far too small, and its run would outweigh all the
    others: of 60 temporary levels in 12 runs, 27 are found with the errors as they are, 43 with this rule.
    """
    return np.asarray(np.maximum(errors, np.median(errors, axis=0)) ** 2)


def _between(blocks: Sequence[_Block]) -> float:
    """Variance between runs, ns^2, that their errors do not explain.

    From successive runs, of which a step changes one pair only, by the median over all series.
    """
    squares = [np.diff(block.values, axis=0) ** 2 / HALF_OF_SQUARES for block in blocks]
    explained = [block.variances[1:] + block.variances[:-1] for block in blocks]
    unexplained = [(a - b).ravel() for a, b in zip(squares, explained, strict=True)]
    return max(0.0, float(np.median(np.concatenate(unexplained))) / 2)


def _without_outliers(block: _Block, between: float) -> _Block:
    least = LEAST_ERROR * np.maximum(np.abs(block.values).max(axis=0), LEAST_ERROR)
    variances = block.variances + np.maximum(between, least**2)
    reach, middle = CLIP * np.sqrt(variances), np.median(block.values, axis=0)
    return _Block(block.rows, np.clip(block.values, middle - reach, middle + reach), variances)


def _steps(values: Array, variances: Array) -> Array:
    """How much the runs before and after each place differ, in standard errors.

    Each place is tested in windows of 2, 4, 8, ... runs on each side and in all runs, so that a temporary
    level is found too; the largest difference counts.

    Parameters
    ----------
    values, variances
        float64[runs, ...]

    Returns
    -------
    float64[runs - 2 * SEGMENT + 1, ...]
        For places SEGMENT to runs - SEGMENT.
    """
    runs = len(values)
    weights = _sums(1 / variances)
    totals = _sums(values / variances)
    places = np.arange(SEGMENT, runs - SEGMENT + 1)
    largest = np.zeros((len(places), *values.shape[1:]))
    for width in _widths(runs):
        low, high = np.maximum(places - width, 0), np.minimum(places + width, runs)
        before, after = weights[places] - weights[low], weights[high] - weights[places]
        # |mean after - mean before| / sqrt(1 / before + 1 / after), squared and with a single division
        step = (totals[high] - totals[places]) * before - (totals[places] - totals[low]) * after
        np.maximum(largest, step**2 / (before * after * (before + after)), out=largest)
    result: Array = np.sqrt(largest / _excess(values, variances))
    return result


def _sums(values: Array) -> Array:
    """float64[runs + 1, ...]: the sum of all runs before each."""
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])


def _widths(runs: int) -> list[int]:
    """SEGMENT, doubled while two windows fit, then all runs: a level fills at least half of some window.

    Of 60 temporary levels in 12 runs, 43 are found; with all runs as the only window, 5.
    """
    doublings = range(int(math.log2(runs / 2 / SEGMENT)) + 1)
    return [*(SEGMENT << doubling for doubling in doublings), runs]


def _excess(values: Array, variances: Array) -> Array:
    """float64[...]: times by which a series scatters more than its variances say, from successive runs.

    An excess below CHANCE standard errors of this figure (von Neumann 1941 gives the error) counts as chance
    and leaves the series as it is: otherwise it would add noise to the many quiet series.
    """
    runs = len(values)
    scatter = np.mean(np.diff(values, axis=0) ** 2 / (variances[1:] + variances[:-1]), axis=0)
    chance = 1 + CHANCE * math.sqrt(3 * runs - 4) / (runs - 1)
    return np.asarray(np.maximum(scatter / chance, 1.0))


def cells_of_several_codes(series: Sequence[Series]) -> set[str]:
    """Cells that have more than one series, by code."""
    codes: dict[str, set[str]] = {}
    for row in series:
        codes.setdefault(row.cell, set()).add(row.code)
    return {cell for cell, known in codes.items() if len(known) > 1}
