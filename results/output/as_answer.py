"""`python -m results answer FILE`: the answer of a run on one screen, to be forwarded.

The question is the mail's: what does the PageKmem test cost every page? The answer is `v1` with a jump label
over base, for a plain page, memcg present and its key disabled: the usual state of a machine in 2015. The
other memcg states and the later forms of the test stand below it.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from textwrap import wrap
from typing import Any, Final

from model.vocabulary.formats import ANSWER
from model.vocabulary.machine import said_of
from results.analysis import kernel_files
from results.analysis.answer import Line, of_2015, of_later
from results.analysis.conditions import SAID
from results.analysis.estimate import Overhead
from results.analysis.groups import Analysis
from results.analysis.texts import other_text
from results.analysis.verdict import Judgement
from results.claims.claim import Answer
from results.output import as_price_list
from results.output.as_json import cell_document
from results.output.words import run_facts
from results.reading.cpus import processor_line
from results.reading.load import Run

QUESTION: Final = "What does one PageKmem() test cost a page that is freed?"
WIDTH: Final = 79
TESTS: Final = 2
"""How many steps of a later kernel a review questioned: the first ones."""
WORDS: Final = {
    "costs": "the 2015 test costs",
    "saves": "the 2015 test saves",
    "negligible": "the 2015 test is negligible",
    "undecided": "this run cannot decide",
}
MAILS: Final = "Claims of the mails of 2015"
ASKED: Final = {
    MAILS: ("C1", "C2", "C3", "C4", "C5", "C6"),
    "Questions of v6.18": ("T1", "T2", "T3", "T4", "T5", "T6"),
    "Questions of v7.1": ("T7", "T8", "T9", "T10", "T11", "T12"),
}
"""What claims are about -> their numbers."""
VERBS: Final = {
    "holds": ("holds", "hold"),
    "fails": ("fails", "fail"),
    "undecided": ("is undecided", "are undecided"),
}


def sentence(run: Run, line: Line) -> str:
    """The answer in one sentence: number, interval, share of builds, processor."""
    overhead, judged = line.cell.overhead, line.cell.judgement
    interval = builds = ""
    if judged.ci95 is not None:
        interval = f", 95 % interval {judged.ci95[0]:+z.3f} to {judged.ci95[1]:+z.3f},"
    if overhead.spread.paying is not None and judged.verdict != "negligible":
        builds = f", in {overhead.spread.paying:.0%} of the builds{_by_noise(line)}"
    where = processor_line(run.facts)
    where += " with store bypass off" if run.facts.get("store_bypass") == "off" else ""
    condition = line.cell.condition
    where += f", {SAID[condition]}," if condition == "shared" or line.cell.other else ""
    number = f"{overhead.ns:+z.3f} ns{interval} on {overhead.bare_ns:.1f} ns{builds}"
    other = other_text(line.cell)
    other = f" {other[0].upper()}{other[1:]}." if other else ""
    return f"On {where} {WORDS[judged.verdict]}{_why(line)}: {number}.{other}"


def later_sentence(run: Run, kernel: str, rows: Sequence[Line]) -> str:
    """A later kernel's path in one sentence: its time per page, and what its first two steps change."""
    steps = [
        f"{line.about} {line.cell.overhead.ns:+z.3f} ns ({line.cell.judgement.verdict})"
        for line in rows[:TESTS]
    ]
    level = rows[0].cell.overhead.bare_ns
    return f"On {processor_line(run.facts)} a page of {kernel} takes {level:.1f} ns: {', '.join(steps)}."


def _by_noise(line: Line) -> str:
    """Share of builds that seem to pay in the A/A control."""
    twin = line.twin.overhead.spread.paying if line.twin else None
    return "" if twin is None else f" (A/A control: {twin:.0%})"


def _why(line: Line) -> str:
    """Why it is negligible or undecided, in brackets."""
    judged, more = line.cell.judgement, line.cell.seconds_needed
    if judged.verdict == "negligible":
        return f" (within {judged.margin_ns:.2f} ns either way)"
    if judged.verdict != "undecided":
        return ""
    if line.busy:
        return " (the core was neither alone nor beside a busy sibling for long: measure again)"
    if judged.detectable_ns is None:
        return ""
    seen = f"it would have seen {judged.detectable_ns:.2f} ns"
    return f" ({seen})" if more is None else f" ({seen}; {more:.0f} s more would settle it)"


