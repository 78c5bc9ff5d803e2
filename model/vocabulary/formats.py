"""Names of the formats, which results/schemas/ describes, and limits that their writers and readers share."""

from typing import Final

ANSWER: Final = "freepath.answer/1"
CALIBRATION: Final = "freepath.calibration/1"
CENSUS: Final = "freepath.census/1"
CLAIMS: Final = "freepath.claims/1"
COMPARE: Final = "freepath.compare/1"
HISTORY: Final = "freepath.history/1"
MACHINE: Final = "freepath.machine/1"
MACHINES: Final = "freepath.machines/1"
PLAN: Final = "freepath.plan/1"
RUN: Final = "freepath.run/1"
SHOW: Final = "freepath.show/1"

INSTRUMENT: Final = "schedule-1"
"""How times were taken: the schedule of a build is one call, and neighbours are compared (decision 6).
Runs of two instruments are never averaged."""
OLDER_INSTRUMENT: Final = "slices-1"
"""Of runs from before it was stored: Python called each slice, and the faster half counted."""

MOST_BYTES: Final = 256 << 20
"""Largest size in bytes of a file that is read, unpacked: a larger one could fill the reader's memory."""
MOST_SEED: Final = 10**18
"""Largest seed of a run that is read: below 2^63, so that every reader of JSON can hold it."""
MOST_TIMES: Final = 1 << 20
"""Characters of a list of times in the metadata of a run that is read."""

NO_SETTINGS: Final = "none"
"""Compiler settings of a run that has none, or is from before they were stored."""
