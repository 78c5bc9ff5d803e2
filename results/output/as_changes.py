"""Output of `compare`: text, Markdown, JSON, exit status."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from model.common.command import CANNOT_TELL
from model.vocabulary.formats import COMPARE
from results.analysis.change import Change, Side
from results.output.words import escape, number, pair

FINDINGS: Final = frozenset({"regressed", "changed"})
COUNTED: Final = frozenset({"unsure", "same"})
"""Verdicts whose rows a terminal shows as a count only."""
OTHER: Final = "not the same code in both"
OPEN: Final = frozenset({"missing", "unsure"})


def exit_status(changes: Sequence[Change], *, strict: bool = False) -> int:
    """1 on a finding; else 3 when `strict` and a row is missing or unsure; else 0."""
    verdicts = {change.verdict for change in changes}
    if verdicts & FINDINGS:
        return 1
    return CANNOT_TELL if strict and verdicts & OPEN else 0


def as_json(changes: Sequence[Change], *, strict: bool = False) -> str:
    """The document `freepath.compare/1`: docs/format-outputs.md."""
    rows = [
        {
            "cell": change.cell,
            "old": number(change.old),
            "new": number(change.new),
            "difference_ns": number(change.difference),
            "ci95_ns": pair(change.interval),
            "verdict": change.verdict,
            "detail": change.detail,
            "code": change.code,
            "condition": change.condition,
            **_units(change),
        }
        for change in changes
    ]
    document = {"schema": COMPARE, "changes": rows, "exit": exit_status(changes, strict=strict)}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _units(change: Change) -> dict[str, float | None]:
    """Cycles and slots of both sides, for JSON."""
    old, new = change.sides or (Side(None, None, None),) * 2
    return {
        "old_cycles": number(old.cycles),
        "new_cycles": number(new.cycles),
        "old_slots": number(old.slots),
        "new_slots": number(new.slots),
        "inserted_slots": number(new.inserted),
    }


def in_units(change: Change) -> str:
    """`+0.45 to +0.05 cycles, +2.7 to +0.3 slots (1 inserted)`; empty where neither is known."""
    if change.sides is None:
        return ""
    old, new = change.sides
    parts = [
        f"{before:+z.{digits}f} to {after:+z.{digits}f} {unit}"
        for before, after, unit, digits in (
            (old.cycles, new.cycles, "cycles", 2),
            (old.slots, new.slots, "slots", 1),
        )
        if before is not None and after is not None
    ]
    return ", ".join(parts) + (f" ({new.inserted:g} inserted)" if parts and new.inserted is not None else "")


def lines(
    changes: Sequence[Change], *, markdown: bool, everything: bool = False, units: bool = False
) -> Iterator[str]:
    """Rows that need attention, then a count; in Markdown short enough for a pull request.

    Parameters
    ----------
    everything
        Rows that are unsure or the same, too.
    units
        In cycles and dispatch slots, too: units in which two machines can be compared.
    """
    counts = {
        word: sum(change.verdict == word for change in changes)
        for word in dict.fromkeys(c.verdict for c in changes)
    }
    summary = ", ".join(f"{count} {word}" for word, count in counts.items()) or "no change at all"
    agreeing = [change.agrees for change in changes if change.agrees is not None]
    others = sum(change.code == "other" for change in changes)
    if others:
        rows = "1 row compares" if others == 1 else f"{others} rows compare"
        summary += f"; {rows} different code under one name"
    if agreeing:
        summary += f"; {sum(agreeing)} of {len(agreeing)} differences lie within their joint 95 % interval"
    counted = frozenset() if everything else {"same"} if markdown else COUNTED
    shown = [change for change in changes if change.verdict not in counted or change.code == "other"]
    if markdown:
        yield f"**freepath: {summary}**"
        if shown:
            yield from ("", "| cell | old | new | difference | verdict |", "|---|---:|---:|---:|---|")
            yield from (f"| {' | '.join(map(escape, columns(change)))} |" for change in shown)
        return
    for change in shown:
        cell, old, new, difference, verdict = columns(change)
        more = f"; {said}" if units and (said := in_units(change)) else ""
        yield f"{verdict:10} {cell}: {old} to {new}, {difference}{more}"
    if any(change.interval is not None for change in shown):
        yield "ns per page over base, at the old run's level; in brackets the corrected 95 % interval"
    yield summary + ("" if len(shown) == len(changes) else "; --all lists every row")


def columns(change: Change) -> tuple[str, ...]:
    """Cell, old, new, difference and verdict, as texts."""
    a_count = change.verdict == "changed"
    old, new = (
        "none" if value is None else f"{value:g}" if a_count else f"{value:+z.3f}"
        for value in (change.old, change.new)
    )
    if a_count or change.difference is None:
        return change.cell, old, new, change.detail, change.verdict
    interval = "" if change.interval is None else f" [{change.interval[0]:+z.3f}, {change.interval[1]:+z.3f}]"
    detail = "; ".join(filter(None, [change.detail, OTHER if change.code == "other" else ""]))
    difference = f"{change.difference:+z.3f}{interval} ns" + (f" ({detail})" if detail else "")
    return change.cell, old, new, difference, change.verdict
