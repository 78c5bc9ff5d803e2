"""Which runs of `make figures` are kept, under which name, and what they replace.

The headline's first seed becomes the machine's published run; all others go to results/reference under name,
core, date and seed, without host name and folders. What was kept of the same name and core is replaced.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from model.common.errors import UsageError
from model.common.files import read_bounded, write_new
from model.common.streams import note
from model.vocabulary.formats import MOST_BYTES
from model.vocabulary.partial_run import PLAIN, SUFFIX
from results.analysis import machines
from results.analysis.groups import FEW_PROCESSES
from results.kept import moved, publishing
from results.kept.runs import (
    FIGURES,
    HEADLINE,
    Kept,
    file_name,
    instrument_of,
    kept,
    published_of,
    slug,
)
from results.output import as_calibration
from results.reading.cpus import processor_line
from results.reading.dates import date_of
from results.reading.document import BadRunError
from results.reading.load import Run, load
from results.reading.places import without_places

MEASURED: Final = re.compile(r"(.+)-seed(\d+)\.json")
CALIBRATION: Final = "calibration"
MOVED: Final = "moved.txt"

Measured = Mapping[tuple[str, int], Run]
"""(name, seed) to the run."""


def measured(folder: Path) -> Measured:
    """The complete runs of a folder that may be kept.

    Raises
    ------
    UsageError
        When there is none, or one that could not be quoted.
    """
    matches = [(path, MEASURED.fullmatch(path.name)) for path in sorted(folder.glob("*.json"))]
    found = {(match[1], int(match[2])): load(path) for path, match in matches if match}
    for (name, seed), each in found.items():
        publishing.check_kept(each)
        fewest = min(len(scenario.processes) for scenario in each.scenarios)
        if fewest < FEW_PROCESSES:
            raise UsageError(f"{name}, seed {seed}, has {fewest} processes: a rehearsal is not kept")
    if not found:
        raise UsageError(f"{folder} has no complete run: make figures measures them")
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        note(f"left out: {path.name.partition('.')[0]} is not complete")
    return found


def compared(found: Measured, published: Path, reference: Path) -> Iterator[moved.Comparison]:
    """The first seed of each run beside what is published or kept under its name."""
    for (name, seed), each in found.items():
        if seed == 1 and name != CALIBRATION:
            for old in _before(name, each, published, reference):
                try:
                    yield moved.comparison(name, old, each)
                except BadRunError as error:
                    note(f"not compared: {error}")


def _before(name: str, new: Run, published: Path, reference: Path) -> list[Run]:
    """Older runs of a name: of the same core if there is one, else of every other."""
    if name == HEADLINE:
        runs = [load(published_of(entry, published)) for entry in _entries(published)]
    else:
        runs = [load(each.path) for each in kept(reference, name) if each.seed == 1]
    runs = [each for each in runs if date_of(each) != date_of(new)]  # not itself, where it is kept already
    same = [each for each in runs if slug(each) == slug(new)]
    return same or runs


def _entries(folder: Path) -> list[machines.Entry]:
    return machines.entries(folder) if folder.is_dir() else []


def file_all(found: Measured, published: Path, reference: Path) -> list[Path]:
    """Keep the runs; returns where each lies.

    Raises
    ------
    UsageError, FileError
    """
    reference.mkdir(parents=True, exist_ok=True)
    written = []
    for (name, seed), each in found.items():
        if (name, seed) == (HEADLINE, 1):
            second = found.get((HEADLINE, 2))
            written.append(publishing.publish(each, published, replace=True, second=second))
            continue
        path = reference / file_name(name, each, seed)
        content = without_places(read_bounded(each.path, MOST_BYTES))
        write_new(path, content, replace=True)
        if name == CALIBRATION:
            written.append(_figures_of(each, path))
        for old in _superseded(path, kept(reference, name), slug(each), seed):
            old.path.unlink()
            _figures_path(old.path).unlink(missing_ok=True)
        written.append(path)
    return written


def _figures_path(path: Path) -> Path:
    """Where the figures of a kept calibration lie."""
    return path.with_name(path.name.removesuffix(".json.gz") + FIGURES)


def _figures_of(each: Run, path: Path) -> Path:
    """What a calibration says, beside its run: the plain pyperf runs that it needs are not kept."""
    figures = _figures_path(path)
    plain = Path(each.path).with_suffix(PLAIN)
    made = {
        "processor": processor_line(each.facts),
        "date": date_of(each)[:10],
        "commit": each.facts["commit"],
        "instrument": instrument_of(each),
        "figures": as_calibration.document(each, plain),
    }
    write_new(figures, json.dumps(made, indent=1) + "\n", replace=True)
    return figures


def _superseded(path: Path, known: Sequence[Kept], core: str, seed: int) -> list[Kept]:
    return [each for each in known if (each.core, each.seed) == (core, seed) and each.path != path]
