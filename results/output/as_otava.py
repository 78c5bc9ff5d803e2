"""`python -m results export --format otava`: levels of each run of a folder, ns per page."""

import csv
import io
from collections.abc import Sequence

from model.common.streams import note
from results.analysis.groups import Analysis, Group
from results.output.levels import commit_of, levels, time_of
from results.reading.load import BadRunError


def otava(found: Sequence[Analysis]) -> str:
    """Apache Otava, test of type `csv`: a row per run, oldest first, a column for base and for each arm.

    Values are levels, since Otava divides a change by the level before it; a negative one would turn the
    sign. Rows are in the order of time, since Otava does not sort them. Only series that every run has are
    written, since one missing cell stops the analysis; the others are named on standard error.

    A column's name has letters, digits and underscores only, so that Otava's configuration can name it.

    Raises
    ------
    BadRunError
        When the runs have no series in common.
    """
    timed = ((time_of(each.run), each.run, _row(each.groups)) for each in found)
    rows = sorted(timed, key=lambda row: row[0])
    columns = dict.fromkeys(name for *_, row in rows for name in row)
    lacking = {name: [run.path for _, run, row in rows if name not in row] for name in columns}
    whole = [name for name, paths in lacking.items() if not paths]
    if not whole:
        raise BadRunError("the runs have no series in common: export those of one command at a time")
    for name, paths in lacking.items():
        if paths:
            others = f" and {len(paths) - 1} of the others" if len(paths) > 1 else ""
            note(f"left out {name}: it is not in {paths[0]}{others}")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["time", "commit", *whole])
    for time, run, row in rows:
        writer.writerow([time, commit_of(run), *(row[name] for name in whole)])
    return stream.getvalue()


def _row(groups: Sequence[Group]) -> dict[str, float]:
    return {_column(f"{scenario}: {arm}"): level for scenario, arm, level in levels(groups)}


def _column(name: str) -> str:
    return "".join(char if char.isalnum() else "_" for char in name).strip("_")
