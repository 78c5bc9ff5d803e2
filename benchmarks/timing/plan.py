"""The plan of a run, `plan.json` in its folder: a parent writes it, `--resume` and every worker read it."""

import json
from pathlib import Path
from typing import Any, Final, TypedDict

from model.common.errors import FileError
from model.common.files import read_bounded
from model.vocabulary import formats
from model.vocabulary.partial_run import PLAN

MOST_BYTES: Final = 64 << 20


class Work(TypedDict):
    """What workers are told, entry `work`: all but pyperf's options and the number of their case.

    Beside it they read `seed`, `sources`, `own` (user variants) and `code` (SHA-256 of each image).

    Attributes
    ----------
    cases
        What is measured, as `benchmarks.cases.from_plain` takes it.
    context
        Metadata of every process of this sitting.
    counts
        Scenario, arm -> what one free executes, of a kernel file.
    scheme
        Arguments of `Scheme`.
    cache, cpu, digest
        Of the store: a worker's environment may differ.
    files
        Kernel files, as `benchmarks.kernel_files.add_again` takes them.
    raw
        Whether every slice is kept.
    """

    cases: list[dict[str, Any]]
    context: dict[str, Any]
    counts: dict[str, dict[str, dict[str, int]]]
    scheme: dict[str, Any]
    cache: str
    cpu: str
    digest: str
    files: list[dict[str, Any]]
    store_bypass: str
    raw: bool


def plan_in(folder: Path) -> dict[str, Any]:
    """The plan in the folder of a run.

    Raises
    ------
    FileError
        When there is none, or it is damaged.
    """
    try:
        plan = json.loads(read_bounded(folder / PLAN, MOST_BYTES))
    except ValueError:
        plan = None
    if not isinstance(plan, dict) or plan.get("schema") != formats.PLAN:
        raise damaged(folder)
    return plan


def damaged(folder: Path) -> FileError:
    """The error that says so."""
    return FileError(f"{folder / PLAN} is damaged: the processes beside it can still be shown")
