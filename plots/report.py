"""`python -m results report`: one page with its data inside, the answer first. No network, no script.

It begins as README does, in the same words: tests/test_documents.py compares them.
"""

import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

from model.vocabulary.machine import NAMES
from model.vocabulary.scenario import AXES
from plots.card import card
from plots.drawing import drawings
from plots.page import ENDINGS, Page, data_url, render
from results.analysis import answer, kernel_files
from results.analysis.groups import Analysis, Cell, Group
from results.analysis.texts import cell_text
from results.claims import judging
from results.claims.claim import Answer
from results.output import as_answer, as_claims, as_price_list
from results.output.as_csv import as_csv
from results.output.as_json import cell_document
from results.output.as_markdown import as_markdown
from results.output.words import (
    HEADINGS,
    escape,
    fact_texts,
    margin_text,
    noise_line,
    other_line,
    row_of,
    run_warnings,
    title_of,
)
from results.pages import overview
from results.reading.cpus import processor_line
from results.reading.dates import days_of

TITLE: Final = "What does one more test in the page free path cost?"
ASKED: Final = (
    "A patch proposed in September 2015 put one test, PageKmem(page), into the free path of every page. "
    'Andrew Morton: it "adds overhead to all kernels, even non-kmemcg and non-memcg kernels. Bad. '
    'Fixable?" The author, Vladimir Davydov, answered that a load and a comparison are negligible. The '
    "thread has no measurement. v6.17 (2025) added one more test to all kernels, without a figure."
)
VERSIONS: Final = f"{', '.join(AXES['kernel'][:-1])} and {AXES['kernel'][-1]}"
TOOL: Final = (
    f"freepath models __free_pages of one page, to the per-CPU list, in Linux {VERSIONS}, with "
    "static keys that are patched jumps, and times variants side by side in a tight loop. A figure is the "
    "mean over {builds} builds: the same code with other padding NOPs, since one compiled kernel may differ "
    "by more than the effect."
)
RULE: Final = (
    "negligible: the 90 % interval lies within {margin}. costs: it does not, and exceeds the A/A control; "
    "at margin: the interval holds the margin. undecided: neither."
)
TOOL_OF_FILES: Final = (
    "freepath cuts the free path out of a kernel file and times it with one thing changed, arm by arm, side "
    "by side. A figure is the mean over {builds} builds per CPU: the same code with other NOPs in it, since "
    "any one compiled kernel may differ by more than the effect."
)
NOT_A_KERNEL: Final = "A model, not a kernel"
NOT_BOOTED: Final = "The kernel was not booted"
LIMITS: Final = "user space, no cli, LLVM instead of gcc; a kernel executes 1.3 times the instructions"
ANSWER_HEADINGS: Final = ("ns per freed page", "mean, 95 % interval", "verdict")
OF_FILES: Final = "The price list of the free path of {names}, as compiled."
NO_ANSWER: Final = (
    "This run has neither v1 for a plain page nor a later kernel, so it has no answer; the tables show its "
    "arms."
)
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
"""Facts of the first process that the page shows."""


def as_html(analysis: Analysis, census: Path | None) -> Page:
    """The page."""
    drawn = drawings("run", ENDINGS, analysis.run, analysis.groups)  # runs while the rest is made
    content = _content(analysis, census)
    of_census = drawings("census", ENDINGS, judging.read_census(census))
    return render("report.html", [*drawn, *of_census], **content)


def _content(analysis: Analysis, census: Path | None) -> dict[str, Any]:
    run, groups = analysis.run, analysis.groups
    floors = [group.floor_ns for group in groups if group.floor_ns is not None]
    facts = fact_texts(run)
    conditions = run.scenarios[0].processes[0].facts
    machine = {name: facts[name] for name in SHOWN if name in facts}
    rows, later = answer.of_2015(groups), answer.of_later(groups)
    answers = judging.answers(analysis, census)
    return {
        "title": TITLE,
        **_first_screen(analysis),
        "asked_of_it": _asked(answers),
        "facts": facts,
        "processor": processor_line(run.facts),
        "machine": machine | {name: conditions[name] for name in CONDITIONS if name in conditions},
        "date": days_of(run),
        "margin": f"{min(g.cells[0].judgement.margin_ns for g in groups):.2f} ns" if groups else "unknown",
        "floor": f"{max(floors):.3f} ns" if floors else "not measured",
        "others": _others(rows, later),
        "doubt": as_answer.doubt(run, [*rows, *chain.from_iterable(later.values())]),
        "answers": answers,
        "doubts": [*run_warnings(run), *_doubts(groups)],
        "stories": {v: story for scenario in run.scenarios for v, story in scenario.stories.items()},
        "headings": HEADINGS,
        "groups": [
            {
                "title": title_of(group),
                "rows": [_row(cell) for cell in group.cells],
                "other": next(other_line(group), ""),
                "noise": noise_line(group),
            }
            for group in groups
        ],
        "data": data_url(gzip.compress(as_csv(analysis).encode(), mtime=0), "application/gzip"),
        "card": data_url(card(analysis), "image/png") if rows else None,
    }


