"""The modelled part of v6.18: the values of its axes, and which of them go together."""

from collections.abc import Iterator
from typing import Final

from model.kernels.modelled import ALONE, values
from model.vocabulary.scenario import Scenario

VALUES: Final = values(
    memcg=("off", "on-idle", "on-active", "on-charged"),
    depth=("pcp", "full"),
    checks=("on", "off"),
    entry=("__free_pages", "put_page", "folios_put_refs", "kfree"),
    threads=("1",),
    levels=("2", "3", "4"),
    memsw=("off",),
    stock=("cycle", "hit", "miss", "taken", "overflow"),
)
"""Axis -> its values on this version."""


def faults(scenario: Scenario) -> Iterator[str]:
    """Messages on values that do not go together."""
    other = scenario.entry != "__free_pages"
    charged = scenario.page_kind == "charged"
    if charged != (scenario.memcg == "on-charged"):
        yield "page_kind=charged and memcg=on-charged go together"
    if charged and (other or scenario.mixed):
        yield f"page_kind=charged {ALONE} and share=100"
    if charged and scenario.stock != "cycle" and scenario.memory != "warm":
        yield f"stock={scenario.stock} goes with memory=warm"
    if not charged and (scenario.stock, scenario.levels) != ("cycle", "2"):
        yield "axes stock and levels go with page_kind=charged"
    if scenario.entry == "kfree" and not scenario.compound:
        yield "entry=kfree goes with compound blocks: large kmallocs are compound pages"
    if scenario.entry in ("put_page", "folios_put_refs") and scenario.block_order:
        yield f"entry={scenario.entry} goes with block=page"
