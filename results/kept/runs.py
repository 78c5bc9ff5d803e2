"""Runs that are kept beside the published ones, in results/reference: what, of which core, when, which seed.

`sweep-between-zen5-2026-11-29-seed1.json.gz`. A name and a core have one date: `results.filing` replaces what
was measured before. A file without a seed is from before every run was measured with two.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.vocabulary.formats import OLDER_INSTRUMENT
from results.analysis.machines import FOLDER as MACHINES
from results.analysis.machines import RUN, Entry
from results.kept.analysed import analysed
from results.reading.cpus import core_of
from results.reading.dates import date_of
from results.reading.folder import REFERENCE
from results.reading.load import Run
from results.reading.machine import key_of, machine_of

FILE: Final = re.compile(r"(.+)-([a-z0-9]+)-(\d{4}-\d\d-\d\d)(?:-seed(\d+))?\.json\.gz")
FIGURES: Final = "-figures.json"
"""End of the name of a file with the figures of a calibration."""
HEADLINE: Final = "run"
"""Name of the headline, whose first seed is the machine's published run."""


@dataclass(frozen=True)
class Kept:
    """One kept run, by its file's name.

    Attributes
    ----------
    seed
        1 where the name has none.
    """

    path: Path
    name: str
    core: str
    date: str
    seed: int


def kept(folder: Path = REFERENCE, name: str = "") -> list[Kept]:
    """The kept runs, of one name if given; the core that was measured last comes first, then by seed."""
    found = [each for path in sorted(folder.glob("*.json.gz")) if (each := named(path))]
    chosen = [each for each in found if name in ("", each.name)]
    dates = {each.core: max(o.date for o in chosen if o.core == each.core) for each in chosen}
    return sorted(chosen, key=lambda each: (_backwards(dates[each.core]), each.core, each.seed))


def _backwards(date: str) -> int:
    return -int(date.replace("-", ""))


def named(path: Path) -> Kept | None:
    """What a file's name says; None for a file of another kind."""
    match = FILE.fullmatch(path.name)
    return match and Kept(path, match[1], match[2], match[3], int(match[4] or 1))


def slug(run: Run) -> str:
    """Of the core that a run is of: `zen5`, `icelake`; its numbers where it has no name."""
    core = core_of(run.facts)
    numbers = (str(run.facts.get(f"cpu_{name}", "x")) for name in ("family", "model", "stepping"))
    text = core.name if core else f"f{'m'.join(numbers)}"
    return re.sub(r"[^a-z0-9]", "", text.lower())


def file_name(name: str, run: Run, seed: int) -> str:
    """Of a run that is to be kept."""
    return f"{name}-{slug(run)}-{date_of(run)[:10]}-seed{seed}.json.gz"


def instrument_of(run: Run) -> str:
    """Which instrument measured it: runs of two are never averaged."""
    return str(run.facts.get("instrument", OLDER_INSTRUMENT))


def published_of(entry: Entry, folder: Path = MACHINES) -> Path:
    """The published run of a machine."""
    return folder / entry.key / RUN


def second_seed(entry: Entry, folder: Path = REFERENCE) -> Path | None:
    """The headline of a machine with its second seed; None where none is kept."""
    paths = (each.path for each in kept(folder, HEADLINE) if each.seed == 2)
    return next((path for path in paths if _key_in(path) == entry.key), None)


def _key_in(path: Path) -> str:
    """Which machine a run is of: asked for each machine."""
    return key_of(machine_of(analysed(path).run))


def pairs(folder: Path = REFERENCE) -> Iterator[tuple[Kept, Kept]]:
    """Kept runs that differ in the seed."""
    found = kept(folder)
    for each in found:
        for other in found:
            same = (each.name, each.core) == (other.name, other.core)
            if same and (each.seed, other.seed) == (1, 2):
                yield each, other
