"""`python -m results compare OLD NEW --html`: old against new as a page that can be forwarded."""

from collections.abc import Sequence
from typing import Any, Final

from model.vocabulary.machine import said
from plots.drawing import drawings
from plots.page import ENDINGS, Page, data_url, render
from results.analysis.change import Change
from results.analysis.groups import Analysis
from results.output import as_changes
from results.output.words import fact_texts
from results.reading.cpus import processor_line
from results.reading.dates import date_of, date_text, days_of
from results.reading.load import Run
from results.reading.machine import machine_of

STATUS: Final = {
    0: "no regression (exit status 0)",
    1: "a regression (exit status 1)",
    3: "some cells are missing or unsure (exit status 3, with --strict)",
}
CENSUS_STATUS: Final = {**STATUS, 0: "no count differs (exit status 0)", 1: "counts differ (exit status 1)"}
WORDS: Final = {
    "regressed": "regressed",
    "improved": "improved",
    "changed": "changed",
    "missing": "in one file only",
    "unsure": "unsure",
    "same": "the same",
}
NOTABLE: Final = ("regressed", "changed", "improved")
HEADINGS: Final = ("cell", "old, ns", "new, ns", "difference", "verdict")
FACTS: Final[tuple[str, ...]] = (
    "commit",
    "freepath_command",
    "numba",
    "python_version",
    "freepath_cpu",
    "store_bypass",
    "seed",
)


def of_runs(before: Analysis, after: Analysis, changes: Sequence[Change], *, strict: bool) -> Page:
    """Two runs of one machine, or of two."""
    old, new = before.run, after.run
    drawn = drawings("pair", ENDINGS, before.groups, after.groups, changes, new)
    sides = [_facts(old), _facts(new)]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    facts = [(name, *(side.get(name, "unknown") for side in sides)) for name in names]
    return render(
        "compare.html",
        drawn,
        **_content(changes, STATUS, strict=strict),
        about=f"{_said(old)}, against {_said(new)}",
        differing=[row for row in facts if row[1] != row[2]],
        alike=[row[:2] for row in facts if row[1] == row[2]],
        doubts=[f"{run.path}: {doubt}" for run in (old, new) for doubt in run.doubts],
    )


def of_census(changes: Sequence[Change], names: tuple[str, str], *, strict: bool) -> Page:
    """Two census files: exact counts, so any change is one."""
    content = _content(changes, CENSUS_STATUS, strict=strict)
    return render("compare.html", [], **content, about=f"{names[0]}, against {names[1]}: exact counts")


def _said(run: Run) -> str:
    commit = fact_texts(run).get("commit", "unknown")
    return f"{days_of(run)}, commit {commit}, on {processor_line(run.facts)}"


def _facts(run: Run) -> dict[str, str]:
    """Machine, compiler and command, as texts."""
    facts = fact_texts(run)
    known = {name: facts[name] for name in FACTS if name in facts}
    mixed = {name: said(values) for name, values in run.mixed.items()}
    about = {"date": date_text(date_of(run)), "processor": processor_line(run.facts)}
    return {**about, **machine_of(run), **mixed, **known}


def _content(changes: Sequence[Change], status: dict[int, str], *, strict: bool) -> dict[str, Any]:
    """The part that both kinds of page share."""
    code = as_changes.exit_status(changes, strict=strict)
    by = {word: [change for change in changes if change.verdict == word] for word in WORDS}
    counts = [f"{len(found)} {WORDS[word]}" for word, found in by.items() if found]
    return {
        "status": f"{status[code][0].upper()}{status[code][1:]}: {', '.join(counts) or 'no change at all'}.",
        "code": code,
        "headings": HEADINGS,
        "notable": [row for word in NOTABLE for row in _rows(by[word])],
        "missing": _rows(by["missing"]),
        "unsure": _rows(by["unsure"]),
        "same": _rows(by["same"]),
        "data": data_url(as_changes.as_json(changes, strict=strict).encode(), "application/json"),
    }


def _rows(changes: Sequence[Change]) -> list[tuple[str, ...]]:
    return [as_changes.columns(change) for change in changes]
