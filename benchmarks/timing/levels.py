"""From the slices of a cell to a time per arm: neighbours are compared with neighbours.

A cell is one build at one place. Its slices are short, so what disturbs one disturbs those around it, of
whatever arm. What is left are interruptions, which only add and hit one slice. docs/decisions/0006 has the
estimators that were compared (`python -m tests.estimators`).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Parts = list[npt.NDArray[np.int64]]

AROUND: Final = 3
"""Slices on either side whose median is the level of the machine at a slice."""
SWEEPS: Final = 2
"""How often levels and arms are estimated in turn; a third time changes no figure by 0.001 ns."""


STEADY: Final = (10, 90)
"""Percentiles of the levels of a cell between which the machine moved."""
MOVES: Final = 0.03
"""Move of the level, as a logarithm, that is never a reason to time a cell again."""
UNUSUAL: Final = 4.0
"""Ratio to the median move of all cells of a value beyond which a cell is timed again."""
PARTS: Final = 16
"""Parts into which the cells of a process are sorted by how busy the core was."""


def parts_of(slots: Floats) -> Parts:
    """Numbers of the cells of each part, from those in which the core was least busy.

    A sibling thread comes and goes within a value, so values mix what is dear and what is cheap. Sorted by
    the mean of both sides, cells in which it came or went lie between those that it left alone and those
    that it shared throughout. The reference is neither an arm nor a build, so that sorting by it favours
    none.

    Parameters
    ----------
    slots
        float64[..., 2], ns per dispatched NOP before and after each cell.
    """
    return np.array_split(np.argsort(busier_sides(slots) + calmer_sides(slots), kind="stable"), PARTS)


def busier_sides(slots: Floats) -> Floats:
    """float64[cells], ns per dispatched NOP on the busier side of each."""
    return np.asarray(slots.max(axis=-1).ravel())


CALM_PERCENTILE: Final = 10
"""Percentile over a part's cells of their calmer sides. A mean would let a part count as shared of which the
sibling left half alone; the lowest would let one cell in 48 decide."""


def calmer_sides(slots: Floats) -> Floats:
    """float64[cells], the same on the other side."""
    return np.asarray(slots.min(axis=-1).ravel())


def calm_of(slots: Floats, parts: Parts) -> list[float]:
    """Of each part what all but a tenth of its cells exceed on both sides, ns per dispatched NOP."""
    calm = calmer_sides(slots)
    return [float(np.percentile(calm[part], CALM_PERCENTILE)) if len(part) else np.nan for part in parts]


def faster_half(slices: Floats) -> Floats:
    """Mean of the faster half of the rounds; float64[..., rounds, arms] becomes float64[..., arms]."""
    rounds = slices.shape[-2]
    return np.asarray(np.sort(slices, axis=-2)[..., : (rounds + 1) // 2, :].mean(axis=-2))


def neighbours(slices: Floats, turns: npt.NDArray[np.uint8]) -> Floats:
    """Mean of the faster half, after the level of the slices around each was taken out.

    Parameters
    ----------
    slices
        float64[..., rounds, arms], ns per page. The first round finds code that is not in the caches, of some
        arms more than of others. What that adds, the median over all cells, is no part of the level; the
        slice itself counts as it is, so it is seldom among the faster ones.
    turns
        uint8 likewise: when in its round each arm was timed.

    Returns
    -------
    float64[..., arms], ns per page at the median level of the cell.
    """
    return levelled(slices, turns)[0]


def levelled(slices: Floats, turns: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """The same, and how far the machine's level moved in each cell while it was timed.

    Returns
    -------
    float64[..., arms], as of `neighbours`; float64[...], from the tenth to the ninetieth percentile of the
    levels in time, as a logarithm: 0.01 is 1 %.
    """
    logs = np.log(slices)
    cold = logs[..., :1, :] - np.median(logs[..., 1:, :], axis=-2, keepdims=True)
    known = logs.copy()
    known[..., 0, :] -= np.median(cold.reshape(-1, cold.shape[-1]), axis=0)
    order = np.argsort(turns, axis=-1)
    arms = np.median(known, axis=-2, keepdims=True)
    for _ in range(SWEEPS):
        levels = _levels(known - arms, order, turns)
        arms = np.median(known - levels, axis=-2, keepdims=True)
    moved = np.ptp(np.percentile(levels, STEADY, axis=(-2, -1)), axis=0)
    return faster_half(np.exp(logs - levels)), np.asarray(moved)


def disturbed(moved: Floats, left: int) -> npt.NDArray[np.int64]:
    """Numbers of the cells to be timed again, the most disturbed ones first.

    A level is what all arms have in common at a moment, so that choosing by it favours none: an arm that is
    dear in a build is dear there again. What a cell must not exceed follows from the others, so that a
    machine that always moves is measured as it is.

    Parameters
    ----------
    moved
        float64[cells], of `levelled`.
    left
        How many cells may be timed again at most.
    """
    limit = max(MOVES, UNUSUAL * float(np.median(moved)))
    worst = np.argsort(-moved, kind="stable")[:left]
    return np.asarray(worst[moved[worst] > limit])


def _levels(left: Floats, order: npt.NDArray[np.int64], turns: npt.NDArray[np.uint8]) -> Floats:
    """The level at each slice, as a logarithm: the median of what is left of the slices around it.

    The median level of the cell is zero, so that all arms keep it.
    """
    in_time = np.take_along_axis(left, order, axis=-1).reshape(*left.shape[:-2], -1)
    count = in_time.shape[-1]
    around = np.arange(count)[:, None] + np.arange(-AROUND, AROUND + 1)
    around = np.abs(around)
    around = np.where(around >= count, 2 * count - 2 - around, around).clip(0)
    levels = np.partition(in_time[..., around], AROUND, axis=-1)[..., AROUND]  # the median of so many
    levels -= np.median(levels, axis=-1, keepdims=True)
    back = np.take_along_axis(levels.reshape(left.shape), turns.astype(np.int64), axis=-1)
    return np.asarray(back)
