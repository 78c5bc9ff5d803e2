"""Start states for measuring v7.1: v6.18's, but for what a tail page says of its head."""

import numpy as np
import numpy.typing as npt

from model.kernels.loop_record import PAGE_BYTES
from model.kernels.v6_18 import start as v6_18


def tail_mask(order: int) -> int:
    """`compound_info` of a tail page: the mask that leaves its head's address, and bit 0."""
    return -(PAGE_BYTES << order) | 1


class StartState(v6_18.StartState):
    """Pages of v7.1 in play."""

    def tail_words(self, heads: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The mask of their order, whatever the head's address."""
        return np.full_like(heads, tail_mask(self.scenario.block_order))
