"""Whether processes to come are of the machine that a file, or an interrupted run, began on."""

from collections.abc import Iterable, Mapping
from typing import Any

from model.common.errors import FreepathError
from model.common.streams import note
from model.vocabulary.machine import differing


def check_machine(
    asked: str, seen: Iterable[Mapping[str, Any]], facts: Mapping[str, Any], instead: str
) -> None:
    """Refuse another machine, before anything is measured.

    Parameters
    ----------
    asked
        What the user asked for, such as `--append run.json`.
    seen
        Metadata of processes that were measured.
    facts
        Metadata of the processes to come.
    instead
        What to do instead.

    Raises
    ------
    FreepathError
        Names the first fact that differs, and both values.
    """
    for fact, old, new in differing(seen, facts):
        if fact.refuses:
            raise FreepathError(
                f"{asked}: measured with {fact.name} {old}, this would be {new}; {fact.why}: "
                f"such processes are not averaged; {instead}"
            )


def note_differences(asked: str, seen: Iterable[Mapping[str, Any]], facts: Mapping[str, Any]) -> None:
    """Say what differs and is accepted."""
    for fact, old, new in differing(seen, facts):
        if not fact.refuses:
            note(f"{asked}: measured with {fact.name} {old}, this is {new}: the file will say so")
