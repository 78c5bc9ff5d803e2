"""Merge complete processes into one pyperf suite, every process once."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyperf

from benchmarks.commit import DIRTY, UNKNOWN
from model.common.errors import FileError
from model.common.files import read_bounded
from model.vocabulary.formats import MOST_BYTES
from model.vocabulary.sittings import OWN_NAMES, by_pyperfs_names


def collect(files: Iterable[Path]) -> pyperf.BenchmarkSuite:
    """The processes of these files in one suite.

    Raises
    ------
    FileError
        When a file cannot be read, or there is none.
    """
    suites = [load_suite(path) for path in files]
    if not suites:
        raise FileError("no process was measured")
    return join(suites)


def join(suites: Iterable[pyperf.BenchmarkSuite]) -> pyperf.BenchmarkSuite:
    """The benchmarks of several suites, each with the runs of all; a process that is there twice counts once.

    pyperf's own `add_runs` refuses runs from another host, kernel or Python (`model.vocabulary.sittings`).

    Raises
    ------
    FileError
        When runs of one name are in other units, or of another number of pages.
    """
    runs: dict[str, list[pyperf.Run]] = {}
    known: set[Any] = set()
    for suite in suites:
        for bench in suite:
            new = [run for run in bench.get_runs() if run.get_metadata().get("pair_id") not in known]
            if new:
                runs.setdefault(bench.get_name(), []).extend(new)
        known |= pair_ids(suite)
    try:
        return pyperf.BenchmarkSuite([pyperf.Benchmark(_agreeing(of_name)) for of_name in runs.values()])
    except ValueError as error:
        raise FileError(f"these processes cannot be in one file: {error}") from None


def _agreeing(runs: Sequence[pyperf.Run]) -> list[pyperf.Run]:
    """Runs of one benchmark; facts that differ, though pyperf insists on equal ones, get names of our own."""
    metadata = [by_pyperfs_names(run.get_metadata()) for run in runs]
    own = {
        name: own
        for own, name in OWN_NAMES.items()
        if any(facts.get(name) != metadata[0].get(name) for facts in metadata)
    }
    return [
        pyperf.Run(
            run.values,
            warmups=run.warmups,
            metadata={own.get(name, name): value for name, value in facts.items()},
            collect_metadata=False,
        )
        for run, facts in zip(runs, metadata, strict=True)
    ]


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
