"""`python -m results overview [DIR]`: the question's answer on every published CPU, one screen of plain text.

A row is a check or a step of the path, a column a machine: what it costs per freed page, the 95 %
interval, the verdict, and its part of the modelled path. A step that the kernel has is measured by
leaving it out, so its cost is what leaving it out saves, with the sign turned.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Final

from results.analysis.conditions import SAID, apart
from results.analysis.machines import MARK, Entry
from results.kept.analysed import analysed
from results.output.as_json import cell_document
from results.output.as_machines import marked
from results.output.words import escape
from results.reading.folder import REFERENCE
from results.reading.machine import product

LABEL: Final = 19
"""Columns of a row's label: five machines beside it fit a mail's or a README's 100 columns."""
WIDTH: Final = 100
COLUMN: Final = 16
ABREAST: Final = 5
"""Machines side by side; the others follow in a second table."""
TURNED: Final = {"saves": "costs", "costs": "saves"}
"""Verdict of a step from the verdict of the arm that leaves it out."""


@dataclass(frozen=True)
class Row:
    """One check or step.

    Attributes
    ----------
    label
        What it is, in two lines.
    scenario, variant
        Where it is measured, and the arm that says so; of several gates the jump label's.
    left_out
        Whether the arm is the path without the step.
    """

    label: tuple[str, str]
    scenario: str
    variant: str
    left_out: bool = False


IDLE: Final = "on-idle/plain/warm/sequential/pcp"
OFF: Final = "off/plain/warm/sequential/pcp"
ACTIVE: Final = "on-active/plain/warm/sequential/pcp/v6.18"
ROWS: Final[Mapping[str, Sequence[Row]]] = {
    "v4.3": (
        Row(("2015 test, memcg", "  built in, idle"), IDLE, "v1"),
        Row(("2015 test, memcg", "  compiled out"), OFF, "v1"),
    ),
    "v6.18": (
        Row(("memcg test,", "  key on"), ACTIVE, "memcg-off", left_out=True),
        Row(("page type test,", "  2025"), ACTIVE, "no-type-test", left_out=True),
        Row(("page checks,", "  on in Debian"), ACTIVE, "check-pages"),
        Row(("pcp trylock,", "  against no lock"), ACTIVE, "no-trylock", left_out=True),
    ),
}
"""Kernel that is modelled -> its rows."""
ELSEWHERE: Final = (
    ("with SSBD", "run-store-bypass-off-zen3-2026-11-25.json.gz", IDLE),
    ("after 1,024 other branches", "sweep-between-icelake-2026-11-26.json.gz", f"{IDLE}/branches"),
    ("after 1,024 other branches", "sweep-between-zen4-2026-11-27.json.gz", f"{IDLE}/branches"),
)
"""Conditions under which the 2015 test costs something else: condition, kept run, scenario."""


AT_MARGIN: Final = "at margin"
"""Instead of `costs` or `saves` where the interval holds the margin: another run may call it negligible."""


def cell_of(cells: Iterable[dict[str, Any]], row: Row) -> dict[str, Any] | None:
    """A row's cell among those of a machine or a run; None where it was not measured."""
    found = [c for c in cells if (c["scenario"], c["variant"]) == (row.scenario, row.variant)]
    return min(found, key=lambda cell: cell["gate"] != "jump-label", default=None)


