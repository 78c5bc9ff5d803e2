"""`python -m results report`: one page, verdicts first, with its data inside. No network, no script."""

import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from model.vocabulary.machine import NAMES
from model.vocabulary.margin import Margin
from plots.card import card
from plots.drawing import drawings
from plots.page import ENDINGS, Page, data_url, render
from results import answer, claims
from results.analysis.groups import Cell, Group, analyse
from results.output.as_csv import as_csv
from results.output.as_markdown import as_markdown
from results.output.words import (
    HEADINGS,
    escape,
    fact_texts,
    noise_line,
    row_of,
    run_warnings,
    text_of,
    title_of,
)
from results.reading.cpus import processor_line
from results.reading.dates import days_of
from results.reading.load import Run, read_json

SHOWN: Final = (
    *NAMES,
    "build_scheme",
    "store_bypass",
    "code_digest",
    "hostname",
    "commit",
    "python_version",
    "numba",
    "freepath_cpu",
    "seed",
)
CONDITIONS: Final = ("turbo", "clocksource", "mitigations", "load_before")
"""Of the first process."""


def as_html(run: Run, census: Path | None, margin_text: str) -> Page:
    """The page."""
    margin = Margin.parse(margin_text)
    groups = analyse(run, margin)
    drawn = drawings("run", ENDINGS, run, groups)  # goes on while the rest is made
    content = _content(run, groups, census, margin)
    of_census = drawings("census", ENDINGS, read_json(census or claims.REFERENCE))
    return render("report.html", [*drawn, *of_census], **content)


def _content(run: Run, groups: Sequence[Group], census: Path | None, margin: Margin) -> dict[str, Any]:
    floors = [group.floor_ns for group in groups if group.floor_ns is not None]
    facts = fact_texts(run)
    conditions = run.scenarios[0].processes[0].facts
    machine = {name: facts[name] for name in SHOWN if name in facts}
    rows, now = answer.cells(run, margin), answer.today(run, margin)
    said = answer.sentence(run, rows[0]) if rows else answer.today_sentence(run, now) if now else None
    return {
        "facts": facts,
        "processor": processor_line(run.facts),
        "machine": machine | {name: conditions[name] for name in CONDITIONS if name in conditions},
        "date": days_of(run),
        "margin": f"{min(g.cells[0].judgement.margin_ns for g in groups):.2f} ns" if groups else "unknown",
        "floor": f"{max(floors):.3f} ns" if floors else "not measured",
        "answer": said,
        "others": [*map(_short, rows), *(_short(line, "v6.18 ") for line in now)],
        "doubt": answer.doubt(run, [*rows, *now]),
        "answers": claims.answers(run, census, margin),
        "doubts": [*run_warnings(run), *_doubts(groups)],
        "stories": {v: story for scenario in run.scenarios for v, story in scenario.stories.items()},
        "headings": HEADINGS,
        "groups": [
            {
                "title": title_of(group),
                "rows": [_row(cell) for cell in group.cells],
                "noise": noise_line(group),
            }
            for group in groups
        ],
        "data": data_url(gzip.compress(as_csv(run, margin).encode(), mtime=0), "application/gzip"),
        "card": data_url(card(run, margin), "image/png") if rows else None,
    }


def _short(line: answer.Line, kernel: str = "") -> tuple[str, ...]:
    """A row of the table below the answer."""
    return f"{kernel}{line.about}", *row_of(line.cell)[1:3], line.cell.judgement.verdict


def _row(cell: Cell) -> dict[str, Any]:
    """A row with a name to link to, and every figure in words for whoever points at it."""
    overhead, judged = cell.overhead, cell.judgement
    builds = len(overhead.spread.differences)
    return {
        "id": anchor(cell),
        "texts": row_of(cell),
        "title": f"{cell.scenario.name}: {text_of(overhead, judged)}; base {overhead.base_ns:.3f} ns, "
        f"{overhead.processes} processes, {builds} builds, margin {judged.margin_ns:.3f} ns",
    }


def anchor(cell: Cell) -> str:
    """What a link to an arm says behind its #: letters, digits and hyphens of scenario and arm."""
    return re.sub(r"\W+", "-", f"arm-{cell.scenario.name}-{cell.overhead.arm.name}").strip("-")


def _doubts(groups: Sequence[Group]) -> Iterator[str]:
    """Warnings, each with the scenarios that it is about."""
    about: dict[str, list[str]] = {}
    for group in groups:
        for warning in group.warnings:
            about.setdefault(warning, []).append(group.scenario.name)
    for warning, names in about.items():
        yield f"{warning} ({', '.join(names) if len(names) < len(groups) else 'every scenario'})"


def as_text(run: Run, census: Path | None, margin_text: str) -> Page:
    """The same as Markdown, without figures."""
    margin = Margin.parse(margin_text)
    answers = claims.answers(run, census, margin)
    cells = answer.cells(run, margin)
    said = f"{escape(answer.sentence(run, cells[0]))}\n\n" if cells else ""
    head = f"# What does one more test cost in the page free path?\n\n{said}"
    return Page(head + "\n".join(claims.lines(answers, markdown=True)) + "\n" + as_markdown(run, margin))
