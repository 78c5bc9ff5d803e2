"""Start states for measuring v7.1: v6.18's, but for tail pages, and for pages of several cgroups."""

import numpy as np
import numpy.typing as npt

from model.kernels.loop_record import PAGE_BYTES
from model.kernels.v6_18 import start as v6_18
from model.kernels.v6_18.page import MEMCG_DATA_KMEM


def tail_mask(order: int) -> int:
    """`compound_info` of a tail page: the mask that leaves its head's address, and bit 0."""
    return -(PAGE_BYTES << order) | 1


class StartState(v6_18.StartState):
    """Pages of v7.1 in play."""

    def tail_words(self, heads: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The mask of their order, whatever the head's address."""
        return np.full_like(heads, tail_mask(self.scenario.block_order))

    def by_template(self) -> bool:
        """Pages that are charged to several cgroups in turn are restored from copies."""
        return self.scenario.turns == 1 and super().by_template()

    def _fill(self) -> None:
        super()._fill()
        if self.scenario.turns > 1:
            memory, first = self.machine.memory, self.machine.charged
            owners = [memory.objcg_address(first + k) | MEMCG_DATA_KMEM for k in range(self.scenario.turns)]
            memory.mem_map["memcg_data"][: self.pages] = np.resize(owners, self.pages)

    def _charge(self, pages: int) -> None:
        """As v6.18, or on each of several cgroups below the root its share."""
        turns = self.scenario.turns
        if turns == 1:
            super()._charge(pages)
            return
        self._count(0, pages)
        for turn in range(turns):
            share = len(range(turn, pages, turns))
            self._count(self.machine.charged + turn, share)
            self._refer(self.machine.charged + turn, share, share)
