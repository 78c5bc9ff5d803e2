"""`python -m results export --format github-action-benchmark`: overheads over base, ns per page."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Final

from results.analysis.conditions import apart
from results.analysis.groups import Analysis, Cell, Group
from results.output.levels import only
from results.output.words import number

UNIT: Final = "ns/page"


def github_action_benchmark(found: Sequence[Analysis]) -> str:
    """benchmark-action/github-action-benchmark, tool `customSmallerIsBetter`."""
    rows = []
    for group, cell in _cells(only(found, "github-action-benchmark").groups):
        interval = cell.judgement.ci95
        half = (interval[1] - interval[0]) / 2 if interval else None
        rows.append(
            {
                "name": _name(cell),
                "unit": UNIT,
                "value": number(cell.overhead.ns),
                **({"range": f"± {half:.3f}"} if half is not None else {}),
                "extra": f"{cell.judgement.verdict}; base {group.base_ns:.2f} ns",
            }
        )
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _cells(groups: Sequence[Group]) -> Iterator[tuple[Group, Cell]]:
    """Cells with a finite overhead: a chart shows no other."""
    for group in groups:
        yield from ((group, cell) for cell in group.cells if math.isfinite(cell.overhead.ns))


def _name(cell: Cell) -> str:
    return f"{cell.scenario.name}: {cell.overhead.arm.name}{apart(cell.condition)}"
