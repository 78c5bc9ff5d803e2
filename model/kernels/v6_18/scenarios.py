"""The measured scenarios of v6.18: each is one line in `SCENARIOS`."""

from collections.abc import Sequence
from typing import Final

from model.kernels.kit.ladder import RUNGS
from model.kernels.modelled import Values, memory_sweep
from model.kernels.v6_18.image import KERNEL_NAME
from model.kernels.v6_18.modelled import VALUES
from model.vocabulary.scenario import Scenario, usual_scenario

USUAL: Final = usual_scenario(KERNEL_NAME)
"""The scenario of every machine with systemd: the memcg key is enabled. Page checks are off, by default."""
CHARGED: Final = USUAL.but(memcg="on-charged", page_kind="charged")
"""Accounted kernel memory, freed in a stream; for example pages of page tables."""
DRAINS: Final = USUAL.but(depth="full")
"""A stream of frees, with a drain of 2016 pages every 2016 frees."""


def quick_of(usual: Scenario) -> list[Scenario]:
    """Those of --quick.

    A distribution's kernel with the key enabled and disabled, one without memcg, one with the page checks.
    """
    return [
        usual,
        usual.but(memcg="on-idle"),
        usual.but(memcg="off", config="default"),
        usual.but(checks="on"),
    ]


def sweeps_of(usual: Scenario, values: Values) -> dict[str, Sequence[Scenario]]:
    """Axis -> the scenarios of `--sweep AXIS`, on v6.18 and on kernels like it."""
    charged = usual.but(memcg="on-charged", page_kind="charged")
    stocks, cgroups = values["stock"], values["cgroup"]
    return {
        "entry": [
            usual,
            *(usual.but(entry=entry) for entry in ("put_page", "folios_put_refs")),
            usual.but(block="compound-2"),
            usual.but(entry="kfree", block="compound-2"),
        ],
        "depth": [usual, usual.but(depth="full")],
        "block": [usual.but(block=block) for block in values["block"]],
        "stock": [usual, *(charged.but(stock=stock) for stock in stocks)],
        "levels": [charged.but(levels=levels) for levels in values["levels"]],
        "cgroup": [
            charged.but(cgroup=cgroup, stock=stock) for stock in ("hit", "cycle") for cgroup in cgroups
        ],
        "between": [usual.but(between=between) for between in values["between"]],
        "memory": memory_sweep(usual, values),
    }


def scenarios_of(usual: Scenario, values: Values) -> list[Scenario]:
    """All that is measured by default, on v6.18 and on kernels like it."""
    charged = usual.but(memcg="on-charged", page_kind="charged")
    return [
        *quick_of(usual),
        usual.but(config="default"),
        usual.but(memcg="on-idle", config="default"),
        usual.but(memcg="off", config="default", checks="on"),
        usual.but(memcg="on-idle", checks="on"),
        usual.but(page_kind="anon"),
        usual.but(page_kind="flagged"),
        *(usual.but(hvo=hvo) for hvo in values["hvo"] if hvo == "on"),
        usual.but(entry="put_page"),
        usual.but(entry="folios_put_refs"),
        usual.but(entry="kfree", block="compound-2"),
        usual.but(depth="full"),
        usual.but(block="order-3"),
        charged,
        charged.but(cgroup="v1"),
    ]


QUICK: Final = quick_of(USUAL)
SWEEPS: Final = sweeps_of(USUAL, VALUES)
SCENARIOS: Final = scenarios_of(USUAL, VALUES)
SWEEP_ARMS: Final = frozenset(
    {(name, "jump-label") for name in ("no-type-test", "memcg-off", "memcg-flag-first", "no-trylock")}
    | {(name, "none") for name in RUNGS}
)
"""Arms of a sweep beside base and the A/A control."""
NOT_QUICK: Final[frozenset[tuple[str, str | None]]] = frozenset({("stable", None)})
