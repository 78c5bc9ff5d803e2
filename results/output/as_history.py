"""`python -m results history`: each cell over time, as text or JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from model.vocabulary.formats import HISTORY
from results.analysis.history import Series, cells_of_several_codes
from results.output.words import number, pair
from results.reading.dates import date_text


def as_json(series: Sequence[Series]) -> str:
    """Plain data."""
    rows: list[dict[str, Any]] = [asdict(row) for row in series]
    for row in rows:
        for point in row["points"]:
            point |= {"overhead_ns": number(point["overhead_ns"]), "ci95_ns": pair(point["ci95_ns"])}
    return json.dumps({"schema": HISTORY, "series": rows}, indent=2, allow_nan=False) + "\n"


def lines(series: Sequence[Series]) -> Iterator[str]:
    """A line per cell: its levels, and each change; above each of several machines its facts."""
    machines = [row.machine for row in series]
    mixed = any(machine != machines[0] for machine in machines)
    several = cells_of_several_codes(series)
    for index, row in enumerate(series):
        if mixed and (index == 0 or row.machine != machines[index - 1]):
            facts = ", ".join(f"{name} {value}" for name, value in row.machine.items())
            yield f"machine: {facts or 'unknown'}"
        yield from _lines_of(row, f" ({row.code})" if row.cell in several else "")


def _lines_of(row: Series, code: str) -> Iterator[str]:
    levels = [
        float(np.median([point.overhead_ns for point in row.points[a:b]]))
        for a, b in pairwise([0, *row.changes, len(row.points)])
    ]
    runs = "1 run" if len(row.points) == 1 else f"{len(row.points)} runs"
    yield f"{row.cell}{code}: {runs}, " + " -> ".join(f"{level:+z.3f}" for level in levels) + " ns"
    for index in row.changes:
        point = row.points[index]
        yield f"  changed at {date_text(point.date)}, commit {point.commit}"
