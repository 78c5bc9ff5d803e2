"""`python -m results export FILE --format NAME`: a run in the format of another tool.

Values are ns per page; smaller is better. A tool that draws or lists values gets overheads over base. A tool
that divides or compares gets levels (ns per page of base and of every arm), since an overhead may be zero or
negative. docs/ci.md shows each tool.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from model.vocabulary.machine import identity, said_of
from results.analysis.groups import Analysis
from results.output.as_github_action_benchmark import github_action_benchmark
from results.output.as_junit import junit
from results.output.as_lnt import lnt
from results.output.as_otava import otava
from results.reading.dates import oldest_first
from results.reading.folder import runs_in, settings_of
from results.reading.load import BadRunError, Run, is_partial, load
from results.reading.machine import machine_of


def runs(path: str) -> list[Run]:
    """The run of a file, or all runs of a folder, oldest first.

    Raises
    ------
    BadRunError
        When there is none, or when there are several machines: none of these tools distinguishes machines.
    """
    folder = Path(path)
    if not folder.is_dir() or is_partial(path):
        run = load(path)
        if run.mixed:
            raise BadRunError(f"{path} mixes machines ({said_of(run.mixed)}): export a run of one machine")
        return [run]
    found = oldest_first(runs_in(folder))
    if not found:
        raise BadRunError(f"{path} holds no run")
    machines = {json.dumps([identity(machine_of(run)), settings_of(run)]) for run in found}
    if len(machines) > 1:
        raise BadRunError(
            f"{path} holds runs of {len(machines)} machines: export one machine's runs at a time"
        )
    return found


FORMATS: Final[dict[str, Callable[[Sequence[Analysis]], str]]] = {
    "github-action-benchmark": github_action_benchmark,
    "otava": otava,
    "lnt": lnt,
    "junit": junit,
}
"""Name that `--format` takes -> function that writes that format."""
