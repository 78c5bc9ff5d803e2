"""The measured scenarios of v4.3: each is one line in `SCENARIOS`."""

from collections.abc import Mapping, Sequence
from typing import Final

from model.kernels.kit.ladder import RUNGS
from model.kernels.modelled import memory_sweep
from model.kernels.v4_3.image import KERNEL_NAME
from model.kernels.v4_3.modelled import VALUES
from model.vocabulary.scenario import MemcgState, PageKind, Scenario, usual_scenario

USUAL: Final = usual_scenario(KERNEL_NAME)
"""The scenario of almost all machines: key disabled, plain page, warm."""
UNCHARGED: Final[tuple[MemcgState, ...]] = ("off", "disabled", "on-idle", "on-active")
"""Memcg states whose headline is a plain page."""


def scenario_of(memcg: MemcgState, kind: PageKind = "plain") -> Scenario:
    """A scenario of this version."""
    return USUAL.but(memcg=memcg, page_kind=kind)


PLAIN: Final = [scenario_of(memcg) for memcg in UNCHARGED]
CHARGED: Final = scenario_of("on-charged", "charged")
HEADLINE: Final = [*PLAIN, CHARGED]
"""One scenario per memcg state."""

QUICK: Final = [*HEADLINE, scenario_of("on-idle", "flagged"), USUAL.but(checks="deferred")]
"""Scenarios of --quick: the headline, and those that claims C2 and C5 need."""
SWEEPS: Final[Mapping[str, Sequence[Scenario]]] = {
    "memcg": HEADLINE,
    "between": [USUAL.but(between=between) for between in VALUES["between"]],
    "share": [
        USUAL,
        *(
            USUAL.but(page_kind="flagged", share=share, spread=spread)
            for share in VALUES["share"]
            for spread in VALUES["spread"]
            if share != "100" or spread == "periodic"
        ),
    ],
    "memory": memory_sweep(USUAL, VALUES),
    "checks": [
        USUAL.but(checks=checks, depth=depth) for depth in ("pcp", "full") for checks in VALUES["checks"]
    ],
    "depth": [USUAL.but(depth=depth) for depth in VALUES["depth"]],
    "entry": [USUAL.but(entry=entry) for entry in VALUES["entry"]],
    "block": [
        USUAL.but(depth="full"),
        *(USUAL.but(block=block, depth="full") for block in VALUES["block"][1:]),
    ],
    "levels": [
        CHARGED.but(levels=levels, memsw=memsw) for memsw in VALUES["memsw"] for levels in VALUES["levels"]
    ],
    "memsw": [CHARGED.but(memsw=memsw) for memsw in VALUES["memsw"]],
    "backing": [
        USUAL.but(memory=memory, access="random", backing=backing)
        for memory in ("l3", "dram")
        for backing in VALUES["backing"]
    ],
    "threads": [
        scenario.but(threads=threads)
        for scenario in (USUAL, USUAL.but(depth="full"), CHARGED)
        for threads in VALUES["threads"]
    ],
}
"""Axis -> the scenarios of `--sweep AXIS`."""
FULL_SHARES: Final = ("1", "10", "50")
"""Shares of flagged pages in a full run; a sweep has more."""
SCENARIOS: Final = [
    *HEADLINE,
    scenario_of("on-charged"),
    *(scenario_of(memcg, "flagged") for memcg in UNCHARGED),
    *(scenario_of(memcg, "anon") for memcg in ("off", "on-idle")),
    *(scenario.but(depth="prepare") for scenario in PLAIN[::2]),
    *(scenario.but(depth="full") for scenario in PLAIN[::2]),
    *(scenario.but(checks=checks) for scenario in PLAIN[::2] for checks in ("deferred", "off")),
    *(USUAL.but(entry=entry) for entry in VALUES["entry"][1:]),
    *(
        USUAL.but(page_kind="flagged", share=share, spread=spread)
        for spread in VALUES["spread"]
        for share in FULL_SHARES
    ),
    *(
        USUAL.but(memory=memory, access=access, checks=checks)
        for memory in ("l2", "l3", "dram")
        for access in VALUES["order"]
        for checks in ("on", "deferred")
    ),
]

SWEEP_ARMS: Final = frozenset(
    {(name, gate) for name in ("v1", "v1-unlikely", "keyfirst") for gate in ("jump-label", "none")}
    | {(name, "none") for name in RUNGS}
)
"""Arms of a sweep beside base and the A/A control: v1, what was merged, and the ladder."""
NOT_QUICK: Final = frozenset(
    {("v1-series", None), ("v1-unlikely", None), ("single-branch", None), ("no-check", None)}
    | {("v1-ifdef", "memory-flag"), ("memcg-data", "memory-flag")}
)
"""Variant and gate (None: every gate) that --quick leaves out; a new variant is in it."""
