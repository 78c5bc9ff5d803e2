"""`python -m results.fidelity`: the model beside kernel files as tables in Markdown, and as one census."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model.common.errors import UsageError
from results.analysis.fidelity import STEPS, TESTS, Column, Step, Test, short
from results.analysis.groups import Analysis, Cell


def tables(columns: Sequence[Column]) -> Iterator[str]:
    """Steps, fields and tests, as Markdown."""
    kernels = [column.kernel for column in columns]
    yield from _heading("step: instructions (NOPs, stack and calls), loads/stores", kernels)
    for name, _ in STEPS:
        yield _row(name, [_counts(column.steps[name]) for column in columns])
    yield _row("**all**", [_counts(*column.steps.values()) for column in columns])
    yield ""
    yield from _heading("field: loads/stores", kernels)
    for name, _ in STEPS:
        fields = dict.fromkeys(f for c in columns for f in (*c.steps[name].loads, *c.steps[name].stores))
        for field in fields:
            pairs = [(c.steps[name].loads[field], c.steps[name].stores[field]) for c in columns]
            yield _row(f"{name.partition(':')[0].partition(',')[0]}: {field}", [f"{a}/{b}" for a, b in pairs])
    yield ""
    yield from _heading("test adds: instructions, loads, stores, branches", kernels)
    for test in TESTS:
        if any(test.name in column.tests for column in columns):
            yield _row(test.name, [_signed(column.tests.get(test.name)) for column in columns])


def _counts(*steps: Step) -> str:
    instructions, idle, frame = (
        sum(getattr(step, name) for step in steps) for name in ("instructions", "idle", "frame")
    )
    loads, stores = (sum(sum(getattr(step, n).values()) for step in steps) for n in ("loads", "stores"))
    return f"{instructions} ({idle}, {frame}), {loads}/{stores}"


def _signed(counts: tuple[float, ...] | None) -> str:
    return "" if counts is None else ", ".join(f"{count:+g}" for count in counts)


def _heading(first: str, kernels: Sequence[str]) -> Iterator[str]:
    yield _row(first, kernels)
    yield "|---|" + "---:|" * len(kernels)


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def prices(analyses: Sequence[Analysis]) -> Iterator[str]:
    """What each test costs, ns per page with its 95 % interval, by kernel."""
    found: dict[str, dict[str, Cell]] = {}
    for analysis in analyses:
        for group in analysis.groups:
            axes = group.scenario.axes
            if axes["memcg"] == "on-active" and (axes["kernel"], axes["checks"]) != ("v6.18", "on"):
                cells = {cell.overhead.arm.variant: cell for cell in group.cells}
                found.setdefault(short(axes["kernel"]), cells)
    yield from _heading("costs, ns per page", list(found))
    for test in TESTS:
        yield _row(test.name, [_price(cells, test) for cells in found.values()])
    yield _row("the whole free", [_level(cells) for cells in found.values()])


def _level(cells: Mapping[str, Cell]) -> str:
    return f"{next(iter(cells.values())).overhead.base_ns:.1f}"


def _price(cells: Mapping[str, Cell], test: Test) -> str:
    for variant, sign in test.arms.items():
        if variant in cells:
            cell = cells[variant]
            low, high = sorted(sign * end for end in cell.judgement.ci95 or (cell.overhead.ns,) * 2)
            return f"{sign * cell.overhead.ns:+z.2f} [{low:+z.2f}, {high:+z.2f}]"
    return ""


def merged(censuses: Sequence[Mapping[str, Any]]) -> str:
    """Several censuses as one document, a line per arm.

    Raises
    ------
    UsageError
        When there is none, or they were compiled otherwise.
    """
    heads = [{name: value for name, value in census.items() if name != "arms"} for census in censuses]
    if not heads or any(head != heads[0] for head in heads):
        raise UsageError("-o takes censuses that were counted with the same --cpu and Numba")
    arms = ",\n".join(json.dumps(arm, separators=(",", ":")) for census in censuses for arm in census["arms"])
    return f'{json.dumps(heads[0])[:-1]}, "arms": [\n{arms}\n]}}\n'