def _first_screen(analysis: Analysis) -> dict[str, Any]:
    """The question, the answer in a sentence, README's table of it, and the rule of a verdict."""
    run, groups = analysis.run, analysis.groups
    rows, later = answer.of_2015(groups), answer.of_later(groups)
    cells = [cell for group in groups for cell in group.cells]
    builds = max((len(cell.overhead.spread.differences) for cell in cells), default=0)
    sentences = [as_answer.later_sentence(run, *each) for each in later.items()]
    said = as_answer.sentence(run, rows[0]) if rows else next(iter(sentences), NO_ANSWER)
    files = kernel_files.only_files(run)
    if files:
        said = OF_FILES.format(names=" and ".join(dict.fromkeys(g.scenario.axes["kernel"] for g in groups)))
    return {
        "asked": ASKED,
        "not_a_kernel": NOT_BOOTED if files else NOT_A_KERNEL,
        "limits": as_price_list.LIMITS.rstrip(".") if files else LIMITS,
        "tool": (TOOL_OF_FILES if files else TOOL).format(builds=f"{builds:,}"),
        "answer": said,
        "answer_headings": ANSWER_HEADINGS,
        "answer_rows": list(overview.of_run([cell_document(cell) for cell in cells])),
        "rule": RULE.format(margin=margin_text(analysis.margin)),
    }


def _asked(answers: Sequence[Answer]) -> str:
    """What the claims answer, as a heading; empty where the run has none."""
    asked = [about for about, judged in as_answer.asked(answers).items() if judged]
    return " and ".join([*asked[:1], *(what[0].lower() + what[1:] for what in asked[1:])])


def _others(rows: Sequence[answer.Line], later: Mapping[str, list[answer.Line]]) -> list[tuple[str, ...]]:
    """The other memcg states and forms: rows that README's table lacks."""
    above = {(row.scenario, row.variant) for rows in overview.ROWS.values() for row in rows}
    lines = [(line, "") for line in rows]
    lines += [(line, f"{kernel} ") for kernel, steps in later.items() for line in steps]
    return [
        (f"{kernel}{line.about}", *overview.cost_of(cell_document(line.cell), left_out=False))
        for line, kernel in lines
        if (line.cell.scenario.name, line.cell.overhead.arm.variant) not in above
    ]


def _row(cell: Cell) -> dict[str, Any]:
    """A row with a name to link to, and its figures in words as a tooltip."""
    overhead, judged = cell.overhead, cell.judgement
    builds = len(overhead.spread.differences)
    return {
        "id": anchor(cell),
        "texts": row_of(cell),
        "title": f"{cell.scenario.name}: {cell_text(cell)}; base {overhead.base_ns:.3f} ns, "
        f"{overhead.processes} processes, {builds} builds, margin {judged.margin_ns:.3f} ns",
    }


def anchor(cell: Cell) -> str:
    """Fragment of a link to an arm: letters, digits and hyphens of scenario and arm."""
    return re.sub(r"\W+", "-", f"arm-{cell.scenario.name}-{cell.overhead.arm.name}").strip("-")


def _doubts(groups: Sequence[Group]) -> Iterator[str]:
    """Warnings, each with its scenarios."""
    about: dict[str, list[str]] = {}
    for group in groups:
        for warning in group.warnings:
            about.setdefault(warning, []).append(group.scenario.name)
    for warning, names in about.items():
        yield f"{warning} ({', '.join(names) if len(names) < len(groups) else 'every scenario'})"


def as_text(analysis: Analysis, census: Path | None) -> Page:
    """The same as Markdown, without figures."""
    answers = judging.answers(analysis, census)
    first = _first_screen(analysis)
    rows = [first["answer_headings"], ("---",) * 3, *(map(escape, row) for row in first["answer_rows"])]
    parts = [
        f"# {TITLE}",
        escape(first["asked"]),
        escape(first["answer"]),
        "\n".join(f"| {' | '.join(row)} |" for row in rows),
        escape(first["rule"]),
        f"**{first['not_a_kernel']}**: {first['limits']}.",
        "\n".join(as_claims.lines(answers, markdown=True)),
        as_markdown(analysis),
    ]
    return Page("\n\n".join(parts))
