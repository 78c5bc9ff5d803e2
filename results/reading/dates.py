"""When a run was measured, in UTC.

A process stores its date with its zone: `2026-11-27 10:43:40.123456+00:00`. Older files have local
time without its zone. Such a date is read as UTC, off by that zone, and shown without "UTC".
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from model.common.streams import note
from results.reading.load import Run

ZONE: Final = "+00:00"
"""Suffix of a date that is known to be UTC."""
SECONDS: Final = len("2026-11-27 10:43:40")


def date_of(run: Run) -> str:
    """When the first process was measured: `2026-11-27 10:43:40.123456+00:00`; such texts sort by time.

    Without +00:00 where the file names no zone; empty where it has no date.
    """
    return min(_dates(run), default="")


def oldest_first(runs: Iterable[Run]) -> list[Run]:
    """Runs by date; says on standard error if some do not name their zone."""
    found = sorted(runs, key=date_of)
    say_zoneless(found)
    return found


def say_zoneless(runs: Iterable[Run]) -> None:
    """A line on standard error if dates have no zone and are read as UTC."""
    dates = [date for run in runs if (date := date_of(run))]
    number = sum(not date.endswith(ZONE) for date in dates)
    if number:
        note(f"{number} of {len(dates)} runs do not say which time zone their dates are of: read as UTC")


def utc_of(run: Run) -> datetime | None:
    """`date_of` as a moment; None where the run has no date."""
    date = date_of(run)
    return datetime.fromisoformat(date).replace(tzinfo=UTC) if date else None


def date_text(date: str) -> str:
    """A date of `date_of` as text: `2026-11-27 10:43:40 UTC`."""
    if not date:
        return "unknown date"
    return f"{date[:SECONDS]} {'UTC' if date.endswith(ZONE) else '(zone unknown)'}"


def days_of(run: Run) -> str:
    """The day, or the days, on which it was measured: `2026-11-27 to 2026-11-28 UTC`."""
    dates = sorted(_dates(run))
    if not dates:
        return "unknown date"
    days = list(dict.fromkeys(date[:10] for date in (dates[0], dates[-1])))
    return " to ".join(days) + (" UTC" if all(date.endswith(ZONE) for date in dates) else "")


def _dates(run: Run) -> Iterator[str]:
    """Of every process that has one, each in the form of `date_of`."""
    for scenario in run.scenarios:
        for process in scenario.processes:
            try:
                date = datetime.fromisoformat(str(process.facts["date"]))
                date = date if date.tzinfo is None else date.astimezone(UTC)
            except (KeyError, ValueError, OverflowError):
                continue  # untrusted text, or a moment before the year 1
            yield date.isoformat(" ", "microseconds")
