"""Every committed run, read and analysed once for the tests that ask all of them: it takes half a minute."""

from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from results import agreement, kept, machines
from results.agreement import Agreement, of_kept
from results.analysis.groups import analyse
from results.output.as_json import cell_document
from results.reading.load import Run, load


def agreements() -> list[Agreement]:
    """What `agreement.of_kept` says."""
    return _read()[0]


def cells() -> dict[Path, list[dict[str, Any]]]:
    """Every cell of every published or kept run, as `results show --format json` has it."""
    return _read()[1]


@cache
def _read() -> tuple[list[Agreement], dict[Path, list[dict[str, Any]]]]:
    made: dict[Path, list[dict[str, Any]]] = {}

    def noted(path: Path) -> Run:
        run = load(path)
        groups = analyse(run, machines.MARGIN)  # it keeps the last two, which is a pair
        made[path] = [cell_document(cell) for group in groups for cell in group.cells]
        return run

    with patch.object(agreement, "load", noted):
        agreed = list(of_kept())
    for path in (*machines.FOLDER.glob(f"*/{machines.RUN}"), *(each.path for each in kept.kept())):
        if path not in made:
            noted(path)
    return agreed, made
