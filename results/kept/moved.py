"""What a new run says otherwise than the kept or published run of the same name, and why it may.

A cell moved where the two, as shares of the path, differ by more than their joint 95 % interval. The reason
is what the runs do not share: the CPU, the instrument, the condition of the core; `other` where they share
all of these.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from results.analysis import compare
from results.analysis.change import Change
from results.analysis.conditions import UNLIKE
from results.analysis.groups import analysis_of
from results.analysis.machines import MARGIN
from results.analysis.seeds import named
from results.kept.runs import instrument_of
from results.reading.cpus import processor_line
from results.reading.load import Run
from results.reading.machine import product

OTHER: Final = "other"


@dataclass(frozen=True)
class Moved:
    """One cell that moved: overheads in ns per page, each of its own machine; verdicts, reasons."""

    cell: str
    old: float
    new: float
    verdicts: tuple[str, str]
    reason: str


@dataclass(frozen=True)
class Comparison:
    """A new run beside an older one of its name."""

    name: str
    cores: tuple[str, str]
    cells: int
    moved: list[Moved]


def comparison(name: str, old: Run, new: Run) -> Comparison:
    """Compare them, whatever they do not share.

    Raises
    ------
    BadRunError
        When they share no cell.
    """
    both = analysis_of(old, MARGIN), analysis_of(new, MARGIN)
    changes = [c for c in compare.compare_runs(*both, MARGIN, across=True) if c.agrees is not None]
    before, after = (named(each.groups) for each in both)
    shared = reasons(old, new)
    found = []
    for change in changes:
        if not change.agrees and change.cell in before and change.cell in after:
            (was, judged), (now, again) = before[change.cell], after[change.cell]
            verdicts = judged.verdict, again.verdict
            found.append(Moved(change.cell, was.ns, now.ns, verdicts, _why(shared, change)))
    return Comparison(name, (product(old), product(new)), len(changes), found)


def reasons(old: Run, new: Run) -> list[str]:
    """What two runs do not share, of the CPU and the instrument."""
    facts = {
        "CPU": processor_line(old.facts) != processor_line(new.facts),
        "instrument": instrument_of(old) != instrument_of(new),
    }
    return [name for name, differs in facts.items() if differs]


def _why(shared: Sequence[str], change: Change) -> str:
    unlike = ["condition"] if UNLIKE in change.detail else []
    return ", ".join([*shared, *unlike]) or OTHER


def lines(found: Sequence[Comparison], *, everything: bool = False) -> Iterator[str]:
    """A line for each comparison; below it the cells whose verdict moved too, or all that moved."""
    for each in found:
        was, now = each.cores
        yield f"{each.name}, {was} to {now}: {len(each.moved)} of {each.cells} moved beyond the interval"
        for moved in each.moved:
            before, after = moved.verdicts
            if everything or before != after:
                verdict = before if before == after else f"{before} to {after}"
                yield f"  {moved.cell}: {moved.old:+z.3f} to {moved.new:+z.3f}, {verdict} ({moved.reason})"
