"""--calibrate measures the instrument: its false differences, its intervals, and a known cost.

Three paired cases and one plain one, each in a scenario of its own:

`off`       arms whose code is base's, byte for byte, and NOPs of 1 to 9 bytes, which take the same slot but
            shift what follows: every difference between like arms is a false one
`on-idle`   base, the A/A control and v1: the width of the interval after half a minute
`disabled`  chains of k dependent additions: the known cost must be measured
plain       base and v1 one after the other, as pyperf alone would measure them, for as long
"""

from typing import Final

from benchmarks.cases import Case
from model.kernels import kernel_called
from model.vocabulary.calibration import ALIKE, CHAIN, HALF_MINUTE, KNOWN_COST, NOP_BYTES, NULL, SESSION
from model.vocabulary.scenario import Arm, Scenario

SESSIONS: Final = 42
"""A/A sessions of twelve intervals each: 504 in all; tests/test_coverage.py simulates more."""
VALUES: Final = 3
"""Values per process of a session: few, since the number of sessions takes the time."""
HALF_MINUTE_PROCESSES: Final = 24
HALF_MINUTE_VALUES: Final = 32
"""Values of processes that take about 30 s in all; with eight values most of it would be their start."""
PLAIN: Final = 20
CHAINS: Final = 8


def family(prefix: str) -> tuple[Arm, ...]:
    """Arms of one family of the calibration."""
    return tuple(
        Arm(name, "none")
        for name in kernel_called(Scenario("off").kernel).calibration
        if name.startswith(prefix)
    )


def calibration_cases() -> list[Case]:
    """What `--calibrate` measures."""
    chains = (Arm("base", "none"), Arm("base-twin", "none"), *family(CHAIN))
    compared = (Arm("base", "none"), Arm("base-twin", "none"), Arm("v1", "jump-label"))
    null = (*(Arm(name, "none") for name in ("base", *NULL)), *family(NOP_BYTES))
    return [
        Case(Scenario(ALIKE), null, processes=SESSION * SESSIONS, values=VALUES),
        Case(Scenario(HALF_MINUTE), compared, processes=HALF_MINUTE_PROCESSES, values=HALF_MINUTE_VALUES),
        Case(Scenario(KNOWN_COST), chains, processes=CHAINS),
        *(
            Case(Scenario(HALF_MINUTE), (arm,), processes=PLAIN, pyperf_alone=True)
            for arm in (compared[0], compared[2])
        ),
    ]
