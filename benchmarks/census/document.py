"""The census of some cases: exactly what freeing one page executes, for every arm."""

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Final

from benchmarks.cases import Case, SelectionError
from benchmarks.census.counting import Counts, count_case
from benchmarks.census.in_order import in_order
from benchmarks.selection import select
from model.kernels import kernels
from model.kernels.store import DEFAULT_CPU, Store
from model.vocabulary.formats import CENSUS
from model.vocabulary.scenario import DEFAULTS, Arm, Scenario, base_of, usual_of


def countable(cases: Sequence[Case]) -> list[Case]:
    """Cases that a census can trace: one page through __free_pages."""
    return [case for case in cases if case.scenario.entry == "__free_pages" and not case.scenario.mixed]


def census_cases(only: str = "") -> list[Case]:
    """Cases with counts of their own: memory size, order, entry and share are left at their defaults.

    Raises
    ------
    SelectionError
        Also when none is left.
    """
    cases = countable(select(only))
    if not only:
        slow = [scenario for kernel in kernels() for scenario in kernel.counted_when_asked]
        cases = [case for case in cases if case.scenario not in slow]
    if not cases:
        raise SelectionError(
            f"--only '{only}' leaves nothing to count: one page is traced through __free_pages, so mixes "
            "and other entries have no census of their own"
        )
    return cases


def census(cases: Sequence[Case], cpu: str = "", *, ordered: bool = False) -> dict[str, Any]:
    """Count every arm of every case; the document `freepath.census/1`.

    Parameters
    ----------
    ordered
        Also what one free accesses in order, as `benchmarks.census.in_order` has it.
    """
    cpu = cpu or DEFAULT_CPU
    store = Store(cpu=cpu)
    store.ensure([image for case in cases for image in case.images()])
    arms = [entry for case in cases for entry in _entries(case, count_case(case, store), ordered=ordered)]
    return {"schema": CENSUS, "cpu": cpu, "numba": version("numba"), "arms": arms}


def _entries(case: Case, counted: dict[Arm, dict[str, Counts]], *, ordered: bool) -> Iterator[dict[str, Any]]:
    for arm, figures in counted.items():
        base = counted[base_of(arm, case.arms)]
        for name, counts in figures.items():
            yield {
                **_axes(case.scenario, arm),
                "free": name,
                **counts.document(),
                "over_base": counts.over(base[name]),
                **({"in_order": in_order(counts.trace)} if ordered and counts.trace else {}),
            }


def _axes(scenario: Scenario, arm: Arm) -> dict[str, str]:
    axes = scenario.axes
    names = ("memcg", "page_kind", "depth", "checks")
    return {
        "variant": arm.variant,
        "gate": arm.gate,
        **{name: axes[name] for name in names},
        **_unusual(axes),
    }


def _unusual(axes: dict[str, str]) -> dict[str, str]:
    """Axes that older files lack, where their value is not the default."""
    usual = {**usual_of(axes["kernel"]), **{name: DEFAULTS[name] for name in ALWAYS_SAID}}
    return {name: axes[name] for name in LATER if axes[name] != usual[name]}


LATER: Final = ("kernel", "path", "config", "hvo", "block", "levels", "stock", "cgroup", "entry")
ALWAYS_SAID: Final = ("kernel", "path", "config", "hvo")
"""Axes of these that are stored even at their kernel's usual value."""


def as_json(document: dict[str, Any]) -> str:
    """One line per arm, so that a difference between two files is a line."""
    head = json.dumps({name: value for name, value in document.items() if name != "arms"})
    arms = ",\n".join(json.dumps(arm, separators=(",", ":")) for arm in document["arms"])
    return f'{head[:-1]}, "arms": [\n{arms}\n]}}\n'
