"""What one free by each arm of a kernel file executes, for the metadata of a run that times it."""

from collections.abc import Iterable
from typing import Final

from benchmarks.cases import Case
from benchmarks.census.counting import count_case
from model.kernels.store import Store
from model.vocabulary.scenario import RELEASE

FIGURES: Final = ("instructions", "loads", "stores")

Brief = dict[str, dict[str, dict[str, int]]]


def brief(cases: Iterable[Case], store: Store) -> Brief:
    """Scenario -> arm -> `FIGURES` of one free, as the census counts them; of kernel files alone.

    The images have to be in the store.
    """
    return {
        case.scenario.name: {
            arm.name: {name: round(counts["plain"].figures[name]) for name in FIGURES}
            for arm, counts in count_case(case, store).items()
        }
        for case in cases
        if RELEASE.fullmatch(case.scenario.kernel)
    }
