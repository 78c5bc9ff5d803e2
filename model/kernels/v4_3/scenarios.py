"""What of v4.3 is measured: a scenario is one line in `SCENARIOS`."""

from typing import Final

from model.kernels.v4_3.image import KERNEL_NAME
from model.vocabulary.scenario import AXES, DEFAULTS, MemcgState, PageKind, Scenario

UNCHARGED: Final[tuple[MemcgState, ...]] = ("off", "disabled", "on-idle", "on-active")
"""Memcg states in which a plain page is the headline."""


def scenario_of(memcg: MemcgState, kind: PageKind = "plain") -> Scenario:
    """A scenario of this version."""
    return Scenario(memcg, kind, kernel=KERNEL_NAME)


PLAIN: Final = [scenario_of(memcg) for memcg in UNCHARGED]
HEADLINE: Final = [*PLAIN, scenario_of("on-charged", "charged")]
"""One scenario per memcg state."""

USUAL: Final = scenario_of("on-idle")
"""Where almost all kernels were."""
QUICK: Final = [*HEADLINE, scenario_of("on-idle", "flagged"), USUAL.but(checks="deferred")]
"""The headline, and what claims C2 and C5 need besides."""
SCENARIOS: Final = [
    *HEADLINE,
    scenario_of("on-charged"),
    *(scenario_of(memcg, "flagged") for memcg in UNCHARGED),
    *(scenario_of(memcg, "anon") for memcg in ("off", "on-idle")),
    *(scenario.but(depth="prepare") for scenario in PLAIN[::2]),
    *(scenario.but(depth="full") for scenario in PLAIN[::2]),
    *(scenario.but(checks="deferred") for scenario in PLAIN[::2]),
    *(USUAL.but(entry=entry) for entry in AXES["entry"][1:]),
    *(
        USUAL.but(page_kind="flagged", share=share, spread=spread)
        for spread in AXES["spread"]
        for share in AXES["share"]
        if share != DEFAULTS["share"]
    ),
    *(
        USUAL.but(memory=memory, order=order, checks=checks)
        for memory in ("l2", "l3", "dram")
        for order in AXES["order"]
        for checks in AXES["checks"]
    ),
]

NOT_QUICK: Final = frozenset(
    {("v1-series", None), ("v1-ifdef", "memory-flag"), ("memcg-data", "memory-flag")}
)
"""Variant and gate (None: every gate) that the quick run goes without; a new variant is in it."""
