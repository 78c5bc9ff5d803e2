"""The same path in plain Python: pages are objects, lists are lists, nothing is compiled.

Written from the steps and rules of docs/kernel-facts/v6.18-path.md and v6.18-costs.md, not from source/:
where the two disagree, one is wrong.
"""

from dataclasses import dataclass, field
from types import ModuleType
from typing import ClassVar

from model.kernels.kit.oracle import BuddyOracle, BuddyPage
from model.kernels.v6_18.memcg import CHARGE_BATCH, SLOTS
from model.kernels.v6_18.page import (
    BUDDY_TYPE,
    LARGE_KMALLOC,
    LAST_CPUPID,
    MUST_BE_CLEAR,
    SECOND_FLAGS,
    SLAB,
    WIPED,
    Bad,
)
from model.kernels.v6_18.variants import variant_called
from model.kernels.variants import Variant
from model.vocabulary.scenario import Config

SCALE = 5
PAGEBLOCK = 9
MOVABLE = 1


@dataclass
class OraclePage(BuddyPage):
    """What the model keeps of one page; `type` as the signed word, `tail` of a compound page."""

    count: int = 1
    type: int = -1
    memcg: int = 0
    tail: bool = False


@dataclass
class OraclePcp:
    """A CPU's lists of one zone, the hot end first, and what tunes them."""

    lists: dict[int, list[int]] = field(default_factory=dict)
    count: int = 0
    batch: int = 63
    high: int = 0
    high_min: int = 1 << 30
    high_max: int = (1 << 30) + 1
    free_count: int = 0
    alloc_factor: int = 0
    was_high_order: bool = False
    keeps_a_batch: bool = False


