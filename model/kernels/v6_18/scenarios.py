"""The measured scenarios of v6.18: each is one line in `SCENARIOS`."""

from collections.abc import Mapping, Sequence
from typing import Final

from model.kernels.v6_18.image import KERNEL_NAME
from model.kernels.v6_18.modelled import VALUES
from model.vocabulary.scenario import Config, MemcgState, Scenario, usual_scenario

USUAL: Final = usual_scenario(KERNEL_NAME)
"""The scenario of every machine with systemd: the memcg key is enabled."""


def scenario_of(memcg: MemcgState, config: Config = "distribution") -> Scenario:
    """A plain page through the per-CPU list, the page checks off as they are by default."""
    return USUAL.but(memcg=memcg, config=config)


CHARGED: Final = USUAL.but(memcg="on-charged", page_kind="charged")
"""Accounted kernel memory, freed in a stream; for example pages of page tables."""
LARGE_KFREE: Final = USUAL.but(entry="kfree", block="compound-2")
DRAINS: Final = USUAL.but(depth="full")
"""A stream of frees, with a drain of 2016 pages every 2016 frees."""
QUICK: Final = [USUAL, scenario_of("on-idle"), scenario_of("off", "default"), USUAL.but(checks="on")]
"""Scenarios of --quick: a distribution's kernel with the key enabled and disabled, one without memcg, and one
with the page checks."""
SWEEPS: Final[Mapping[str, Sequence[Scenario]]] = {
    "entry": [
        USUAL,
        *(USUAL.but(entry=entry) for entry in ("put_page", "folios_put_refs")),
        USUAL.but(block="compound-2"),
        LARGE_KFREE,
    ],
    "depth": [USUAL, DRAINS],
    "block": [USUAL.but(block=block) for block in VALUES["block"]],
    "stock": [USUAL, *(CHARGED.but(stock=stock) for stock in VALUES["stock"])],
    "levels": [CHARGED.but(levels=levels) for levels in VALUES["levels"]],
    "cgroup": [
        CHARGED.but(cgroup=cgroup, stock=stock) for stock in ("hit", "cycle") for cgroup in VALUES["cgroup"]
    ],
    "between": [USUAL.but(between=between) for between in VALUES["between"]],
    "memory": [
        USUAL,
        *(
            USUAL.but(memory=memory, order=order)
            for memory in ("l2", "l3", "dram")
            for order in VALUES["order"]
        ),
    ],
}
"""Axis -> the scenarios of `--sweep AXIS`."""
SCENARIOS: Final = [
    *QUICK,
    scenario_of("on-active", "default"),
    scenario_of("on-idle", "default"),
    scenario_of("off", "default").but(checks="on"),
    scenario_of("on-idle").but(checks="on"),
    USUAL.but(page_kind="anon"),
    USUAL.but(page_kind="flagged"),
    USUAL.but(hvo="on"),
    USUAL.but(entry="put_page"),
    USUAL.but(entry="folios_put_refs"),
    LARGE_KFREE,
    DRAINS,
    USUAL.but(block="order-3"),
    CHARGED,
    CHARGED.but(cgroup="v1"),
]
SWEEP_ARMS: Final = frozenset(
    {(name, "jump-label") for name in ("no-type-test", "memcg-off", "memcg-flag-first", "no-trylock")}
    | {(name, "none") for name in ("nop", "load", "load-compare", "load-compare-store")}
)
"""Arms of a sweep beside base and the A/A control."""
NOT_QUICK: Final[frozenset[tuple[str, str | None]]] = frozenset()
