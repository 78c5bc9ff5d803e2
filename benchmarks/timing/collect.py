"""Merge complete processes into one pyperf suite, every process once."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyperf

from benchmarks.conditions import DIRTY, UNKNOWN
from model.common.errors import FileError
from model.common.files import read_bounded

MOST_BYTES = 256 << 20


def collect(files: Iterable[Path], into: pyperf.BenchmarkSuite | None = None) -> pyperf.BenchmarkSuite:
    """Add the processes of these files to a suite; one that is in it already is not added again.

    Raises
    ------
    FileError
        When a file does not read, or there is nothing.
    """
    known = pair_ids(into)
    for path in files:
        more = load_suite(path)
        if into is None:
            into = more
        elif not pair_ids(more) & known:
            into.add_runs(more)
    if into is None:
        raise FileError("no process was measured")
    return into


def load_suite(path: Path) -> pyperf.BenchmarkSuite:
    """A pyperf file, packed or not whatever its name is.

    Raises
    ------
    FileError
    """
    try:
        return pyperf.BenchmarkSuite.loads(read_bounded(path, MOST_BYTES).decode())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FileError(f"{path} is damaged: pyperf cannot read it") from None


def dumps(suite: pyperf.BenchmarkSuite) -> str:
    """The suite as pyperf writes it."""
    text = io.StringIO()
    suite.dump(text)
    return text.getvalue()


def pair_ids(suite: pyperf.BenchmarkSuite | None) -> set[Any]:
    """Processes that a suite holds."""
    return {run.get_metadata().get("pair_id") for bench in suite or () for run in bench.get_runs()} - {None}


def mark_dirty(suite: pyperf.BenchmarkSuite, began: str) -> None:
    """Let the runs of a session whose sources were changed meanwhile say so.

    Parameters
    ----------
    began
        Its commit when it began.
    """
    if began != UNKNOWN and not began.endswith(DIRTY):
        for bench in suite:
            bench.update_metadata({"commit": began + DIRTY})
