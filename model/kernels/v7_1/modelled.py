"""The modelled part of v7.1: v6.18's, without the static key of HVO, which v7.1 has no more."""

from typing import Final

from model.kernels.modelled import Values, check_modelled
from model.kernels.v6_18 import modelled as v6_18
from model.vocabulary.scenario import Scenario

VALUES: Final[Values] = {**v6_18.VALUES, "hvo": ("off",)}
"""Axis -> its values on this version."""


def check(scenario: Scenario) -> None:
    """Refuse values that this version does not have, alone or together.

    Raises
    ------
    FreepathError
    """
    check_modelled(scenario, VALUES, v6_18.faults(scenario))
