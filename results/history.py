"""`python -m results history DIR`: each cell over time, with the points at which its level changed.

Change points are found by PELT (ruptures) with a cost that outliers hardly move; a series of fewer than six
runs has none.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from results.analysis import analyse
from results.load import BadRunError, Run, clean, load
from results.show import number
from results.verdict import Margin

SCHEMA: Final = "freepath.history/1"
LEAST: Final = 6
SEGMENT: Final = 2
"""Fewest runs between two changes."""
PENALTY: Final = 3.0
"""Times log(n): how much better a change must fit before it is believed."""


@dataclass(frozen=True)
class Point:
    """One run's overhead in one cell."""

    date: str
    commit: str
    overhead_ns: float
    ci95_ns: tuple[float, float] | None


@dataclass(frozen=True)
class Series:
    """One cell over time.

    Attributes
    ----------
    changes
        Indices of the points that begin a new level.
    """

    cell: str
    points: list[Point]
    changes: list[int]


def history(folder: Path) -> list[Series]:
    """Read every run in a folder and below; other files are passed over.

    Raises
    ------
    BadRunError
        When there is no folder or no run in it.
    """
    if not folder.is_dir():
        raise BadRunError(f"{folder} is no folder of runs")
    runs = []
    for path in sorted(folder.rglob("*.json")):
        try:
            runs.append(load(path))
        except BadRunError:
            continue  # census, figures and partial files lie beside the runs
    if not runs:
        raise BadRunError(f"{folder} holds no run: python -m benchmarks -o {folder}/run.json makes one")
    cells: dict[str, list[Point]] = {}
    for run in sorted(runs, key=date_of):
        for group in analyse(run, Margin(1.0, percent=True)):
            for cell in group.cells:
                point = Point(date_of(run), _commit(run), cell.overhead.ns, cell.judgement.ci95)
                cells.setdefault(f"{group.scenario.name}: {cell.overhead.arm.name}", []).append(point)
    return [
        Series(name, points, change_points([p.overhead_ns for p in points])) for name, points in cells.items()
    ]


def date_of(run: Run) -> str:
    """When the first process was measured."""
    return min(
        clean(process.facts.get("date", "")) for scenario in run.scenarios for process in scenario.processes
    )


def _commit(run: Run) -> str:
    commit = run.facts.get("commit", "unknown")
    return str(commit[0] if isinstance(commit, tuple) else commit)


def change_points(values: Sequence[float]) -> list[int]:
    """Indices at which a new level begins."""
    if len(values) < LEAST:
        return []
    import ruptures

    series = np.asarray(values, float)
    spread = float(np.median(np.abs(np.diff(series)))) or float(np.std(series))
    if spread == 0:
        return []
    found = ruptures.Pelt(model="l1", min_size=SEGMENT, jump=1).fit(series / spread)
    return [int(index) for index in found.predict(pen=PENALTY * np.log(len(series)))[:-1]]


def as_json(found: Sequence[Series]) -> str:
    """Plain data."""
    rows = [asdict(one) for one in found]
    for row in rows:
        for point in row["points"]:
            point["overhead_ns"] = number(point["overhead_ns"])
    return json.dumps({"schema": SCHEMA, "series": rows}, indent=2) + "\n"


def lines(found: Sequence[Series]) -> Iterator[str]:
    """A line per cell: first and last level, and each change."""
    for one in found:
        starts = [0, *one.changes]
        ends = [*one.changes, len(one.points)]
        levels = [
            float(np.median([p.overhead_ns for p in one.points[a:b]]))
            for a, b in zip(starts, ends, strict=True)
        ]
        yield (
            f"{one.cell}: {len(one.points)} runs, " + " -> ".join(f"{level:+.3f}" for level in levels) + " ns"
        )
        for index in one.changes:
            point = one.points[index]
            yield f"  changed at {point.date[:19]}, commit {point.commit}"
