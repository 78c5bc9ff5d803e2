"""What of v6.18 is measured: a scenario is one line in `SCENARIOS`."""

from collections.abc import Mapping, Sequence
from typing import Final

from model.kernels.v6_18.image import KERNEL_NAME
from model.vocabulary.scenario import AXES, Config, MemcgState, Scenario


def scenario_of(memcg: MemcgState, config: Config = "distribution") -> Scenario:
    """A plain page through the per-CPU list, the page checks off as they are by default."""
    return Scenario(memcg, checks="off", config=config, kernel=KERNEL_NAME)


USUAL: Final = scenario_of("on-active")
"""Every machine with systemd: the memcg key is on."""
QUICK: Final = [USUAL, scenario_of("on-idle"), scenario_of("off", "default"), USUAL.but(checks="on")]
"""The headline: a distribution's kernel with the key on and off, one without memcg, and the checks on."""
SWEEPS: Final[Mapping[str, Sequence[Scenario]]] = {
    "entry": [USUAL, USUAL.but(entry="put_page")],
    "between": [USUAL.but(between=between) for between in AXES["between"]],
    "memory": [
        USUAL,
        *(
            USUAL.but(memory=memory, order=order)
            for memory in ("l2", "l3", "dram")
            for order in AXES["order"]
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
]
SWEEP_ARMS: Final = frozenset(
    {(name, "jump-label") for name in ("no-type-test", "memcg-off", "memcg-flag-first", "no-trylock")}
    | {(name, "none") for name in ("nop", "load", "load-compare", "load-compare-store")}
)
"""What a sweep measures beside base and its copy."""
NOT_QUICK: Final[frozenset[tuple[str, str | None]]] = frozenset()
