"""The modelled part of v7.1: v6.18's, without HVO's static key, with pages of several cgroups."""

from collections.abc import Iterator
from typing import Final

from model.kernels.modelled import Values
from model.kernels.v6_18 import modelled as v6_18
from model.vocabulary.scenario import AXES, Scenario

VALUES: Final[Values] = {**v6_18.VALUES, "hvo": ("off",), "stock": AXES["stock"]}
"""Axis -> its values on this version."""


def faults(scenario: Scenario) -> Iterator[str]:
    """Messages on values that do not go together."""
    yield from v6_18.faults(scenario)
    if scenario.turns > 1 and (scenario.levels != "2" or scenario.block_order):
        yield f"stock={scenario.stock} goes with levels=2 and block=page"
