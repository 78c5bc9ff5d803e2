"""The same path in slow and obvious Python: pages are objects, the list is a list, nothing is compiled.

Written from the steps and rules of kernel-facts-6.18, not from source/: where the two disagree, one is wrong.
"""

from dataclasses import dataclass

from model.kernels.v6_18.page import LARGE_KMALLOC, LAST_CPUPID, MUST_BE_CLEAR, SLAB, WIPED, Bad
from model.kernels.v6_18.variants import variant_called
from model.vocabulary.scenario import Config

BATCH, SCALE = 63, 5


@dataclass
class OraclePage:
    """What the model keeps of one page; `type` as the signed word."""

    flags: int = 0
    type: int = -1
    count: int = 1
    mapping: int = 0
    memcg: int = 0


@dataclass
class OraclePcp:
    """A CPU's lists of one zone, the hot end first, and what tunes them."""

    pages: list[int]
    high: int = 0
    high_min: int = 1 << 30
    high_max: int = (1 << 30) + 1
    free_count: int = 0
    alloc_factor: int = 0
    was_high_order: bool = False


class Oracle:
    """One zone whose pages are all allocated.

    Parameters
    ----------
    variant
        What is measured beside the kernel as it is.
    config
        Of the kernel.
    checks
        Whether the page checks are on.
    pages
        Of which every one is owned by somebody.
    memcg
        CONFIG_MEMCG.
    """

    def __init__(
        self, variant: str, config: Config, pages: int, *, checks: bool = False, memcg: bool = True
    ) -> None:
        module = variant_called(variant).module
        self.config, self.memcg = config, memcg
        self.checks = checks or getattr(module, "CHECKS", "") == "always"
        self.types = {"no-type-test": "never", "type-store": "always"}.get(variant, "if any")
        self.left_out = getattr(module, "LEFT_OUT", ())
        self.pages = [OraclePage() for _ in range(pages)]
        self.pcp = OraclePcp([])
        self.pgfree = 0
        self.bad: list[tuple[int, Bad]] = []

    def free_pages(self, number: int) -> None:
        """Drop a reference; the page is freed with the last one."""
        page = self.pages[number]
        page.count -= 1
        if page.count == 0 and self._prepare(number, page):
            self._commit(number)

    def put_page(self, number: int) -> None:
        """The same by put_page, which leaves slabs and large kmallocs alone: they have no count."""
        if self.pages[number].type >> 24 & 0xFF not in (SLAB, LARGE_KMALLOC):
            self.free_pages(number)

    def _prepare(self, number: int, page: OraclePage) -> bool:
        page.flags &= ~(1 << 20)  # mlocked, left over
        if self.config == "distribution" and page.flags & 1 << 21:  # hwpoison: never freed
            return False
        if page.mapping & 1:
            page.mapping = 0
        if self.types == "always" or (self.types == "if any" and page.type < -0x1000000):
            page.type = -1
        if self.checks and not self._check(number, page):
            return False
        page.flags &= ~(0 if "wipe" in self.left_out else WIPED[self.config])
        page.flags |= 0 if "cpupid" in self.left_out else LAST_CPUPID[self.config]
        return True

    def _check(self, number: int, page: OraclePage) -> bool:
        others = page.mapping | page.count | page.flags & MUST_BE_CLEAR[self.config]
        others |= page.memcg if self.memcg else 0
        reason = Bad.TYPE if page.type != -1 else Bad.OTHER if others else None
        if reason:
            self.bad.append((number, reason))
            page.type = -1
        return reason is None

    def _commit(self, number: int) -> None:
        pcp = self.pcp
        pcp.alloc_factor >>= 1
        self.pgfree += 1
        pcp.pages.insert(0, number)
        pcp.was_high_order = False
        if pcp.free_count < BATCH << SCALE:
            pcp.free_count += 1
        pcp.high = min(max(pcp.high, pcp.high_min), pcp.high_max)
