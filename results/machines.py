"""`python -m results machines [DIR]`: the same arms on every published CPU, side by side.

A folder of machines has a folder for each, named by the facts of the machine (`results.reading.machine`). It
holds the published run, and `machine.json` with facts, date, commit and every figure, so that a table over
many machines reads no run.
"""

import csv
import hashlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.common.command import printable
from model.common.errors import FileError, UsageError
from model.common.files import read_bounded, write_new
from model.vocabulary.formats import INSTRUMENT, MACHINE, MACHINES, MOST_BYTES, OLDER_INSTRUMENT
from model.vocabulary.machine import NAMES
from model.vocabulary.margin import Margin
from model.vocabulary.scenario import usual_of
from results.analysis.conditions import CONDITIONS
from results.analysis.seeds import settled, verdicts_of
from results.kernel_files import only_files
from results.output import as_json as shown
from results.output.as_machines import HEAD, columns, text_of
from results.output.words import escape
from results.places import PLACES as PLACES
from results.places import command_without_places as command_without_places
from results.places import without_places
from results.reading import formats
from results.reading.cpus import processor_line
from results.reading.dates import date_of
from results.reading.document import BadRunError, read_json
from results.reading.load import Run
from results.reading.machine import key_of, machine_of

FOLDER: Final = Path(__file__).parent / "machines"
ENTRY: Final = "machine.json"
RUN: Final = "run.json.gz"
MARGIN: Final = Margin(1.0, percent=True)
MARK: Final = "*"
"""Behind the name of a machine that an older instrument measured."""


@dataclass(frozen=True)
class Entry:
    """One machine, from its `machine.json`.

    Attributes
    ----------
    cells
        As `results show --format json` has them; a verdict that a second seed does not share is undecided.
    instrument
        Which one measured it: rows of two are not averaged.
    """

    key: str
    machine: dict[str, str]
    processor: str
    date: str
    commit: str
    cells: list[dict[str, Any]]
    instrument: str = OLDER_INSTRUMENT

    @property
    def older(self) -> bool:
        """Whether another instrument measured it than measures now."""
        return self.instrument != INSTRUMENT

    @property
    def short(self) -> str:
        """`Zen 3`, or the numbers of a processor without a known name."""
        inside = self.processor.rpartition("(")[2].rstrip(")")
        return inside.partition(":")[0] if ":" in inside else inside

    @property
    def title(self) -> str:
        """Heading of a column."""
        return f"{self.short}, {self.date[:10]}{MARK * self.older}"


# Reading


def entries(folder: Path = FOLDER) -> list[Entry]:
    """Every machine of a folder, by key; one that is damaged is left out, with a line on standard error.

    Raises
    ------
    BadRunError
        When there is no folder or no machine in it.
    """
    if not folder.is_dir():
        raise BadRunError(f"{folder} is no folder of machines; make publish RUN=FILE makes one")
    found = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        try:
            found.append(_entry(place))
        except FileError as error:
            print(f"left out: {printable(str(error))}", file=sys.stderr)
    if not found:
        raise BadRunError(f"{folder} holds no machine; make publish RUN=FILE adds one")
    return found


def _entry(place: Path) -> Entry:
    path = place / ENTRY
    document = read_json(path)
    wrong = formats.fault(document, "machine")
    if wrong:
        raise BadRunError(f"{path}: {wrong}")
    key = key_of(document["machine"])
    if key != place.name:
        raise BadRunError(f"{path} is of the machine {key}: a folder has the key of its machine")
    others = sorted(p.name for p in place.glob("*.json*") if p.name not in (ENTRY, RUN))
    if others:
        raise BadRunError(f"{place} has two results for one key, {RUN} and {others[0]}: keep one of them")
    other = document.get("second", {}).get("verdicts", {})
    return Entry(
        key,
        document["machine"],
        document["processor"],
        document["date"],
        document["commit"],
        [settled(cell, other) for cell in document["figures"]["cells"]],
        document.get("instrument", OLDER_INSTRUMENT),
    )


# Publishing


