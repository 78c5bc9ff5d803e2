"""The cells that answer a run's question: what the PageKmem test costs every page.

The answer is `v1` with a jump label over base, for a plain page, memcg present and its key disabled: the
usual state of a machine in 2015. The other memcg states and the later forms of the test follow; of later
kernels the steps of their paths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from model.vocabulary.scenario import AXES, DEFAULTS, MemcgState, Scenario
from results.analysis.groups import Cell, Group, usual
from results.reading.load import Arm

STATES: Final[tuple[MemcgState, ...]] = ("on-idle", "off", "disabled", "on-active")
"""Memcg states; the answer's own first."""
LATER_KERNELS: Final = tuple(kernel for kernel in AXES["kernel"] if kernel != DEFAULTS["kernel"])
"""Every modelled version but the one of 2015."""
LATER: Final = (
    (Arm("keyfirst", "jump-label"), "key first, as merged in v4.8"),
    (Arm("memcg-data", "jump-label"), "memcg_data, since v5.11"),
)
STEPS: Final[Mapping[str, Mapping[str, str]]] = {
    "v6.18": {
        "no-type-test": "without the type test of 2025",
        "memcg-off": "without the memcg test",
        "memcg-flag-first": "flag before key, as in 2015",
        "check-pages": "with the page checks",
        "no-trylock": "without the trylock",
        "load-compare": "with one test more",
    },
    "v7.1": {
        "no-private": "without page->private = 0",
        "head-branch": "the head as v6.18 finds it",
        "no-type-test": "without the type test of 2025",
        "memcg-off": "without the memcg test",
        "check-pages": "with the page checks",
        "no-trylock": "without the trylock",
        "load-compare": "with one test more",
    },
}
"""Kernel -> its variants, each with what it does to the path; those that a review questioned first."""
ANY_STEPS: Final[Mapping[str, str]] = {
    name: about for steps in STEPS.values() for name, about in steps.items()
}
"""The same for a kernel that is not named there: whichever of all these it has."""


@dataclass(frozen=True)
class Line:
    """One cell of the answer with its label, and whether the core was in neither condition."""

    about: str
    cell: Cell
    busy: bool
    twin: Cell | None = None
    """The A/A control of the same scenario."""


def of_2015(found: Sequence[Group]) -> list[Line]:
    """Cells of the test of 2015, the one that counts most first; empty when the run has none of them."""
    groups = {group.scenario.name: group for group in found}
    wanted: list[tuple[str, Sequence[Arm], str]]
    wanted = [(Scenario(state).name, V1, f"memcg {state}") for state in STATES]
    wanted += [(Scenario(STATES[0]).name, (arm,), about) for arm, about in LATER]
    return [
        Line(about, cell, groups[name].busy, _cell(groups[name], TWINS))
        for name, arms, about in wanted
        if name in groups and (cell := _cell(groups[name], arms))
    ]


def of_later(found: Sequence[Group]) -> dict[str, list[Line]]:
    """The same for each later kernel that was measured, with its memcg key on, as systemd leaves it."""
    rows = {
        kernel: [
            Line(about, cell, group.busy)
            for group in usual(found, kernel=kernel, memcg="on-active")
            for variant, about in STEPS.get(kernel, ANY_STEPS).items()
            for cell in group.cells
            if cell.overhead.arm.variant == variant
        ]
        for kernel in LATER_KERNELS
    }
    return {kernel: lines for kernel, lines in rows.items() if lines}


V1: Final = (Arm("v1", "jump-label"), Arm("v1", "none"))
"""Without memcg there is no key to test."""
TWINS: Final = (Arm("base-twin", "none"), Arm("base-twin", "jump-label"))


def _cell(group: Group, arms: Sequence[Arm]) -> Cell | None:
    return next((cell for arm in arms for cell in group.cells if cell.overhead.arm == arm), None)