def of_run(cells: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """The same rows for one run: label, number with interval, verdict; only kernels that it measured.

    Parameters
    ----------
    cells
        As `results show --format json` has them.
    """
    for kernel, rows in ROWS.items():
        if level := _level(cells, rows):
            yield f"{kernel}, whole path", level, ""
            for row in rows:
                cell = cell_of(cells, row)
                label = label_of(row) + (apart(cell.get("condition")) if cell else "")
                yield label, *(cost_of(cell, left_out=row.left_out) if cell else ("not measured", ""))


def label_of(row: Row) -> str:
    """A row's label in one line: `2015 test, memcg present, key off`."""
    return " ".join(part.strip() for part in row.label).strip()


def cost_of(cell: Mapping[str, Any], *, left_out: bool) -> tuple[str, str]:
    """A cell's number with its interval, and its verdict with the part of the path.

    Parameters
    ----------
    cell
        As `results show --format json` has it: ns per page.
    left_out
        Turn the sign: the arm is the path without the step.
    """
    cost, interval = cell["overhead_ns"], cell["ci95_ns"]
    if left_out:
        cost, interval = -cost, interval and [-interval[1], -interval[0]]
    text = f"{cost:+z.2f}" + (f" [{interval[0]:+z.2f},{interval[1]:+z.2f}]" if interval else "")
    verdict = TURNED.get(cell["verdict"], cell["verdict"]) if left_out else cell["verdict"]
    if verdict in TURNED and interval and min(map(abs, interval)) <= cell["margin_ns"]:
        verdict = AT_MARGIN
    return text, f"{verdict}, {cost / cell['bare_ns']:z.1%}"


def table(found: Sequence[Entry]) -> Iterator[str]:
    """Plain text of at most 100 columns."""
    for start in range(0, len(found), ABREAST):
        if start:
            yield ""
        yield from _abreast(found[start : start + ABREAST])
    yield from (part for line in _shared(found) for part in wrap(line, WIDTH))


def current(found: Sequence[Entry]) -> list[Entry]:
    """One machine of each core: of those measured by this instrument, or else of all, the last one."""
    last = {entry.short: entry for entry in sorted(found, key=lambda entry: (not entry.older, entry.date))}
    return [entry for entry in found if last[entry.short] is entry]


def first(found: Sequence[Entry]) -> list[Entry]:
    """As many machines as stand side by side: of this instrument first, then those measured last."""
    found = current(found)
    newest = sorted(found, key=lambda entry: (not entry.older, entry.date), reverse=True)[:ABREAST]
    return [entry for entry in found if entry in newest]


def _shared(found: Sequence[Entry]) -> Iterator[str]:
    """A line for each machine of which a figure is that beside a busy sibling, for too little was alone."""
    for entry in found:
        cells = [(label_of(row), cell_of(entry.cells, row)) for rows in ROWS.values() for row in rows]
        names = [label for label, cell in cells if cell and cell.get("condition") == "shared"]
        if names:
            yield f"{entry.short}{apart('shared')}: {'; '.join(names)}"


def _abreast(found: Sequence[Entry]) -> Iterator[str]:
    older = any(entry.older for entry in found)
    yield _line("ns per page, ±95 %", [f"{entry.short}{MARK * entry.older}" for entry in found])
    yield _line(f"{MARK} older instrument" if older else "", [family_of(entry) for entry in found])
    for kernel, rows in ROWS.items():
        yield _line(f"{kernel}, whole path", [_level(entry.cells, rows) for entry in found])
        for row in rows:
            yield from _two_lines(found, row)


def _two_lines(found: Sequence[Entry], row: Row) -> Iterator[str]:
    cells = [cell_of(entry.cells, row) for entry in found]
    texts = [half_of(c, left_out=row.left_out) if c else ("not measured", "") for c in cells]
    yield _line(f"  {row.label[0]}", [text for text, _ in texts])
    yield _line(f"  {row.label[1]}", [verdict for _, verdict in texts])


def half_of(cell: Mapping[str, Any], *, left_out: bool) -> tuple[str, str]:
    """As `cost_of`, shorter: a half-width instead of the interval, no part of the path if negligible."""
    number, verdict = cost_of(cell, left_out=left_out)
    low, high = cell["ci95_ns"] or (0.0, 0.0)
    shown = verdict.partition(",")[0] if verdict.startswith("negligible") else verdict
    return f"{number.partition(' ')[0]} ±{(high - low) / 2:.2f}", shown


def _line(label: str, texts: Iterable[str]) -> str:
    return (f"{label:{LABEL}}" + "".join(f" {text:{COLUMN - 1}}" for text in texts)).rstrip()


def family_of(entry: Entry) -> str:
    """Family and model, `25/17`: distinguishes processors of the same name."""
    machine = entry.machine
    return f"{machine.get('cpu_family', '?')}/{machine.get('cpu_model', '?')}"


def _level(cells: Sequence[dict[str, Any]], rows: Sequence[Row]) -> str:
    cell = next((cell for row in rows if (cell := cell_of(cells, row))), None)
    return f"{cell['bare_ns']:.1f}" if cell else ""


def answer(found: Sequence[Entry]) -> Iterator[str]:
    """The question's answer in sentences: the test of 2015 in two states, and its better form."""
    found = current(found)
    v1, compiled_out = ROWS["v4.3"]
    yield f"the test of 2015 {_in_words(found, v1)}, with memcg built in and idle"
    yield f"With memcg compiled out it {_in_words(found, compiled_out)}"
    yield f"With the key tested first, as merged in v4.8, it {_in_words(found, KEY_FIRST)}"


def _in_words(found: Sequence[Entry], row: Row) -> str:
    """`costs 0.17 ns on Zen 4; is negligible on Ice Lake`: a row on every machine that measured it."""
    by_verdict: dict[str, list[str]] = {}
    for entry in found:
        if cell := cell_of(entry.cells, row):
            number, judged = cost_of(cell, left_out=row.left_out)
            verdict = judged.partition(", ")[0]
            near = " (at the margin)" if verdict == AT_MARGIN else ""
            size = f"{number.partition(' ')[0].lstrip('+-')} ns{near} on "
            known = ("saves" if number.startswith("-") else "costs") if near else verdict
            by_verdict.setdefault(known, []).append((size if known in TURNED else "") + entry.short)
    # Most machines come last, without their names.
    ordered = sorted(by_verdict.items(), key=lambda item: (item[0] not in TURNED, len(item[1]), item[0]))
    said = [f"{WORDS[verdict]} {', '.join(places)}" for verdict, places in ordered]
    verdict, places = ordered[-1]
    if len(said) > 1 and verdict not in TURNED and len(places) > 2:
        said[-1] = f"{WORDS[verdict]} the other {len(places)}"
    return "; ".join(said)


KEY_FIRST: Final = Row(("", ""), IDLE, "keyfirst")
WORDS: Final = {
    "negligible": "is negligible on",
    "costs": "costs",
    "saves": "saves",
    "undecided": "is undecided on",
}


def elsewhere() -> Iterator[str]:
    """The 2015 test under other conditions, from the kept runs: a line each.

    Raises
    ------
    BadRunError
        When a kept run is damaged.
    """
    for condition, name, scenario in ELSEWHERE:
        analysis = analysed(REFERENCE / name)
        groups = (group for group in analysis.groups if group.scenario.name == scenario)
        cells = (cell_document(cell) for group in groups for cell in group.cells)
        wanted = next(c for c in cells if (c["variant"], c["gate"]) == ("v1", "jump-label"))
        text, verdict = cost_of(wanted, left_out=False)
        yield f"{condition}, {product(analysis.run)}: {text} of {wanted['bare_ns']:.1f}, {verdict}"


def markdown(found: Sequence[Entry]) -> Iterator[str]:
    """The same as a table in Markdown, a column per machine."""
    yield f"| ns per freed page, 95 % interval | {' | '.join(escape(e.title) for e in found)} |"
    yield f"|---|{'---|' * len(found)}"
    for kernel, rows in ROWS.items():
        yield f"| {kernel}, whole path | {' | '.join(_level(entry.cells, rows) for entry in found)} |"
        for row in rows:
            cells = (cell_of(entry.cells, row) for entry in found)
            texts = (
                f"{'<br>'.join(cost_of(c, left_out=row.left_out))}{_where(c)}" if c else "" for c in cells
            )
            yield f"| {label_of(row)} | {' | '.join(texts)} |"
    if any(entry.older for entry in found):
        yield from ("", *marked(found))


def _where(cell: Mapping[str, Any]) -> str:
    return f"<br>{SAID['shared']}" if cell.get("condition") == "shared" else ""