def publish(run: Run, folder: Path = FOLDER, *, replace: bool = False, second: Run | None = None) -> Path:
    """Store a run in the folder of its machine.

    Parameters
    ----------
    replace
        Replace the run that is there.
    second
        The same with another seed, for its verdicts.

    Returns
    -------
    The machine's folder.

    Raises
    ------
    UsageError
        For a run that is not of one machine and one commit, or where there is a run already.
    FileError
        When it cannot be written.
    """
    _check_publishable(run)
    machine = machine_of(run)
    place = folder / key_of(machine)
    if (place / ENTRY).exists() and not replace:
        there = json.loads((place / ENTRY).read_text())
        raise UsageError(
            f"{place} has a run of {there['date'][:10]}, commit {there['commit']}: --force replaces it"
        )
    source = without_places(read_bounded(run.path, MOST_BYTES))
    figures = shown.document(run, MARGIN)
    document = {
        "schema": MACHINE,
        "machine": machine,
        "processor": processor_line(run.facts),
        "date": date_of(run),
        "commit": run.facts["commit"],
        "command": command_without_places(str(run.facts.get("freepath_command", "unknown"))),
        "instrument": run.facts.get("instrument", OLDER_INSTRUMENT),
        **(
            {"second": {"seed": int(second.facts["seed"]), "verdicts": verdicts_of(second, MARGIN)}}
            if second
            else {}
        ),
        "run": {"file": RUN, "sha256": hashlib.sha256(source).hexdigest()},
        "figures": {**figures, "run": {"warnings": figures["run"]["warnings"]}},
    }
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot write {place}: {error.strerror}") from None
    write_new(place / RUN, source, replace=replace)
    write_new(place / ENTRY, json.dumps(document, separators=(",", ":")) + "\n", replace=replace)
    return place


def _check_publishable(run: Run) -> None:
    if only_files(run):
        raise UsageError(f"{run.path} is of a kernel file: publish a run of the models")
    check_kept(run)
    if run.facts.get("store_bypass", "on") != "on":
        raise UsageError(
            f"{run.path} was measured with store bypass off: publish a run of the CPU as it runs"
        )
    if run.facts.get("sibling", "as-found") != "as-found":
        raise UsageError(f"{run.path} was measured with --sibling busy: publish a run of the CPU as found")


def check_kept(run: Run) -> None:
    """Refuse a run that could not be quoted: of several machines or commits, of a commit that nobody has.

    Raises
    ------
    UsageError
    """
    # The host name does not matter, and appended processes have seeds of their own.
    may_differ = ("hostname", "seed", *NAMES)
    mixed = [*run.mixed]
    mixed += [name for name, fact in run.facts.items() if isinstance(fact, tuple) and name not in may_differ]
    commit = str(run.facts.get("commit", "unknown"))
    unknown = [name for name in ("cpu_vendor", "cpu_family", "cpu_model") if name not in run.facts]
    if mixed:
        raise UsageError(f"{run.path} mixes {', '.join(mixed)}: publish a run of one machine and one commit")
    if commit == "unknown" or commit.endswith("-dirty"):
        raise UsageError(f"{run.path} is of commit {commit}: publish a run of a clean checkout")
    if unknown:
        raise UsageError(f"{run.path} does not say which processor it is of: measure with this version")
    if not date_of(run):
        raise UsageError(f"{run.path} does not say when it was measured")
    if Path(run.path).is_dir():
        raise UsageError(f"{run.path} was interrupted: finish it, python -m benchmarks --resume {run.path}")


# The table


def scenarios_of(found: Sequence[Entry], wanted: str = "") -> list[str]:
    """Scenarios to show: each kernel's usual one, one by name, or `all`.

    Where no machine has a kernel's usual scenario, the first measured one: no version is hidden.

    Raises
    ------
    UsageError
        When no machine has it.
    """
    known: dict[str, dict[str, Any]] = {c["scenario"]: c for entry in found for c in entry.cells}
    if wanted == "all":
        return list(known)
    if wanted:
        if wanted not in known:
            raise UsageError(f"no machine was measured in {wanted}; there are {', '.join(known)}, and all")
        return [wanted]
    first = {cell["kernel"]: name for name, cell in reversed(known.items())}
    usual = {cell["kernel"]: name for name, cell in known.items() if _is_usual(cell)}
    return [name for name in known if name in {**first, **usual}.values()]


def _is_usual(cell: dict[str, Any]) -> bool:
    return all(cell[axis] == value for axis, value in usual_of(cell["kernel"]).items())


@dataclass(frozen=True)
class Row:
    """One arm, and its cell on every machine; None where it was not measured."""

    scenario: str
    arm: str
    cells: list[dict[str, Any] | None]


def rows(found: Sequence[Entry], scenario: str) -> list[Row]:
    """The arms of a scenario that any machine has, in the order of the first that has them."""
    by_arm: dict[str, list[dict[str, Any] | None]] = {}
    for at, entry in enumerate(found):
        for cell in entry.cells:
            if cell["scenario"] == scenario:
                row = by_arm.setdefault(f"{cell['variant']}/{cell['gate']}", [None] * len(found))
                row[at] = cell
    return [Row(scenario, arm, cells) for arm, cells in by_arm.items()]


