"""Which scenarios a kernel version has: the values of its axes, and which of them go together."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from model.common.errors import FreepathError
from model.vocabulary.scenario import AXES, Scenario

Values = Mapping[str, tuple[str, ...]]
ALONE: Final = "goes with entry=__free_pages"
BATCHES: Final = ("release_pages", "folios_put_refs")
"""Entries that take an array of pages; the timed loop passes it from its beginning in every pass."""


def values(**fewer: tuple[str, ...]) -> Values:
    """The values of every axis on a kernel version; `fewer` replaces those of some axes."""
    return {**AXES, **fewer}


def memory_sweep(usual: Scenario, values: Values) -> list[Scenario]:
    """Pages beyond each cache, in every order of access."""
    beyond = [usual.but(memory=memory) for memory in ("l2", "l3", "dram")]
    return [usual, *(scenario.but(access=access) for scenario in beyond for access in values["order"])]


def check_modelled(scenario: Scenario, values: Values, faults: Iterable[str]) -> None:
    """Refuse a scenario that a kernel version does not have.

    Parameters
    ----------
    values
        Axis -> its values there.
    faults
        Messages on values that do not go together there.

    Raises
    ------
    FreepathError
        With the first thing that is wrong.
    """
    for axis, value in scenario.axes.items():
        if value not in values[axis]:
            raise FreepathError(f"{scenario.kernel} has no {axis}={value}; it has {', '.join(values[axis])}")
    for fault in (*faults, *_faults(scenario)):
        raise FreepathError(f"{fault} on {scenario.kernel}")


def _faults(scenario: Scenario) -> Iterator[str]:
    """Messages on values that the timed loops cannot combine."""
    apart, together = scenario.between != "nothing", scenario.threads != "1"
    cold = scenario.memory != "warm"
    if scenario.entry != "__free_pages" and (apart or together):
        yield f"entry={scenario.entry} goes with between=nothing and threads=1"
    if apart and (cold or together):
        yield f"between={scenario.between} goes with memory=warm and threads=1"
    if scenario.block_order and (cold or apart or scenario.mixed):
        yield f"block={scenario.block} goes with memory=warm, between=nothing and share=100"
    if scenario.entry in BATCHES and cold:
        yield f"entry={scenario.entry} goes with memory=warm"
    if scenario.spread == "random" and not scenario.mixed:
        yield "spread=random goes with a share below 100"