def lines(analysis: Analysis, claims: Sequence[Answer]) -> Iterator[str]:
    """For a terminal of 80 columns."""
    run, rows = analysis.run, of_2015(analysis.groups)
    yield from as_price_list.lines(analysis.groups)
    if kernel_files.only_files(run):
        return
    yield QUESTION
    if rows:
        yield from wrap(sentence(run, rows[0]), WIDTH)
    else:
        yield "This run has no v1 for a plain page: measure with"
        yield "  python -m benchmarks --quick -o FILE"
    yield from chain.from_iterable(map(row, rows[1:]))
    judged = {
        about: f"{about}: {text}." for about, of in asked(claims).items() if (text := verdicts_text(of))
    }
    mails = judged.pop(MAILS, None)
    if mails:
        yield mails
    later = of_later(analysis.groups)
    for kernel, steps in later.items():
        level = steps[0].cell.overhead.bare_ns
        yield f"The {kernel} path, memcg key on, takes {level:.1f} ns; the difference"
        yield from chain.from_iterable(map(row, steps))
        if questions := judged.pop(f"Questions of {kernel}", None):
            yield questions
    yield from judged.values()
    yield from wrap(doubt(run, [*rows, *chain.from_iterable(later.values())]), WIDTH)


def row(line: Line) -> Iterator[str]:
    """Number, interval and verdict; below it the same in the other condition of the core, if it was there."""
    yield row_text(line.about, line.cell.overhead, line.cell.judgement)
    if line.cell.other:
        condition, judged = line.cell.other
        yield row_text(f"  {SAID[condition]}", judged.overhead, judged.judgement)


def row_text(about: str, overhead: Overhead, judged: Judgement) -> str:
    """Label, number, interval, verdict."""
    interval = "" if judged.ci95 is None else f"[{judged.ci95[0]:+z.3f}, {judged.ci95[1]:+z.3f}]"
    return f"  {about:29} {overhead.ns:+z.3f} {interval:18} {judged.verdict}"


def asked(claims: Sequence[Answer]) -> dict[str, list[Answer]]:
    """What claims are about -> those that were judged, also where that is none."""
    return {about: [claim for claim in claims if claim.id in ids] for about, ids in ASKED.items()}


def verdicts_text(claims: Sequence[Answer]) -> str:
    """`C1 C2 hold; C5 fails`; what was not measured is not undecided, and is left out."""
    parts = []
    claims = [answer for answer in claims if answer.evidence or answer.verdict != "undecided"]
    for verdict, (singular, plural) in VERBS.items():
        ids = [answer.id for answer in claims if answer.verdict == verdict]
        if ids:
            parts.append(f"{' '.join(ids)} {singular if len(ids) == 1 else plural}")
    return "; ".join(parts)


def doubt(run: Run, rows: Sequence[Line]) -> str:
    """Why the figures deserve caution, in one sentence; empty when there is no reason."""
    if run.mixed:
        return f"The file mixes machines ({said_of(run.mixed)}): its figures describe none of them."
    busy = [line.about for line in rows if line.busy]
    if busy:
        return f"Do not use {', '.join(busy)}: measured beside other work throughout. Measure again."
    shared = [line.about for line in rows if line.cell.condition == "shared"]
    if shared:
        return f"Too little was measured alone on the core: {', '.join(shared)}, {SAID['shared']}."
    used = [(line.cell.overhead.processes, len(line.cell.scenario.processes), line.about) for line in rows]
    least, total, about = min(used, key=lambda share: share[0] / share[1], default=(1, 1, ""))
    if least < total:
        return (
            f"The machine was busy: figures rest on as few as {least} of {total} processes ({about}); the "
            "others are set aside, alike for all arms. The intervals allow for that; a quiet machine narrows "
            "them."
        )
    return ""


def document(analysis: Analysis, claims: Sequence[Answer]) -> dict[str, Any]:
    """The same for programs, `freepath.answer/1`."""
    run, rows = analysis.run, of_2015(analysis.groups)
    later = chain.from_iterable(of_later(analysis.groups).values())
    return {
        "schema": ANSWER,
        "question": QUESTION,
        "answer": sentence(run, rows[0]) if rows else None,
        "processor": processor_line(run.facts),
        "doubt": doubt(run, rows) or None,
        "cells": [{"about": line.about, **cell_document(line.cell)} for line in (*rows, *later)],
        "claims": [{"id": answer.id, "verdict": answer.verdict} for answer in claims],
        "run": run_facts(run),
    }


def as_json(analysis: Analysis, claims: Sequence[Answer]) -> str:
    """The document as text."""
    return json.dumps(document(analysis, claims), indent=2, allow_nan=False) + "\n"
