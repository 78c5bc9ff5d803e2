"""Every committed run, read and analysed once for the tests that ask all of them: it takes half a minute."""

from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from model.vocabulary.margin import Margin
from results.analysis import machines
from results.analysis.groups import Analysis, analysis_of
from results.kept import agreement, runs
from results.kept.agreement import Agreement, of_kept
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

    def noted(run: Run, margin: Margin) -> Analysis:
        analysis = analysis_of(run, margin)
        made[Path(run.path)] = [cell_document(cell) for group in analysis.groups for cell in group.cells]
        return analysis

    with patch.object(agreement, "analysis_of", noted):
        agreed = list(of_kept())
    for path in (*machines.FOLDER.glob(f"*/{machines.RUN}"), *(each.path for each in runs.kept())):
        if path not in made:
            noted(load(path), machines.MARGIN)
    return agreed, made
