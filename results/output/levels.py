"""What the formats of other tools share: levels, and a run's commit and time as they read it."""

import math
from collections.abc import Iterator, Sequence

from model.common.errors import UsageError
from results.analysis.conditions import apart
from results.analysis.groups import Analysis, Group
from results.reading.dates import utc_of
from results.reading.load import BadRunError, Run


def only(found: Sequence[Analysis], kind: str) -> Analysis:
    """The one run that a format is of.

    Raises
    ------
    UsageError
        When there are several.
    """
    if len(found) > 1:
        raise UsageError(f"--format {kind} is of one run: name a file; otava takes a folder")
    return found[0]


def commit_of(run: Run) -> str:
    """The commit of a run, the first of several."""
    commit = run.facts.get("commit", "unknown")
    return str(commit[0] if isinstance(commit, tuple) else commit)


def time_of(run: Run) -> str:
    """As Otava and LNT read a time: `2026-11-26 10:43:40 +0000`."""
    moment = utc_of(run)
    if moment is None:
        raise BadRunError(f"{run.path} does not say when it was measured")
    return f"{moment:%Y-%m-%d %H:%M:%S} +0000"


def levels(groups: Sequence[Group]) -> Iterator[tuple[str, str, float]]:
    """Scenario, arm and ns per page, `base` first; a value that is not finite is left out."""
    for group in groups:
        levels = {"base": group.base_ns}
        levels |= {c.overhead.arm.name: c.overhead.base_ns + c.overhead.ns for c in group.cells}
        for arm, level in levels.items():
            if math.isfinite(level):
                yield f"{group.scenario.name}{apart(group.condition)}", arm, round(level, 4)
