"""Metadata in which the sittings of one file may differ though pyperf insists that they are equal.

pyperf refuses to put runs into one benchmark, and to read them back, when one of these differs. It knows of
no sittings: a container has another host name each time, a kernel is updated, a virtual environment moves.
Where it differs within a benchmark, each run has it under a name of its own, which pyperf does not look at.
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
"""By pyperf 2.10; and on `name`, `unit` and `inner_loops`, which say what the values mean."""
PREFIX: Final = "process_"
OWN_NAMES: Final = {f"{PREFIX}{name}": name for name in INSISTED_ON}
"""Name in a file whose runs differ in it -> pyperf's name."""


def by_pyperfs_names(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of a run with everything under the name that pyperf has for it."""
    return {OWN_NAMES.get(name, name): value for name, value in metadata.items()}
