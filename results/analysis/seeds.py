"""The verdicts of two runs that differ in the seed: what they do not agree on is undecided."""

from collections.abc import Iterable, Mapping
from typing import Any

from results.analysis.conditions import CONDITIONS, apart
from results.analysis.estimate import Overhead
from results.analysis.groups import Group
from results.analysis.verdict import Judgement


def agreed(verdicts: Iterable[str]) -> str:
    """The verdict of all seeds: `undecided` where they do not agree, whatever each says."""
    known = set(verdicts)
    return known.pop() if len(known) == 1 else "undecided"


def named(groups: Iterable[Group]) -> dict[str, tuple[Overhead, Judgement]]:
    """Each cell, as `compare` names them: the headline, and what is beside a busy sibling."""
    known: dict[str, tuple[Overhead, Judgement]] = {}
    for group in groups:
        for cell in group.cells:
            name = f"{group.scenario.name}: {cell.overhead.arm.name}"
            known[name] = cell.overhead, cell.judgement
            known |= {f"{name}{apart(c)}": (e.overhead, e.judgement) for c, e in cell.conditions.items()}
    return known


def verdicts_of(groups: Iterable[Group]) -> dict[str, str]:
    """Verdict of each cell, by name."""
    return {name: judgement.verdict for name, (_, judgement) in named(groups).items()}


def settled(cell: Mapping[str, Any], other: Mapping[str, str]) -> dict[str, Any]:
    """A cell of one seed (as `results show --format json` has it) with the verdicts of both.

    Parameters
    ----------
    other
        The other seed's verdicts, as `verdicts_of` names them; a cell that it lacks keeps its own.
    """
    name = f"{cell['scenario']}: {cell['variant']}/{cell['gate']}"
    conditions: dict[str, Any] = {
        each: {**cell[each], "verdict": agreed((cell[each]["verdict"], other[f"{name}{apart(each)}"]))}
        for each in CONDITIONS
        if cell.get(each) and f"{name}{apart(each)}" in other
    }
    verdict = agreed((cell["verdict"], other.get(name, cell["verdict"])))
    return {**cell, "verdict": verdict, **conditions}
