"""Dates of processes: UTC, with the zone, which pyperf leaves out of the local time that it stores."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psutil
import pyperf


def moments(began: datetime, facts: Mapping[str, Any]) -> dict[str, str]:
    """`date` and `boot_time` in place of pyperf's; it takes the moment for `date` in which a process ends.

    Parameters
    ----------
    began
        When the process did, in UTC.
    facts
        pyperf's metadata: a boot time that it could not read is not read again.
    """
    known = {"date": began}
    if "boot_time" in facts:
        known["boot_time"] = datetime.fromtimestamp(psutil.boot_time(), UTC)
    return {name: moment.isoformat(" ") for name, moment in known.items()}


def dated_like(before: pyperf.BenchmarkSuite, more: pyperf.BenchmarkSuite) -> pyperf.BenchmarkSuite:
    """Processes that are to join a file, with dates of the kind that it has.

    pyperf cannot compare a date that has a zone with one that has none. Where a file has some of the older
    kind, which are read as UTC, those that join it are UTC without saying so.
    """
    if not any(_is_zoneless(run) for bench in before for run in bench.get_runs()):
        return more
    return pyperf.BenchmarkSuite(
        [pyperf.Benchmark([_without_zone(run) for run in bench.get_runs()]) for bench in more]
    )


def _is_zoneless(run: pyperf.Run) -> bool:
    try:
        return datetime.fromisoformat(run.get_metadata()["date"]).tzinfo is None
    except (KeyError, ValueError):
        return False


def _without_zone(run: pyperf.Run) -> pyperf.Run:
    facts = run.get_metadata()
    facts["date"] = facts["date"].removesuffix("+00:00")
    return pyperf.Run(run.values, warmups=run.warmups, metadata=facts, collect_metadata=False)