class Oracle(BuddyOracle[OraclePage]):
    """One zone whose pages are all allocated.

    Parameters
    ----------
    variant
        The variant that is modelled.
    config
        Of the kernel.
    checks
        Whether the page checks are on.
    pages
        Number of pages, each with an owner.
    memcg
        CONFIG_MEMCG.
    """

    def __init__(
        self, variant: str, config: Config, pages: int, *, checks: bool = False, memcg: bool = True
    ) -> None:
        super().__init__([OraclePage() for _ in range(pages)])
        module = self.module_of(variant)
        self.config, self.memcg, self.thp = config, memcg, config == "distribution"
        self.checks = checks or getattr(module, "CHECKS", "") == "always"
        self.private = getattr(module, "PRIVATE", self.clears_private)
        self.types = {"no-type-test": "never", "type-store": "always"}.get(variant, "if any")
        self.left_out = getattr(module, "LEFT_OUT", ())
        self.pcp = OraclePcp()
        self.reclaims = self.below_high = False

    clears_private = "never"
    """When `private` is cleared, unless the variant says otherwise."""
    variant_called: "ClassVar[staticmethod[[str], Variant]]" = staticmethod(variant_called)

    def module_of(self, variant: str) -> ModuleType:
        """What a variant declares."""
        return self.variant_called(variant).module

    def free_pages(self, number: int, order: int = 0) -> None:
        """Drop a reference; the block is freed with the last one."""
        if self.drop(number) and self._prepare(number, order):
            if order <= 3 or (self.thp and order == PAGEBLOCK):
                self._commit(number, order)
            else:
                self.to_buddy(number, order, MOVABLE)
                self.pgfree += 1 << order

    def put_page(self, number: int, order: int = 0) -> None:
        """The same by put_page, which leaves slabs and large kmallocs alone: they have no count."""
        if self.pages[number].type >> 24 & 0xFF not in (SLAB, LARGE_KMALLOC):
            self.free_pages(number)

    def folios_put_refs(self, numbers: list[int]) -> None:
        """A batch: every page is prepared before the first one is put on its list."""
        dropped = [number for number in numbers if self.drop(number)]
        good = [number for number in dropped if self._prepare(number, 0)]
        for number in good:
            self.pages[number].private = 0
            self._commit(number, 0)

    def kfree(self, number: int) -> None:
        """A large kmalloc: its first tail page knows how large, and its type goes before it is freed."""
        self.pages[number].type = -1
        self.pages[number].count = 1
        self.free_pages(number, self.pages[number + 1].flags & 0xFF)

    # Preparing

    def _prepare(self, number: int, order: int) -> bool:
        page = self.pages[number]
        page.flags &= ~(1 << 20)  # mlocked, left over
        if self.config == "distribution" and page.flags & 1 << 21 and order == 0:  # hwpoison: never freed
            return False
        compound = bool(page.flags & 1 << 6)
        bad_tails = sum(not self._tail(number, at, compound) for at in range(1, 1 << order))
        if page.mapping & 1:
            page.mapping = 0
        if self.types == "always" or (self.types == "if any" and page.type < -0x1000000):
            page.type = -1
        if self.checks and not (self._check(number) and not bad_tails):
            return False
        page.flags &= ~self._wiped
        page.flags |= 0 if "cpupid" in self.left_out else LAST_CPUPID[self.config]
        page.private = page.private if self.private == "never" else 0
        return True

    @property
    def _wiped(self) -> int:
        return 0 if "wipe" in self.left_out else WIPED[self.config]

    def _tail(self, head: int, at: int, compound: bool) -> bool:
        page = self.pages[head + at]
        if compound and at == 1:
            page.flags &= ~SECOND_FLAGS
            page.memcg &= ~0xFFFFFFFF if self.memcg else -1
        good = True
        if compound:
            if self.checks and not page.tail:
                self._report(head + at, Bad.TAIL)
                good = False
            page.mapping, page.tail = 0, False
        if self.checks and not self._check(head + at):
            return False
        page.flags &= ~self._wiped
        return good

    def _check(self, number: int) -> bool:
        page = self.pages[number]
        others = page.mapping | page.count | page.flags & MUST_BE_CLEAR[self.config]
        others |= page.memcg if self.memcg else 0
        reason = Bad.TYPE if page.type != -1 else Bad.OTHER if others else None
        if reason:
            self._report(number, reason)
        return reason is None

    def _report(self, number: int, reason: Bad) -> None:
        self.bad.append((number, reason))
        self.pages[number].type = -1

    # The per-CPU lists

    def _commit(self, number: int, order: int) -> None:
        pcp = self.pcp
        pcp.alloc_factor >>= 1
        self.pgfree += 1 << order
        at = 3 * order + MOVABLE if order <= 3 else 13
        pcp.lists.setdefault(at, []).insert(0, number)
        pcp.count += 1 << order
        at_once = False
        if 1 <= order <= 3:
            many = pcp.free_count >= pcp.batch + pcp.high_min // 2
            at_once = many and pcp.was_high_order and (not pcp.keeps_a_batch or pcp.count >= pcp.batch)
        pcp.was_high_order = 1 <= order <= 3
        if pcp.free_count < pcp.batch << SCALE:
            pcp.free_count += 1 << order
        limit = self._limit(at_once)
        if pcp.count >= limit:
            if at_once:
                taken = min(pcp.count, pcp.batch << SCALE)
            elif limit < pcp.batch:
                taken = 1
            else:
                taken = min(max(pcp.free_count, pcp.batch), limit - pcp.batch)
            self._drain(min(taken, pcp.count), at)

    def _limit(self, at_once: bool) -> int:
        pcp = self.pcp
        high = pcp.high = min(max(pcp.high, pcp.high_min), pcp.high_max)
        lower = max(high - max(pcp.free_count, pcp.batch), pcp.high_min)
        if high == 0:
            return 0
        if at_once:
            pcp.high = max(high - (pcp.batch << SCALE), pcp.high_min)
            return 0
        if self.reclaims:
            pcp.high = lower
            return min(4 * pcp.batch, lower)
        if pcp.high_min == pcp.high_max:
            return high
        if self.below_high:
            pcp.high = lower
            return max(pcp.count, pcp.high_min)
        if pcp.count >= high and high < pcp.free_count + pcp.batch:
            pcp.high = min(max(pcp.free_count + pcp.batch, pcp.high_min), pcp.high_max)
        return high

    def _drain(self, pages: int, at: int) -> None:
        """Empty the list that was just freed to, the coldest first, then the next one, round and round."""
        lists = 14 if self.thp else 12
        while pages > 0:
            while not self.pcp.lists.get(at):
                at = (at + 1) % lists
            order = PAGEBLOCK if at >= 12 else at // 3
            while pages > 0 and self.pcp.lists[at]:
                number = self.pcp.lists[at].pop()
                pages -= 1 << order
                self.pcp.count -= 1 << order
                self.to_buddy(number, order, MOVABLE)
            at = (at + 1) % lists

    # The buddy

    def is_buddy(self, number: int, order: int) -> bool:
        """By the type's byte, and the order in `private`."""
        page = self.pages[number]
        return page.type >> 24 & 0xFF == 0xF0 and page.private == order

    def set_buddy(self, number: int, order: int | None) -> None:
        """The same two words."""
        page = self.pages[number]
        page.type, page.private = (-1, 0) if order is None else (BUDDY_TYPE, order)


