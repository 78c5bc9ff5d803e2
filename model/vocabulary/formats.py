"""Names of the formats that are written; results/schemas/ describes each."""

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
