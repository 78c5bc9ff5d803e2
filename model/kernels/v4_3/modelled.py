"""The modelled part of v4.3: the values of its axes, and which of them go together."""

from collections.abc import Iterator
from typing import Final

from model.kernels.modelled import ALONE, values
from model.vocabulary.scenario import Scenario

VALUES: Final = values(
    entry=("__free_pages", "put_page", "release_pages"),
    config=("default",),
    hvo=("off",),
    stock=("cycle",),
    cgroup=("v1",),
)
"""Axis -> its values on this version."""


def faults(scenario: Scenario) -> Iterator[str]:
    """Messages on values that do not go together."""
    kmem = scenario.page_kind in ("flagged", "charged")
    charged = scenario.page_kind == "charged"
    other = scenario.entry != "__free_pages"
    if charged and scenario.memcg != "on-charged":
        yield "page_kind=charged goes with memcg=on-charged"
    if charged and (scenario.mixed or scenario.depth == "prepare"):
        yield "page_kind=charged goes with share=100, and with depth=pcp or full"
    if not charged and (scenario.levels, scenario.memsw) != ("2", "off"):
        yield "axes levels and memsw go with page_kind=charged"
    if kmem and other:
        yield f"page_kind={scenario.page_kind} {ALONE}, not {scenario.entry}"
    if kmem and scenario.memory != "warm":
        yield f"page_kind={scenario.page_kind} goes with memory=warm: arms mark such pages differently"
    if scenario.depth == "prepare" and (other or scenario.between != "nothing" or scenario.threads != "1"):
        yield f"depth=prepare {ALONE}, between=nothing and threads=1"
    if scenario.block_order and (scenario.depth == "prepare" or scenario.entry == "release_pages"):
        yield f"block={scenario.block} goes with depth=pcp or full, and not with entry=release_pages"
    if scenario.block_order and scenario.entry == "put_page" and not scenario.compound:
        yield f"entry=put_page goes with block=page or a compound one, not {scenario.block}"
