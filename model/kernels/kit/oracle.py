"""The buddy allocator of a zone in plain Python, for the oracles of modelled kernels.

Written from the files of docs/kernel-facts/, not from a version's source/: where the two disagree, one is wrong.
"""

from abc import ABC, abstractmethod
from typing import Final

TOP: Final = 10
"""Order of the largest block."""


class BuddyOracle(ABC):
    """Free blocks that merge; blocks are named by their first page's number.

    Attributes
    ----------
    free
        Order and type -> the blocks on that list, in its order.
    """

    def __init__(self) -> None:
        self.free: dict[tuple[int, int], list[int]] = {}

    @abstractmethod
    def is_buddy(self, number: int, order: int) -> bool:
        """Whether the page heads a free block of this order."""

    @abstractmethod
    def set_buddy(self, number: int, order: int | None) -> None:
        """Make the page the head of a free block of this order; None: of none."""

    def nr_free(self, least: int = 0) -> int:
        """Pages in free blocks of at least this order."""
        return sum(len(blocks) << order for (order, _), blocks in self.free.items() if order >= least)

    def to_buddy(self, number: int, order: int, migratetype: int) -> None:
        """Free a block: it merges with its buddy as long as that is free, and goes to its list.

        To the tail, if the next larger buddy is free, so that both may merge soon.
        """
        while order < TOP and self.is_buddy(other := number ^ (1 << order), order):
            next(on for (size, _), on in self.free.items() if size == order and other in on).remove(other)
            self.set_buddy(other, None)
            number &= other
            order += 1
        self.set_buddy(number, order)
        soon = order < TOP - 1 and self.is_buddy((number & ~(1 << order)) ^ (2 << order), order + 1)
        blocks = self.free.setdefault((order, migratetype), [])
        blocks.insert(len(blocks) if soon else 0, number)
