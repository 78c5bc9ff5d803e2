"""The same kernel in plain Python: pages are objects, lists are lists, nothing is compiled.

Written from kernel-map.md's sources, not from source/: where the two disagree, one is wrong. It
runs on any CPU, with the key as a flag in memory.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from model.kernels.kit.oracle import TOP, BuddyOracle, BuddyPage
from model.kernels.v4_3.image import marks_of
from model.kernels.v4_3.memcg import CHARGE_BATCH, NO_LIMIT
from model.kernels.v4_3.page import ANON, CLEAR_FOR_NEXT, MUST_BE_CLEAR, PG, Bad, Mapcount
from model.kernels.v4_3.variants import variant_called
from model.kernels.v4_3.zone import MAX_ORDER, MIGRATE_PCPTYPES, PCP_BATCH, PCP_HIGH, Migratetype
from model.vocabulary.scenario import MemcgState


@dataclass
class OraclePage(BuddyPage):
    """What the model keeps of one page."""

    mapcount: int = Mapcount.IDLE
    memcg: int | None = None
    """Level of the cgroup that it is charged to."""
    kmem_bit: bool = False
    """The bit of `memcg_data`."""


@dataclass
class Group:
    """One level of the hierarchy: the three page counters and the references."""

    limit: int = NO_LIMIT
    counts: Counter[str] = field(default_factory=Counter)
    refs: int = 0


class Oracle(BuddyOracle[OraclePage]):
    """A booted kernel, as `tests.booted.Booted`.

    Parameters
    ----------
    variant
        The patch point.
    state
        The memcg state.
    pages
        A multiple of 1024, all free.
    checks
        `on`, or `deferred` to the drain.
    swap_account
        Charge memsw too.
    """

    def __init__(
        self, variant: str, state: MemcgState, pages: int, *, checks: str = "on", swap_account: bool = False
    ) -> None:
        super().__init__([OraclePage() for _ in range(pages)])
        self.marks = marks_of(variant, state != "off")
        self.order_of_tests = {"always": "flag first", "charged": "key first", "memcg-data": "bit"}.get(
            self.marks
        )
        self.series = variant == "v1-series"
        self.checks = getattr(variant_called(variant).module, "CHECKS", checks)
        self.compiled = state != "off"
        self.disabled = state == "disabled"
        self.key = state in ("on-active", "on-charged")
        self.swap = swap_account and state.startswith("on")
        self.pcp: list[list[int]] = [[] for _ in range(MIGRATE_PCPTYPES)]
        self.groups = [Group(), Group()]
        self.stock = 0
        for first in range(0, pages, 1 << TOP):
            self._list(TOP, Migratetype.MOVABLE).append(first)
            self.set_buddy(first, TOP)

    def _list(self, order: int, migratetype: int) -> list[int]:
        return self.free.setdefault((order, migratetype), [])

    # Allocation

    def alloc_pages(self, order: int = 0, migratetype: int = 2, compound: bool = False) -> int | None:
        """Allocate a block."""
        page = self._from_pcp(migratetype) if order == 0 else self._rmqueue(order, migratetype)
        if page is None:
            return None
        self.pages[page].private, self.pages[page].count = 0, 1
        if compound and order:
            self.pages[page].flags |= PG.HEAD
            for tail in range(page + 1, page + (1 << order)):
                self.pages[tail].flags |= PG.TAIL
        return page

    def _from_pcp(self, migratetype: int) -> int | None:
        pages = self.pcp[migratetype]
        if not pages:
            for _ in range(PCP_BATCH):
                page = self._rmqueue(0, migratetype)
                if page is None:
                    break
                pages.append(page)
        return pages.pop(0) if pages else None

    def _rmqueue(self, order: int, migratetype: int) -> int | None:
        for kind in (migratetype, *range(MIGRATE_PCPTYPES)):
            for current in range(order, MAX_ORDER):
                if self._list(current, kind):
                    page = self._list(current, kind).pop(0)
                    self.set_buddy(page, None)
                    self._split(page, order, current, kind)
                    return page
        return None

    def _split(self, page: int, order: int, current: int, kind: int) -> None:
        while current > order:
            current -= 1
            half = page + (1 << current)
            self._list(current, kind).insert(0, half)
            self.set_buddy(half, current)

    def alloc_kmem_pages(self, order: int = 0, compound: bool = False) -> int | None:
        """Charge, allocate, mark."""
        accounted = self.compiled and self.key
        if accounted and not self._charge(1 << order):
            return None
        page = self.alloc_pages(order, Migratetype.UNMOVABLE, compound)
        if page is None:
            if accounted:
                self._change("memory", -(1 << order))
                self._change("kmem", -(1 << order))
            return None
        self.pages[page].memcg = 1 if accounted else None
        self.pages[page].kmem_bit = accounted and self.marks == "memcg-data"
        if self.marks == "always" or (self.marks == "charged" and accounted):
            self.pages[page].mapcount = Mapcount.KMEM
        return page

    # Charging

    def _charge(self, pages: int) -> bool:
        if not self._try("kmem", pages):
            return False
        if self.stock >= pages:
            self.stock -= pages
            return True
        for batch in dict.fromkeys((max(pages, CHARGE_BATCH), pages)):
            if self._try_memory(batch):
                self.groups[1].refs += batch
                self.stock += batch - pages
                return True
        self._change("kmem", -pages, refs=False)
        return False

    def _try_memory(self, pages: int) -> bool:
        if self.swap and not self._try("memsw", pages):
            return False
        if self._try("memory", pages):
            return True
        if self.swap:
            self._change("memsw", -pages, refs=False)
        return False

    def _try(self, counter: str, pages: int) -> bool:
        """Every level's limit holds for memory; the test sets no others."""
        if counter == "memory" and any(g.counts[counter] + pages > g.limit for g in self.groups):
            return False
        self._change(counter, pages, refs=False)
        return True

    def _change(self, counter: str, pages: int, *, refs: bool = True) -> None:
        """Change a counter at every level; `memory` takes memsw and the references along."""
        for group in self.groups:
            group.counts[counter] += pages
            if counter == "memory" and refs and self.swap:
                group.counts["memsw"] += pages
        if counter == "memory" and refs:
            self.groups[1].refs += pages

    def drain_stock(self) -> None:
        """Give the stock back."""
        self._change("memory", -self.stock)
        self.stock = 0

    def _uncharge_kmem(self, page: OraclePage, pages: int) -> None:
        if page.memcg is not None:
            self._change("memory", -pages)
            self._change("kmem", -pages)
            page.memcg, page.kmem_bit = None, False

    def _uncharge_user(self, page: OraclePage) -> None:
        kmem = self.series and page.mapcount == Mapcount.KMEM
        if self.compiled and not self.disabled and not kmem and page.memcg is not None:
            self._change("memory", -1)
            page.memcg = None

    # Freeing

    def free_pages(self, page: int, order: int = 0) -> None:
        """Drop a reference; free the block if it was the last."""
        if self.drop(page):
            self._free(page, order)

    def free_kmem_pages(self, page: int, order: int = 0) -> None:
        """The old helper uncharges first; with a patched kernel it is __free_pages."""
        if self.marks == "never" and self.compiled and self.key:
            self._uncharge_kmem(self.pages[page], 1 << order)
        self.free_pages(page, order)

    def put_page(self, page: int, order: int = 0) -> None:
        """Drop a reference to a page, or to a compound page of this order."""
        if self.pages[page].flags & PG.HEAD:
            self.free_pages(page, order)
            return
        if self.drop(page):
            self._uncharge_user(self.pages[page])
            self._free(page, 0)

    def release_pages(self, pages: Sequence[int]) -> None:
        """Single pages: those whose last reference went are freed, the last one first."""
        freed: list[int] = []
        for page in pages:
            if self.drop(page):
                self.pages[page].flags &= ~PG.ACTIVE
                freed.insert(0, page)
        for page in freed:
            self._uncharge_user(self.pages[page])
        for page in freed:
            self._free(page, 0)

    def _free(self, page: int, order: int) -> None:
        if not self._prepare(page, order):
            return
        self.pgfree += 1 << order
        if order:
            self.to_buddy(page, order, Migratetype.MOVABLE)
            return
        self.pcp[Migratetype.MOVABLE].insert(0, page)
        if sum(map(len, self.pcp)) >= PCP_HIGH:
            self._drain(PCP_BATCH)

    def _prepare(self, first: int, order: int) -> bool:
        head = self.pages[first]
        if head.mapping & ANON:
            head.mapping = 0
        self._patch_point(head, 1 << order)
        good = True
        for number in range(first, first + (1 << order)):
            page = self.pages[number]
            if self.checks == "on" and not self._check(number):
                good = False
            else:
                page.flags &= ~CLEAR_FOR_NEXT
        return good

    def _patch_point(self, page: OraclePage, pages: int) -> None:
        key = self.compiled and self.key
        flagged = page.mapcount == Mapcount.KMEM
        if self.order_of_tests == "flag first" and flagged:
            if key:
                self._uncharge_kmem(page, pages)
            page.mapcount = Mapcount.IDLE
        elif self.order_of_tests == "key first" and key and flagged:
            self._uncharge_kmem(page, pages)
            page.mapcount = Mapcount.IDLE
        elif self.order_of_tests == "bit" and key and page.kmem_bit:
            self._uncharge_kmem(page, pages)

    def _check(self, number: int) -> bool:
        """free_pages_check: the last reason found is reported."""
        page = self.pages[number]
        tests = {
            Bad.MAPCOUNT: page.mapcount != Mapcount.IDLE,
            Bad.MAPPING: page.mapping != 0,
            Bad.COUNT: page.count != 0,
            Bad.FLAGS: bool(page.flags & MUST_BE_CLEAR),
            Bad.MEM_CGROUP: self.compiled and page.memcg is not None,
        }
        reasons = [reason for reason, failed in tests.items() if failed]
        if reasons:
            self.bad.append((number, reasons[-1]))
            page.mapcount = Mapcount.IDLE
        return not reasons

    def _drain(self, to_free: int) -> None:
        """Round robin over the lists, beginning with type 1; one non-empty list gives all."""
        migratetype = batch = 0
        while to_free:
            while True:
                batch += 1
                migratetype = (migratetype + 1) % MIGRATE_PCPTYPES
                if self.pcp[migratetype]:
                    break
            if batch == MIGRATE_PCPTYPES:
                batch = to_free
            while True:
                page = self.pcp[migratetype].pop()
                if self.checks != "deferred" or self._check(page):
                    self.to_buddy(page, 0, migratetype)
                to_free -= 1
                if not to_free:
                    break
                batch -= 1
                if not batch or not self.pcp[migratetype]:
                    break

    # The buddy

    def is_buddy(self, number: int, order: int) -> bool:
        """By `_mapcount`, and the order in `private`."""
        return self.pages[number].mapcount == Mapcount.BUDDY and self.pages[number].private == order

    def set_buddy(self, number: int, order: int | None) -> None:
        """The same two words."""
        page = self.pages[number]
        page.mapcount, page.private = (Mapcount.IDLE, 0) if order is None else (Mapcount.BUDDY, order)
