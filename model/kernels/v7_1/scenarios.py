"""The measured scenarios of v7.1: those of v6.18 that exist here, and its own questions."""

from collections.abc import Mapping, Sequence
from typing import Final

from model.kernels.v6_18 import scenarios as v6_18
from model.kernels.v7_1.image import KERNEL_NAME
from model.kernels.v7_1.modelled import VALUES
from model.vocabulary.scenario import Scenario, usual_scenario

USUAL: Final = usual_scenario(KERNEL_NAME)
"""The scenario of every machine with systemd: the memcg key is enabled."""
DRAINS: Final = USUAL.but(depth="full")
"""A stream of frees, with a drain of 2016 pages, in slices of 63, every 2016 frees."""
QUICK: Final = v6_18.quick_of(USUAL)
SWEEPS: Final[Mapping[str, Sequence[Scenario]]] = v6_18.sweeps_of(USUAL, VALUES)
SCENARIOS: Final = [
    *v6_18.scenarios_of(USUAL, VALUES),
    USUAL.but(block="order-9"),  # T10: the checks of a large block
    USUAL.but(memcg="on-charged", page_kind="charged", stock="taken"),
]
SWEEP_ARMS: Final = v6_18.SWEEP_ARMS | {(name, "jump-label") for name in ("no-private", "head-branch")}
"""Arms of a sweep beside base and the A/A control."""
NOT_QUICK: Final[frozenset[tuple[str, str | None]]] = frozenset({("whole-drain", None)})
"""Left out of the headline, where nothing is drained."""
