"""`results show --format csv`: one line per cell, for a spreadsheet."""

import csv
import io
from typing import Any, Final

from results.analysis.conditions import CONDITIONS
from results.analysis.groups import Analysis
from results.output.as_json import document

IN_CONDITION: Final = ("overhead_ns", "ci95_ns", "base_ns", "processes", "verdict")
"""Columns for each condition of the core; the others are in the JSON."""


def as_csv(analysis: Analysis) -> str:
    """One line per cell; intervals as two columns."""
    rows = document(analysis)["cells"]
    stream = io.StringIO()
    flat = [_flat(row) for row in rows]
    writer = csv.DictWriter(stream, flat[0].keys() if flat else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return stream.getvalue()


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name in CONDITIONS:
            own = value or dict.fromkeys(IN_CONDITION)
            flat |= _flat({f"{name}_{part}": own[part] for part in IN_CONDITION})
        elif "ci95" in name:
            flat[f"{name}_low"], flat[f"{name}_high"] = value or ("", "")
        elif isinstance(value, list) or name == "levels_ns":
            flat[name] = " ".join(f"{item:g}" for item in value or () if item is not None)
        else:
            flat[name] = value
    return flat
