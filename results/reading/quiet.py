"""The level of a core that is alone: cycles per dispatched NOP, by which every other level is judged."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np

from model.vocabulary.formats import INSTRUMENT
from results.reading.cpus import core_of
from results.reading.times import Array

QUIET_PERCENTILE: Final = 10
"""Percentile of the blocks that is the quiet level: below busy ones, and not the lowest, which is chance."""
ALONE: Final = {"Zen 1": 0.205, "Zen 3": 0.171, "Zen 4": 0.102, "Zen 5": 0.148, "Golden Cove": 0.181}
"""Core -> cycles per dispatched NOP on a core that is alone: the quiet levels of the runs in results/machines
and results/reference, of Zen 5 of a run of 29 November 2026 (docs/decisions/0007), of Golden Cove the median
of 69 runs of 30 November. Zen 4 takes two NOPs a slot, nearly. Not Ice Lake: the machine that says it is one
is another (docs/limits.md)."""
OLDER: Final = {"Zen 4": 0.091, "Golden Cove": 0.175}
"""The same by an older instrument, which timed more NOPs at once, where it differs."""
NEVER_ALONE: Final = 1.15
"""Ratio of a file's quiet level to that from which no part of the file was alone; between the scatter of
quiet levels, 1 %, and the least that a busy sibling takes."""
BUSY: Final = "busy"
"""Value of the fact `sibling` where a partner kept the sibling busy: `--sibling busy`."""
TAKEN: Final = 2.0
"""Ratio of levels beside that partner and without it where a core's own level is not known: it takes half."""


class Measured(Protocol):
    """What is asked of a process."""

    @property
    def slot_cycles(self) -> Array | None:
        """float64[blocks], cycles per dispatched NOP."""

    @property
    def facts(self) -> dict[str, Any]:
        """Its metadata."""


def quiet_level(processes: Iterable[Measured]) -> float | None:
    """Cycles per dispatched NOP of the core alone, for all scenarios of a file; None where any lacks it.

    The 10th percentile over the file. Where the core is known and that is far above its own level, the file
    was never alone. Where it is not known, a file whose siblings were kept busy throughout was not, either.
    """
    every = list(processes)
    levels = [process.slot_cycles for process in every]
    known = [level for level in levels if level is not None]
    if not known or len(known) < len(levels):
        return None
    quiet = float(np.percentile(np.concatenate(known), QUIET_PERCENTILE))
    facts: Sequence[Mapping[str, Any]] = [process.facts for process in every]
    own = own_level(facts)
    if own is not None:
        return own if quiet > NEVER_ALONE * own else quiet
    return quiet / TAKEN if all(fact.get("sibling") == BUSY for fact in facts) else quiet


def own_level(facts: Sequence[Mapping[str, Any]]) -> float | None:
    """Of the core that all these processes ran on, alone; None where it is not known."""
    names = {core.name if (core := core_of(fact)) else "" for fact in facts}
    older = any(fact.get("instrument") != INSTRUMENT for fact in facts)
    known = ALONE | OLDER if older else ALONE
    return known.get(names.pop()) if len(names) == 1 else None
