"""Times in a run's metadata: texts of numbers, ns per page, one for each cell, block or place."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from results.reading.document import BadRunError

Array = npt.NDArray[np.float64]

LEAST_NS: Final = 1e-6
"""Lower bound of a time, ns: no clock resolves less, and arithmetic with it would overflow."""
MOST_NS: Final = 1e9
"""Upper bound of a time per page, ns."""
CELL_ROUNDING: Final = 1e-3
"""Rounding of a stored cell, ns; a text that was cut or mixed up is off by more."""
VALUE_ROUNDING: Final = 1e-6
"""Rounding of a value, as a part of it."""

MOST_BELOW: Final = 0.85
"""Least ratio of the mean of times to their 10th percentile: nine tenths are above that, none below zero."""


class NoTimeError(Exception):
    """A process has a time of zero or less; it is set aside, the others are used."""


def times(facts: Mapping[str, Any], name: str) -> Array:
    """Those that were measured; `nan` stands for the others.

    Raises
    ------
    BadRunError, NoTimeError
    """
    numbers = np.array(facts[name].split(), np.float64)
    return numbers if _are_times(numbers) else measured(numbers[~np.isnan(numbers)], name)


def _are_times(numbers: Array) -> bool:
    """Whether all of them are; a `nan` is none. A file has ten thousand texts of them, and nearly all are."""
    return bool(numbers.size and numbers.min() > LEAST_NS and numbers.max() < MOST_NS)


def measured(numbers: Array, name: str) -> Array:
    """The numbers, ns per page, when all of them are times.

    Raises
    ------
    BadRunError, NoTimeError
    """
    if not (numbers < MOST_NS).all():
        raise BadRunError(f"{name} has a time of {numbers.max():g} ns, longer than any page takes")
    if not (numbers > LEAST_NS).all():
        raise NoTimeError(f"{name} has a time of {numbers.min():g} ns")
    return numbers


def per_block(facts: Mapping[str, Any], name: str, blocks: int) -> Array | None:
    """One number per value, or None where the file has none.

    Raises
    ------
    BadRunError, NoTimeError
    """
    if name not in facts:
        return None
    numbers = times(facts, name)
    if len(numbers) != blocks:
        raise BadRunError(f"{name} has {len(numbers)} numbers for {blocks} values")
    return numbers


def cells(values: Array, facts: Mapping[str, Any], size: int) -> Array:
    """Every cell of an arm; the values must be the means of so many cells each.

    Raises
    ------
    BadRunError, NoTimeError
    """
    means = measured(values, "values")
    if "build_ns" not in facts:
        if size != 1:
            raise BadRunError("an arm has no build_ns, others have")
        return means
    lines = times(facts, "build_ns")
    if len(lines) != len(means) * size:
        raise BadRunError("its arms differ in their cells")
    off = np.abs(lines.reshape(len(means), -1).mean(axis=1) - means)
    if not (off <= CELL_ROUNDING + VALUE_ROUNDING * means).all():
        raise BadRunError("build_ns does not fit the values, which are the means of its cells")
    return lines
