"""The runs of a folder.

Other files beside them are ignored; a damaged run is named on standard error.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from model.common.streams import printable
from model.vocabulary.calibration import CHAIN
from model.vocabulary.machine import said_of
from model.vocabulary.partial_run import PLAN
from results.reading.load import BadRunError, NotARunError, Run, load
from results.reading.quiet import BUSY

REFERENCE: Final = Path(__file__).parents[1] / "reference"
"""Runs and censuses that are kept beside the published runs."""
SETTINGS: Final = ("store_bypass", "freepath_cpu", "numba")
"""Facts that a series shares beside its machine: processor settings and compiler."""


def settings_of(run: Run) -> dict[str, Any]:
    """Those that the run has; and a partner on the sibling, which files from before it cannot have."""
    beside = {"sibling": BUSY} if run.facts.get("sibling") == BUSY else {}
    return {name: run.facts[name] for name in SETTINGS if name in run.facts} | beside


def runs_in(folder: Path) -> Iterator[Run]:
    """Every run in a folder and below that measures the model, not the instrument, on one machine.

    A run that is damaged, interrupted or mixes machines is left out, with a line on standard error.

    Raises
    ------
    BadRunError
        When there is no folder.
    """
    if not folder.is_dir():
        raise BadRunError(f"{folder} is no folder of runs")
    for path in _files(folder):
        try:
            run = load(path)
        except NotARunError:
            continue  # census and figures lie beside the runs
        except BadRunError as error:
            _leave_out(str(error))
            continue
        arms = (arm for scenario in run.scenarios for arm in scenario.arms)
        if not any(arm.variant.startswith(CHAIN) for arm in arms) and _is_of_one_machine(run):
            yield run


def _files(folder: Path) -> list[Path]:
    """Files that may be runs; those of an interrupted run are not."""
    files = sorted(p for name in ("*.json", "*.json.gz") for p in folder.rglob(name) if p.is_file())
    partial = {path.parent for path in files if path.name == PLAN}
    for interrupted in sorted(partial):
        _leave_out(f"{interrupted} is a run that was interrupted")
    return [path for path in files if path.parent not in partial]


def _is_of_one_machine(run: Run) -> bool:
    """Whether its processes agree on machine and settings; prints in what they differ."""
    settings = {name: value for name in SETTINGS if isinstance(value := run.facts.get(name), tuple)}
    for what, values in (("machines", run.mixed), ("settings", settings)):
        if values:
            _leave_out(f"{run.path} mixes {what}: {said_of(values)}")
    return not (run.mixed or settings)


def _leave_out(reason: str) -> None:
    print(f"left out: {printable(reason)}", file=sys.stderr)
