"""FILE.partial: names in the folder of an incomplete run, which measuring writes and results read."""

import re
from typing import Final

SUFFIX: Final = ".partial"
PLAN: Final = "plan.json"
"""The file that makes a folder an interrupted run."""
PLAIN: Final = ".plain.json"
"""End of the name of what pyperf alone measured: of a process here, and of --calibrate's second file."""
PROCESS: Final = re.compile(rf"([0-9]{{1,9}})-([0-9]{{1,9}})({re.escape(PLAIN)}|\.json)")
"""Name of a complete process: case, number, and its end."""
CLAIM: Final = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.claim")
"""Name of the empty file by which a process takes its number: case, number."""
WORDS: Final = "worker.err"
"""File with the latest worker's stderr."""


def process_stem(case: int, number: int) -> str:
    """Name of a process without its end."""
    return f"{case}-{number:04}"


def claim_name(case: int, number: int) -> str:
    """Name of the file that takes a number, as `CLAIM` matches it."""
    return f"{case}.{number}.claim"
