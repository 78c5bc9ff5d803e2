"""What tests ask of all committed runs, each of which is read once: that takes a quarter of a minute."""

from functools import cache
from pathlib import Path
from typing import Any

from results.analysis import machines
from results.kept import runs
from results.kept.agreement import Agreement, of_kept
from results.kept.analysed import analysed
from results.output.as_json import cell_document


@cache
def agreements() -> list[Agreement]:
    """What `agreement.of_kept` says."""
    return list(of_kept())


@cache
def cells() -> dict[Path, list[dict[str, Any]]]:
    """Every cell of every published or kept run, as `results show --format json` has it."""
    paths = (*machines.FOLDER.glob(f"*/{machines.RUN}"), *(each.path for each in runs.kept()))
    return {
        path: [cell_document(cell) for group in analysed(path).groups for cell in group.cells]
        for path in paths
    }
