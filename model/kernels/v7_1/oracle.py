"""What v7.1 does otherwise than v6.18, in plain Python.

Written from docs/kernel-facts/after-v6.18.md, not from source/: where the two disagree, one is wrong.
"""

from types import ModuleType

from model.kernels.v6_18 import oracle as v6_18
from model.kernels.v7_1.variants import variant_called


class Oracle(v6_18.Oracle):
    """One zone whose pages are all allocated."""

    clears_private = "always"
    variant_called = staticmethod(variant_called)

    def module_of(self, variant: str) -> ModuleType:
        """What a variant declares."""
        module = super().module_of(variant)
        self.slices = getattr(module, "DRAIN", "slices") == "slices"
        self.lists = getattr(module, "LISTS", "per CPU") == "per CPU"
        return module

    def _commit(self, number: int, order: int) -> None:
        if self.lists:
            super()._commit(number, order)
            return
        self.to_buddy(number, order, v6_18.MOVABLE)
        self.pgfree += 1 << order

    def _drain(self, pages: int, at: int) -> None:
        """At most a batch at a time; each slice begins with the list that was just freed to."""
        batch = self.pcp.batch if self.slices else pages
        while pages > 0 and self.pcp.count > 0:
            super()._drain(min(pages, batch, self.pcp.count), at)
            pages -= batch


class OracleStock(v6_18.OracleStock):
    """A CPU's stock of pages charged ahead: the slots of other cgroups are drained one after the other."""

    next = 0

    def _victim(self) -> int:
        if self.variant == "random-victim":
            return super()._victim()
        slot = self.next
        self.next = (slot + 1) % len(self.slots)
        return slot
