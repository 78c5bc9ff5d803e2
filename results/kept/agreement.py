"""How far two seeds of one run agree, of what is kept or in a folder of `make figures`.

Of two runs that differ in the seed, 95 % of the differences should lie within their joint 95 % interval.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from results.analysis import compare, machines
from results.analysis.groups import Analysis, analysis_of
from results.analysis.machines import MARGIN
from results.analysis.seeds import verdicts_of
from results.kept.analysed import analysed
from results.kept.runs import pairs, published_of, second_seed
from results.reading.document import BadRunError
from results.reading.folder import REFERENCE
from results.reading.load import load

ENOUGH: Final = 0.95
"""Share of the differences that should lie within their joint 95 % interval."""
SEED: Final = re.compile(r"(.+)-seed1\.json")


@dataclass(frozen=True)
class Agreement:
    """Of one run with two seeds.

    Attributes
    ----------
    cells
        Differences that have an interval.
    beyond
        Those that lie outside of it, a line each.
    open
        Cells on whose verdict the seeds do not agree, a line each.
    """

    name: str
    cells: int
    beyond: list[str]
    open: list[str]


def agreement(name: str, first: Analysis, second: Analysis) -> Agreement:
    """Compare two seeds of one run.

    Raises
    ------
    BadRunError
        When the runs are of unlike machines or instruments.
    """
    compared = compare.compare_runs(first, second, MARGIN, across=False)
    changes = [c for c in compared if c.agrees is not None]
    beyond = [
        f"{c.cell}: {c.old:+z.3f} and {c.new:+z.3f}" for c in changes if not c.agrees and c.new is not None
    ]
    before, after = (verdicts_of(each.groups) for each in (first, second))
    differing = {cell: word for cell, word in before.items() if after.get(cell, word) != word}
    unlike = [f"{cell}: {word} and {after[cell]}" for cell, word in differing.items()]
    return Agreement(name, len(changes), beyond, unlike)


def of_kept() -> Iterator[Agreement]:
    """The headline of every machine with two seeds, then every kept run that has both."""
    for entry in machines.entries():
        if second := second_seed(entry):
            yield agreement(f"run, {entry.short}", analysed(published_of(entry)), analysed(second))
    for one, other in pairs(REFERENCE):
        yield agreement(f"{one.name}, {one.core}", analysed(one.path), analysed(other.path))


def of_folder(folder: Path) -> Iterator[Agreement]:
    """Of a folder of `make figures`: NAME-seed1.json with NAME-seed2.json.

    Raises
    ------
    BadRunError
        When there is no such pair.
    """
    names = [match[1] for path in sorted(folder.glob("*.json")) if (match := SEED.fullmatch(path.name))]
    both = [name for name in names if (folder / f"{name}-seed2.json").exists()]
    if not both:
        raise BadRunError(f"{folder} has no run with two seeds (NAME-seed1.json, NAME-seed2.json)")
    for name in both:
        read = (load(folder / f"{name}-seed{seed}.json") for seed in (1, 2))
        yield agreement(name, *(analysis_of(run, MARGIN) for run in read))


def lines(found: Sequence[Agreement]) -> Iterator[str]:
    """A line for each run, what does not agree below it, and the sum."""
    for each in found:
        yield f"{each.name}: {each.cells - len(each.beyond)} of {each.cells}"
        yield from (f"  beyond: {line}" for line in each.beyond)
        yield from (f"  undecided: {line}" for line in each.open)
    cells = sum(each.cells for each in found)
    inside = cells - sum(len(each.beyond) for each in found)
    share = f" ({inside / cells:.1%})" if cells else ""
    unlike = sum(len(each.open) for each in found)
    yield f"{inside} of {cells} differences{share} lie within their joint 95 % interval"
    yield f"{unlike} verdicts differ between seeds: undecided"


def exit_status(found: Sequence[Agreement]) -> int:
    """1 where too few agree."""
    cells = sum(each.cells for each in found)
    return int(sum(len(each.beyond) for each in found) > (1 - ENOUGH) * cells)