def markdown(found: Sequence[Entry], names: Sequence[str]) -> Iterator[str]:
    """A table per scenario, a column per machine; then a table of the machines."""
    yield from HEAD
    for name in names:
        yield from ("", f"{escape(name)}:", "")
        bases = [_base_ns(entry, name) for entry in found]
        yield f"| arm | {' | '.join(escape(entry.title) for entry in found)} |"
        yield f"|---|{'---:|' * len(found)}"
        yield f"| base, ns per page | {' | '.join(bases)} |"
        for row in rows(found, name):
            yield f"| `{row.arm}` | {' | '.join('<br>'.join(filter(None, text_of(c))) for c in row.cells)} |"
    yield from ("", "| machine | processor | conditions | date, commit |", "|---|---|---|---|")
    for entry in found:
        measured = f"{entry.date[:10]}, {entry.commit}"
        cells = (entry.key, entry.processor, _conditions(entry), f"{measured}{MARK * entry.older}")
        yield f"| {' | '.join(map(escape, cells))} |"
    if any(entry.older for entry in found):
        yield from ("", *marked(found))


def marked(found: Sequence[Entry]) -> Iterator[str]:
    """What the mark means, where there is one."""
    if any(entry.older for entry in found):
        yield f"\\{MARK} measured with an older instrument"


def table(found: Sequence[Entry], names: Sequence[str]) -> Iterator[str]:
    """For a terminal: below each arm a line per machine, so that fifty machines fit any width."""
    width = max(len(entry.title) for entry in found)
    for name in names:
        yield f"{name}, ns per page over base"
        yield f"  {'base':{width}}"
        yield from (f"    {entry.title:{width}} {_base_ns(entry, name)}" for entry in found)
        for row in rows(found, name):
            yield f"  {row.arm}"
            for entry, cell in zip(found, row.cells, strict=True):
                if cell is not None:
                    yield f"    {entry.title:{width}} {'; '.join(filter(None, text_of(cell)))}"
        yield ""
    yield from about(found)


def about(found: Sequence[Entry]) -> Iterator[str]:
    """A line on each machine."""
    for entry in found:
        date = entry.date[:10]
        yield f"{entry.key}: {entry.processor}, {_conditions(entry)}; {date}, commit {entry.commit}"


def _conditions(entry: Entry) -> str:
    """`microcode 0x1, hypervisor yes, kernel Linux-6.18`, as far as the run has them."""
    names = {"microcode": "cpu_microcode", "hypervisor": "virtual", "kernel": "platform"}
    known = {word: entry.machine[name] for word, name in names.items() if name in entry.machine}
    return ", ".join(f"{word} {fact}" for word, fact in known.items())


def _base_ns(entry: Entry, scenario: str) -> str:
    cell = next((cell for cell in entry.cells if cell["scenario"] == scenario), None)
    return "" if cell is None else f"{cell['bare_ns']:.1f}"


COLUMNS: Final = (
    "overhead_ns",
    "overhead_cycles",
    "predicted_cycles",
    "builds_paying",
    "builds_saving",
    "verdict",
    "bare_ns",
    "cycle_ns",
)


def as_csv(found: Sequence[Entry], names: Sequence[str]) -> str:
    """One line per machine and cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    head = ("machine", "processor", "date", "commit", "scenario", "variant", "gate", "ci95_low", "ci95_high")
    in_condition = [f"{c}_{part}" for c in CONDITIONS for part in ("ns", "ci95_low", "ci95_high", "verdict")]
    writer.writerow((*head, *COLUMNS, "condition", *in_condition))
    for entry in found:
        for cell in (cell for cell in entry.cells if cell["scenario"] in names):
            of_cell = (cell["scenario"], cell["variant"], cell["gate"], *(cell["ci95_ns"] or ("", "")))
            of_entry = (entry.key, entry.processor, entry.date, entry.commit)
            conditions = (part for name in CONDITIONS for part in columns(cell.get(name)))
            known = (*(cell[name] for name in COLUMNS), cell.get("condition"))
            writer.writerow((*of_entry, *of_cell, *known, *conditions))
    return stream.getvalue()


def as_json(found: Sequence[Entry], names: Sequence[str]) -> str:
    """The document `freepath.machines/1`."""
    machines = [
        {
            "key": entry.key,
            "machine": entry.machine,
            "processor": entry.processor,
            "date": entry.date,
            "commit": entry.commit,
            "cells": [cell for cell in entry.cells if cell["scenario"] in names],
        }
        for entry in found
    ]
    return json.dumps({"schema": MACHINES, "machines": machines}, indent=2, allow_nan=False) + "\n"
