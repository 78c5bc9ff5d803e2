"""The plan of a run, `plan.json` in its folder: a parent writes it, `--resume` and every worker read it."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final, TypedDict

from model.common.errors import FileError
from model.common.files import read_bounded
from model.vocabulary import formats
from model.vocabulary.partial_run import PLAN

MOST_BYTES: Final = 64 << 20


class Work(TypedDict):
    """Entry `work`: what workers are told beside pyperf's options and `seed`, `sources`, `own` and `code`."""

    cases: list[dict[str, Any]]
    """As `benchmarks.cases.from_plain` takes them."""
    context: dict[str, Any]
    """Metadata of every process of this sitting."""
    counts: dict[str, dict[str, dict[str, int]]]
    """Scenario -> arm -> what one free executes, of a kernel file."""
    scheme: dict[str, Any]
    cache: str
    cpu: str
    digest: str
    """Of the store: a worker's environment may differ."""
    files: list[dict[str, Any]]
    """As `benchmarks.kernel_files.add_again` takes them."""
    store_bypass: str
    raw: bool


def plan_in(folder: Path, sha256: str = "") -> dict[str, Any]:
    """The plan in the folder of a run, of this digest if one is given.

    Raises
    ------
    FileError
        When there is none, or it is damaged.
    """
    content = read_bounded(folder / PLAN, MOST_BYTES)
    try:
        plan = json.loads(content)
    except ValueError:
        plan = None
    other = sha256 and hashlib.sha256(content).hexdigest() != sha256
    if other or not isinstance(plan, dict) or plan.get("schema") != formats.PLAN:
        raise damaged(folder)
    return plan


def damaged(folder: Path) -> FileError:
    """The error that says so."""
    return FileError(f"{folder / PLAN} is damaged: the processes beside it can still be shown")
