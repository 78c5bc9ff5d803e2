"""Two conditions of a core: alone, and beside a busy sibling thread; which cells of a run belong to which.

The reference, NOPs that are timed between the arms' slices, tells: docs/methodology.md has the rule and
docs/decisions/0007 the figures behind it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from results.reading.load import MeasuredScenario, Process
from results.reading.quiet import QUIET_PERCENTILE
from results.reading.times import Array

Mask = npt.NDArray[np.bool_]
Condition = Literal["alone", "shared"]

CONDITIONS: Final[tuple[Condition, ...]] = ("alone", "shared")
"""The headline is of the first of which there is enough."""
SAID: Final[dict[Condition | None, str]] = {
    "alone": "alone on the core",
    "shared": "beside a busy sibling",
    None: "",
}
"""Condition in words; without a reference, or where neither was there, nothing is said."""
UNLIKE: Final = "alone on the core in one run, beside a busy sibling in the other: nothing is claimed"
QUIET: Final = 1.08
"""Largest ratio to the quiet level of a part in which the core was alone. On Zen 3 quiet blocks dispatch 5.6
to 5.9 NOPs a cycle and those beside a busy sibling 3.1 to 5.2, with few between (docs/methodology.md)."""
SHARED: Final = 1.25
"""Least ratio beside a busy sibling: a fifth of the dispatch is gone, on both sides of nine tenths of the
cells. What lies between is a sibling that comes and goes, or does little; it belongs to neither condition."""
MOST_SHARED: Final = 3.0
"""Largest ratio beside a busy sibling: in the kept runs it is 2.8. More is an interruption of the NOPs."""
LEAST_BLOCKS: Final = 2
"""Fewest blocks (or parts) of a process that is used, in either condition."""
LEAST_PROCESSES: Final = 3
"""Fewest processes of a figure, in either condition: with fewer its interval is useless."""
REFERENCE_PERCENTILE: Final = 25
"""Percentile of the processes' quiet levels in files without the reference: low, so that a busy half does not
set it; not the lowest, so that one process with a wrong clock does not make all others busy."""


def apart(condition: Condition | None) -> str:
    """What follows the name of a cell whose figure is not to be joined with those of the core alone."""
    return f", {SAID[condition]}" if condition == "shared" else ""


def beside(conditions: Mapping[str, Condition | None]) -> str:
    """`beside a busy sibling: NAME; NAME`, with no name where all of them are so; or nothing."""
    names = [name for name, condition in conditions.items() if condition == "shared"]
    which = f": {'; '.join(names)}" if len(names) < len(conditions) else ""
    return f"{SAID['shared']}{which}" if names else ""


class Levels:
    """How busy the core was in each block of a scenario, and the condition that an estimate is of.

    A block's level is the cycles per dispatched NOP, from a run of NOPs that is timed between the builds. The
    reference is neither an arm nor a build, so selection favours none. It is counted in cycles, so clock
    errors cancel. It shows a busy sibling thread, even one of another guest. Files without it use base as
    compiled, or the mean over all arms, and know no sibling. Where cells were sorted by how busy the core
    was, the parts of them take the blocks' place.

    Parameters
    ----------
    condition
        To estimate; None: the headline, the core alone where there is enough of it, else beside a busy
        sibling.

    Attributes
    ----------
    condition
        What is estimated. None: neither was there for long enough, so all blocks are used, and nothing is
        claimed; or the file lacks the reference and too few blocks were quiet.
    lacks_quiet
        Fewer than three processes (of fewer than six: than half) had two quiet blocks.
    quiet_level
        Of the file (`results.reading.quiet`); in older files each process's 10th percentile, and of these
        the first quartile.
    """

    def __init__(self, scenario: MeasuredScenario, condition: Condition | None = None) -> None:
        self.of = {id(p): level_of(p.parts or p, scenario) for p in scenario.processes}
        self.knows_sibling = scenario.quiet_level is not None
        own = [float(np.percentile(levels, QUIET_PERCENTILE)) for levels in self.of.values()]
        self.quiet_level = scenario.quiet_level or float(np.percentile(own, REFERENCE_PERCENTILE))
        self.enough = [each for each in CONDITIONS if self._carries(each, scenario.processes)]
        self.lacks_quiet = "alone" not in self.enough
        self.asked = condition is not None
        self.condition = condition or next(iter(self.enough), None)
        blocks = np.concatenate(list(self.of.values()))
        self.quiet_share = float((blocks < QUIET * self.quiet_level).mean())

    def _carries(self, condition: Condition, processes: Sequence[Process]) -> bool:
        """Whether there is enough of a condition for a figure."""
        usable = [p for p in processes if self._enough(self.mask(p, condition))]
        return len(usable) >= min(LEAST_PROCESSES, math.ceil(len(processes) / 2))

    @staticmethod
    def _enough(mask: Mask) -> bool:
        """Whether a process has two such blocks, each with every phase and stack offset."""
        return int(mask.sum()) >= min(LEAST_BLOCKS, math.ceil(len(mask) / 2))

    def mask(self, process: Process, condition: Condition) -> Mask:
        """bool[blocks]: those in which the core was in that condition."""
        calm = process.parts.calm_cycles if process.parts is not None else None
        return self._of(condition, self.of[id(process)], calm)

    def _of(self, condition: Condition, levels: Array, calm: Array | None = None) -> Mask:
        ratio = levels / self.quiet_level
        if condition == "alone":
            return np.asarray(ratio < QUIET)
        if not self.knows_sibling:
            return np.zeros(len(ratio), np.bool_)
        least = ratio if calm is None else calm / self.quiet_level
        return np.asarray((least >= SHARED) & (ratio < MOST_SHARED))

    def quiet(self, process: Process) -> Mask:
        """bool[blocks]: those in which the core was alone."""
        return self.mask(process, "alone")

    def chosen(self, process: Process) -> Mask:
        """bool[blocks]: those that the estimate uses; none of a process that was mostly in another state."""
        if self.condition is None:
            return np.ones(len(self.of[id(process)]), np.bool_)
        mask = self.mask(process, self.condition)
        return mask if self._enough(mask) else np.zeros_like(mask)

    def loaded(self, process: Process) -> Mask:
        """bool[blocks]: those in which the machine was busy, by whatever."""
        return ~self.quiet(process)

    def used(self, processes: Sequence[Process]) -> list[tuple[Process, Mask]]:
        """The processes that an estimate uses, each with a mask of its cells.

        Where none of them was in the headline's condition all are used; of a condition that was asked for
        none is.
        """
        chosen = [(p.parts or p, self.chosen(p)) for p in processes]
        used = [(p, mask) for p, mask in chosen if mask.any()]
        if not used and not self.asked:
            used = [(p, mask | True) for p, mask in chosen]
        return [(p, np.repeat(mask, p.per_block)) for p, mask in used]

    def builds(self, processes: Sequence[Process]) -> list[tuple[Process, Mask]]:
        """The same with every build by itself; of sorted cells those of values in the condition, or all."""
        if any(p.parts is None for p in processes):
            return self.used(processes)
        rows = [p for p in processes if self.chosen(p).any()] or processes
        condition = self.condition or "alone"
        masks = [(p, self._of(condition, p.slot_cycles)) for p in rows if p.slot_cycles is not None]
        return [(p, np.repeat(mask if mask.any() else ~mask, p.per_block)) for p, mask in masks]


def level_of(process: Process, scenario: MeasuredScenario) -> Array:
    """float64[blocks]."""
    if scenario.quiet_level is not None and process.slot_cycles is not None:
        return process.slot_cycles
    if process.bare is not None:
        return process.bare
    cells: Array = np.mean(list(process.ns.values()), axis=0)
    return np.asarray(cells.reshape(-1, process.per_block).mean(axis=1))


def where_shared(scenarios: Sequence[MeasuredScenario]) -> str:
    """`, beside a busy sibling: off, on-idle`: memcg states of scenarios whose headline is so; or nothing."""
    names = [each.axes["memcg"] for each in scenarios if Levels(each).condition == "shared"]
    return f"{apart('shared')}: {', '.join(names)}" if names else ""
