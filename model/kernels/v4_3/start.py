"""Start states for measuring: which pages are freed, in which order, and how they are restored."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.kernels.kit.start import ModelStart
from model.kernels.mix import FIRST_TAIL, HEAD, OTHER_TAIL
from model.kernels.page_array import BLOCK
from model.kernels.v4_3.machine import Machine
from model.kernels.v4_3.page import LRU, PG
from model.kernels.v4_3.zone import PCP_BATCH, PCP_HIGH, PCP_NEVER, Migratetype
from model.vocabulary.scenario import Scenario

RESIDENTS: Final = PCP_HIGH - PCP_BATCH
"""Pages on the per-CPU list at the start of `full`: as many as stay there once drains have begun."""


class StartState(ModelStart):
    """Pages of v4.3 in play: depth `pcp` never drains, `full` drains 31 pages on every 31st free."""

    machine: Machine
    references = "_count"
    drained_every = PCP_BATCH
    """Drain period at depth `full`, in frees."""

    def set_up(self, variant: str | None) -> None:
        """Every page of the scenario's kind, as this variant's kernel marks it."""
        scenario, memory = self.scenario, self.machine.memory
        if variant is not None:
            memory.fill(self.machine.template(scenario.page_kind, variant))
        self._charge(self.pages if scenario.page_kind == "charged" else 0)
        full = scenario.depth == "full"
        arena = memory.arenas[self.cpu]
        arena["pcp"][0]["high"] = PCP_HIGH if full else PCP_NEVER
        self.keep(arena, memory.restored, self._make_residents() if full else range(0))

    @staticmethod
    def pages_of_a_cpu(scenario: Scenario, pages: int) -> int:
        """Whole blocks of the largest order, so that no two CPUs have buddies."""
        extra = RESIDENTS if scenario.depth == "full" else 0
        return -(-(pages + extra) // BLOCK) * BLOCK

    def mark_compound(self, pages: npt.NDArray[Any]) -> None:
        """Flags of head and tails, and the order, which the first tail keeps."""
        pages["flags"][HEAD] |= np.uint64(PG.HEAD)
        pages["flags"][[FIRST_TAIL, OTHER_TAIL]] |= np.uint64(PG.TAIL)
        pages["lru_prev"][FIRST_TAIL] = self.scenario.block_order

    def freed(self) -> int | None:
        """As everywhere; None where the path ends before it counts."""
        return None if self.scenario.depth == "prepare" else super().freed()

    def _charge(self, pages: int) -> None:
        """Put the pages on the cgroup's counters, as charging them one by one would have."""
        group, memory = self.machine.charged, self.machine.memory
        swap = bool(memory.cpu["do_swap_account"])
        lowest = 0 if memory.memcg[group]["memory"]["parent"] else group
        for name in ("memory", "kmem") + (("memsw",) if swap else ()):
            for level in range(lowest, group + 1):
                memory.memcg[level][name]["count"] += pages
        memory.arenas[self.cpu]["css_refs"][0][group] += pages

    def _make_residents(self) -> range:
        """Link 155 freed pages into the per-CPU list, the last one freed first."""
        memory = self.machine.memory
        waiting = range(self.first + self.pages, self.first + self.pages + RESIDENTS)
        pages = memory.mem_map[waiting.start : waiting.stop]
        pages["_count"], pages["index"] = 0, Migratetype.MOVABLE
        pcp = memory.arenas[self.cpu]["pcp"][0]
        pcp["lists"][Migratetype.MOVABLE] = memory.chain(
            memory.pcp_list(Migratetype.MOVABLE, self.cpu), waiting, LRU
        )
        pcp["count"] = RESIDENTS
        return waiting
