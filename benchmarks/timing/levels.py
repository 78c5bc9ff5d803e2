"""From the slices of a cell to a time per arm: neighbours are compared with neighbours.

A cell is one build at one place; its slices are short, and in each round every arm has one. What disturbs a
round disturbs all of its arms, so an arm is compared with what the arms of the same round took. Interruptions
only add, and hit one slice. docs/decisions/0006 has the estimators that were compared.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SWEEPS: Final = 2
"""Sweeps of the median polish; a third one changes no figure by 0.001 ns."""


def medians(slices: Floats) -> Floats:
    """Median polish of the logarithms: rounds against arms.

    Parameters
    ----------
    slices
        float64[..., rounds, arms], ns per page.

    Returns
    -------
    float64[..., arms], ns per page. All arms share the level of the cell, the median over its rounds of what
    the arms of a round took; each has an effect of its own, the median over rounds of its distance from it.
    """
    left = np.log(slices)
    level = np.zeros(slices.shape[:-2])
    effects = np.zeros(slices.shape[:-2] + slices.shape[-1:])
    for _ in range(SWEEPS):
        of_round = np.median(left, axis=-1, keepdims=True)
        left = left - of_round
        middle = np.median(of_round[..., 0], axis=-1)
        level += middle
        of_arm = np.median(left, axis=-2)
        left = left - of_arm[..., None, :]
        effects += of_arm
    return np.asarray(np.exp(level[..., None] + effects))
