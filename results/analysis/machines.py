"""`python -m results machines [DIR]`: the same arms on every published CPU, side by side.

A folder of machines has a folder for each, named by the facts of the machine (`results.reading.machine`). It
holds the published run, and `machine.json` with facts, date, commit and every figure, so that a table over
many machines reads no run.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.common.errors import FileError, UsageError
from model.common.streams import printable
from model.vocabulary.formats import INSTRUMENT, OLDER_INSTRUMENT
from model.vocabulary.margin import Margin
from model.vocabulary.scenario import usual_of
from results.analysis.seeds import settled
from results.reading import formats
from results.reading.document import BadRunError, read_json
from results.reading.machine import key_of

FOLDER: Final = Path(__file__).parents[1] / "machines"
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
