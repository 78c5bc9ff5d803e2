"""`python -m results machines`: every arm on every published CPU; text, Markdown, CSV, JSON."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from model.vocabulary.formats import MACHINES
from results.analysis.conditions import CONDITIONS, SAID, apart
from results.analysis.machines import MARK, Entry, rows
from results.output.words import escape

HEAD: Final = (
    "ns per page over base with 95 % interval, alone on the core unless said; cycles (predicted);",
    "share of builds that pay; the figure beside a busy sibling.",
)
"""What the columns of the table are."""


def text_of(cell: dict[str, Any] | None) -> tuple[str, str, str]:
    """What is known of a cell.

    Number, interval and verdict; cycles, in brackets the prediction, and the share of builds that pay; the
    number in the other condition of the core.
    """
    if cell is None:
        return "", "", ""
    more = []
    if cell["overhead_cycles"] is not None:
        predicted = cell["predicted_cycles"]
        more.append(
            f"{cell['overhead_cycles']:+z.2f} cycles"
            + (f" ({predicted:.2f})" if predicted is not None else "")
        )
    if cell["builds_paying"] is not None:
        more.append(f"{cell['builds_paying']:.0%} pay")
    condition = cell.get("condition")  # entries from before it have none
    other = next((each for each in CONDITIONS if each != condition and cell.get(each)), None)
    beside = f"{SAID[other]} {_figure(cell[other])}" if other and condition else ""
    return f"{_figure(cell)}{apart(condition)}", ", ".join(more), beside


def _figure(cell: dict[str, Any]) -> str:
    """`+0.202 [+0.161, +0.243] costs`."""
    interval = f" [{cell['ci95_ns'][0]:+z.3f}, {cell['ci95_ns'][1]:+z.3f}]" if cell["ci95_ns"] else ""
    return f"{cell['overhead_ns']:+z.3f}{interval} {cell['verdict']}"


def columns(figure: dict[str, Any] | None) -> tuple[Any, ...]:
    """Number, both ends of its interval, verdict; empty where there was not enough of a condition."""
    if not figure:
        return ("",) * 4
    return figure["overhead_ns"], *(figure["ci95_ns"] or ("", "")), figure["verdict"]


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
