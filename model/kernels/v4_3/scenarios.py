"""What of v4.3 is measured: a scenario is one line in `SCENARIOS`."""

from typing import Final

from model.vocabulary.scenario import AXES, DEFAULTS, MemcgState, Scenario

UNCHARGED: Final[tuple[MemcgState, ...]] = ("off", "disabled", "on-idle", "on-active")
"""Memcg states in which a plain page is the headline."""

PLAIN: Final = [Scenario(memcg) for memcg in UNCHARGED]
HEADLINE: Final = [*PLAIN, Scenario("on-charged", "charged")]
"""One scenario per memcg state."""

_ON_IDLE: Final = Scenario("on-idle")
QUICK: Final = [*HEADLINE, Scenario("on-idle", "flagged"), _ON_IDLE.but(checks="deferred")]
"""The headline, and what claims C2 and C5 need besides."""
SCENARIOS: Final = [
    *HEADLINE,
    Scenario("on-charged"),
    *(Scenario(memcg, "flagged") for memcg in UNCHARGED),
    *(Scenario(memcg, "anon") for memcg in ("off", "on-idle")),
    *(scenario.but(depth="prepare") for scenario in PLAIN[::2]),
    *(scenario.but(depth="full") for scenario in PLAIN[::2]),
    *(scenario.but(checks="deferred") for scenario in PLAIN[::2]),
    *(_ON_IDLE.but(entry=entry) for entry in AXES["entry"][1:]),
    *(
        _ON_IDLE.but(page_kind="flagged", share=share, spread=spread)
        for spread in AXES["spread"]
        for share in AXES["share"]
        if share != DEFAULTS["share"]
    ),
    *(
        _ON_IDLE.but(memory=memory, order=order, checks=checks)
        for memory in ("l2", "l3", "dram")
        for order in AXES["order"]
        for checks in AXES["checks"]
    ),
]

QUICK_ARMS: Final = frozenset(
    {
        ("base", None),
        ("base-twin", None),
        ("v1", None),
        ("v1-ifdef", "jump-label"),
        ("v1-ifdef", "none"),
        ("keyfirst", None),
        ("memcg-data", "jump-label"),
        ("memcg-data", "none"),
        ("nop", None),
        ("load", None),
        ("load-compare", None),
        ("load-compare-store", None),
    }
)
"""Variant and gate (None: every gate) of the quick run: twelve headline arms for a plain page."""