@dataclass(eq=False)
class OracleGroup:
    """One cgroup: its counters, its references, and this CPU's pending statistics."""

    parent: "OracleGroup | None"
    memory: int = 0
    memsw: int = 0
    kmem: int = 0
    references: int = 0
    updates: int = 0
    shared_updates: int = 0

    def lineage(self) -> "list[OracleGroup]":
        """The cgroup and all above it."""
        return [self, *(self.parent.lineage() if self.parent else [])]


class OracleStock:
    """A CPU's stock of pages charged ahead, in seven slots.

    Parameters
    ----------
    v1
        Memory is on the first hierarchy: kernel memory, and memory and swap, are counted as well.
    online
        CPUs.
    variant
        The variant that is modelled.
    """

    def __init__(self, *, v1: bool, online: int, variant: str = "base") -> None:
        self.v1, self.online, self.variant = v1, online, variant
        self.slots: list[tuple[OracleGroup, int] | None] = [None] * (1 if variant == "one-slot" else SLOTS)
        self.random = 0

    def uncharge(self, group: OracleGroup, pages: int) -> None:
        """An obj_cgroup's pages come back."""
        for level in group.lineage():
            if level.shared_updates > CHARGE_BATCH * self.online:
                break
            level.updates += pages
            if level.updates >= CHARGE_BATCH:
                level.shared_updates += level.updates
                level.updates = 0
        if self.v1:
            for level in group.lineage():
                level.kmem -= pages
        if pages > CHARGE_BATCH:
            self._give_back(group, pages)
            return
        owners = [kept[0] if kept else None for kept in self.slots]
        if group in owners:
            slot = owners.index(group)
            kept = self.slots[slot][1] + pages  # type: ignore[index]
            self.slots[slot] = group, kept
            if kept > CHARGE_BATCH:
                self._drain(slot)
            return
        slot = owners.index(None) if None in owners else self._victim()
        self._drain(slot)
        group.references += 1
        self.slots[slot] = group, pages

    def _victim(self) -> int:
        self.random = (self.random * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return ((self.random >> 33) % (1 << 31) * len(self.slots)) >> 31

    def _drain(self, slot: int) -> None:
        kept = self.slots[slot]
        if kept:
            self._give_back(*kept)
            kept[0].references -= 1
        self.slots[slot] = None

    def _give_back(self, group: OracleGroup, pages: int) -> None:
        for level in group.lineage():
            level.memory -= pages
            level.memsw -= pages if self.v1 else 0
