"""References and the buddy allocator of a zone in plain Python, for the oracles of modelled kernels.

Written from docs/kernel-facts/, not from a version's source/: where the two disagree, one is wrong.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from model.kernels.kit.reason import Reason

TOP: Final = 10
"""Order of the largest block."""


@dataclass
class BuddyPage:
    """What every version's oracle keeps of one page."""

    flags: int = 0
    count: int = 0
    mapping: int = 0
    private: int = 0


Page = TypeVar("Page", bound=BuddyPage)


class BuddyOracle(ABC, Generic[Page]):
    """Pages with references, and free blocks that merge; these are named by their first page's number.

    Attributes
    ----------
    free
        Order and type -> the blocks on that list, in its order.
    pgfree
        Pages freed.
    bad
        Pages that were reported, by number.
    """

    def __init__(self, pages: list[Page]) -> None:
        self.pages = pages
        self.free: dict[tuple[int, int], list[int]] = {}
        self.pgfree = 0
        self.bad: list[tuple[int, Reason]] = []

    def drop(self, number: int) -> bool:
        """Drop a reference; whether it was the last."""
        self.pages[number].count -= 1
        return self.pages[number].count == 0

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
