"""Metadata in which the sessions of one file may differ though pyperf insists that they are equal.

pyperf refuses to put runs into one benchmark, and to read them back, when one of these differs. Sessions do
differ: a container has another host name each time, a kernel is updated, a virtual environment moves. Where
a value differs within a benchmark, each run stores it under another name, which pyperf does not compare.
"""

from collections.abc import Mapping
from typing import Any, Final

INSISTED_ON: Final = (
    "aslr",
    "cpu_count",
    "cpu_model_name",
    "hostname",
    "platform",
    "python_executable",
    "python_implementation",
    "python_unicode",
    "python_version",
)
"""Names that pyperf 2.10 insists on; and on `name`, `unit` and `inner_loops`, which define the values."""
PREFIX: Final = "process_"
OWN_NAMES: Final = {f"{PREFIX}{name}": name for name in INSISTED_ON}
"""Name in a file whose runs differ in it -> pyperf's name."""


def by_pyperfs_names(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of a run with every entry under pyperf's name."""
    if OWN_NAMES.keys().isdisjoint(metadata):
        return dict(metadata)
    return {OWN_NAMES.get(name, name): value for name, value in metadata.items()}
