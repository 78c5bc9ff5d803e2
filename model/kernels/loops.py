"""Timed loops: only freeing lies between the two readings of the time stamp counter.

Every kernel version has them, with its own functions that free a page.
"""

from collections.abc import Callable, Mapping
from typing import Any

from model.compiler.clock import (
    call_address,
    copy_bytes,
    dependent_additions,
    fetch_anew,
    independent_nops,
    read_tsc,
)
from model.compiler.function import Entries, Linkage
from model.compiler.intrinsics import (
    I64_TYPE,
    atomic_long_add_return,
    cpu_relax,
    load_64,
    load_u8,
    load_u32,
    rare,
    record_at,
    store_64,
)
from model.kernels.loop_record import CHAIN, LOOP, PAGE_BYTES

loop_at = record_at(LOOP, "loop_at")
PATIENCE = 1 << 28
"""Most polls for another thread, about ten seconds; then the loop gives up."""
chain = dependent_additions(CHAIN)
nops = independent_nops(CHAIN)
Ways = Mapping[str, Callable[[Any, int], Any]]
"""What frees one page, by name: it takes the page and its order."""


def restore_function(linkage: Linkage) -> Any:
    """Make `restore(record)`, which restores the start state of pages, lists and counters."""

    @linkage.static_inline
    def copy_page(page: int, template: int) -> None:
        """Eight plain 8-byte moves; `rep movsb` takes longer to start than these take."""
        word = 0
        while word < PAGE_BYTES:
            store_64(page + word, load_64(template + word))
            word += 8

    def restore(at: int) -> None:
        loop = loop_at(at)
        page = loop.mem_map
        kind = loop.kinds
        end = kind + loop.pages
        while kind < end:
            copy_page(page, loop.templates + load_u8(kind) * PAGE_BYTES)
            page += PAGE_BYTES
            kind += 1
        copy_bytes(loop.residents, loop.residents_start, loop.residents_bytes)
        copy_bytes(loop.arena, loop.arena_start, loop.arena_bytes)

    return linkage.kernel_function(restore)


def timed(linkage: Linkage, restore: Any, page_at: Any, name: str, free: Callable[[Any, int], Any]) -> Any:
    """Make a loop that frees n blocks per pass and returns the ticks of all passes together.

    Parameters
    ----------
    restore
        As `restore_function` makes it.
    page_at
        The view of a struct page.
    free
        Takes the page and its order.
    """

    def loop(at: int) -> int:
        run = loop_at(at)
        mem_map, order, passes = run.mem_map, run.order, run.passes
        ticks = 0
        while passes > 0:
            number = run.order_of_pages
            end = number + 4 * run.n
            start = read_tsc()
            while number < end:
                free(page_at(mem_map + load_u32(number) * PAGE_BYTES), order)
                number += 4
            ticks += read_tsc() - start
            if run.restore:
                restore(at)
            passes -= 1
        return ticks

    loop.__name__ = name
    return linkage.kernel_function(loop)


def timed_apart(
    linkage: Linkage, restore: Any, page_at: Any, name: str, free: Callable[[Any, int], Any]
) -> Any:
    """As `timed`, but each free is timed by itself, and something else is called before it.

    No instruction of the free is fetched before the first reading of the clock: else the front end would take
    its cache misses while the clock's fences wait.
    """

    def loop(at: int) -> int:
        run = loop_at(at)
        mem_map, order, passes, between = run.mem_map, run.order, run.passes, run.between
        ticks = 0
        while passes > 0:
            number = run.order_of_pages
            end = number + 4 * run.n
            while number < end:
                page = mem_map + load_u32(number) * PAGE_BYTES
                call_address(between)
                start = read_tsc()
                fetch_anew()
                free(page_at(page), order)
                ticks += read_tsc() - start
                number += 4
            if run.restore:
                restore(at)
            passes -= 1
        return ticks

    loop.__name__ = name
    return linkage.kernel_function(loop)


def timed_together(
    linkage: Linkage, restore: Any, page_at: Any, name: str, free: Callable[[Any, int], Any]
) -> Any:
    """As `timed`, with other threads at once: all begin a pass together, none restores before the last ends.

    Returns a negative number when another thread did not come.
    """

    @linkage.static_inline
    def meet(arrived: int, awaited: int) -> bool:
        """Wait until so many have arrived."""
        atomic_long_add_return(arrived, 1)
        looks = 0
        while load_64(arrived) < awaited and looks < PATIENCE:
            rare()
            cpu_relax()
            looks += 1
        return looks < PATIENCE

    def loop(at: int) -> int:
        run = loop_at(at)
        mem_map, order, passes, threads = run.mem_map, run.order, run.passes, run.threads
        ticks = 0
        awaited = threads
        while passes > 0:
            number = run.order_of_pages
            end = number + 4 * run.n
            if not meet(run.arrived, awaited):
                return -1
            start = read_tsc()
            while number < end:
                free(page_at(mem_map + load_u32(number) * PAGE_BYTES), order)
                number += 4
            ticks += read_tsc() - start
            if not meet(run.arrived, awaited + threads):
                return -1
            if run.restore:
                restore(at)
            awaited += 2 * threads
            passes -= 1
        return ticks

    loop.__name__ = name
    return linkage.kernel_function(loop)


def timed_batch(
    linkage: Linkage, restore: Any, name: str, free: Callable[[int, int], Any], size: int, each: int = 8
) -> Any:
    """As `timed`, for a function that takes an array of page addresses.

    Parameters
    ----------
    size
        Addresses per call.
    each
        Bytes of the argument per address: more where a batch has a head, or room for more.
    """

    def loop(at: int) -> int:
        run = loop_at(at)
        passes = run.passes
        ticks = 0
        while passes > 0:
            address = run.addresses
            end = address + each * run.n
            start = read_tsc()
            while address < end:
                free(address, size)
                address += each * size
            ticks += read_tsc() - start
            if run.restore:
                restore(at)
            passes -= 1
        return ticks

    loop.__name__ = name
    return linkage.kernel_function(loop)


def time_chain(passes: int) -> int:
    """Ticks of `passes` times CHAIN dependent additions: the length of a cycle at this moment."""
    start = read_tsc()
    while passes > 0:
        chain()
        passes -= 1
    return read_tsc() - start


def time_slots(passes: int) -> int:
    """Ticks of `passes` times CHAIN independent NOPs: the share of dispatch that this thread gets."""
    start = read_tsc()
    while passes > 0:
        nops()
        passes -= 1
    return read_tsc() - start


def ticks() -> int:
    """Read the time stamp counter, to find its rate."""
    return read_tsc()


def nothing(page: Any, order: int) -> None:
    """Free nothing: the cost of reading the clock and of the loop."""


class TimedLoops:
    """The timed loops of one kernel. They are entries of its images, in the order in which they are made.

    Parameters
    ----------
    page_at
        The view of a struct page.

    Attributes
    ----------
    restore
        As `restore_function` makes it.
    """

    def __init__(self, linkage: Linkage, page_at: Any) -> None:
        self._linkage, self._page_at = linkage, page_at
        self.restore = restore_function(linkage)

    def one_by_one(self, ways: Ways, batches: Mapping[str, tuple[Callable[[int, int], Any], int]]) -> Entries:
        """The loops `time_NAME`, and those that every worker needs.

        Parameters
        ----------
        ways
            Name -> what frees one page.
        batches
            Name -> what frees an array of pages, and how many a call takes.
        """
        made = self._register(timed, "time_", {**ways, "nothing": self._linkage.static_inline(nothing)})
        for name, (release, size) in batches.items():
            timed_batch(self._linkage, self.restore, f"time_{name}", release, size)
        for function in (time_chain, time_slots, ticks):
            self._linkage.kernel_function(function)
        others = [*(f"time_{name}" for name in batches), "time_chain", "time_slots", "restore"]
        return {**made, **dict.fromkeys(others, (I64_TYPE,)), "ticks": ()}

    def apart(self, ways: Ways) -> Entries:
        """The loops `time_apart_NAME`, which time each free alone, for images that have them."""
        ways = {**ways, "nothing": self._linkage.static_inline(nothing)}
        return self._register(timed_apart, "time_apart_", ways)

    def together(self, ways: Ways) -> Entries:
        """The loops `time_together_NAME`, which several threads are in at once, for images that have them."""
        return self._register(timed_together, "time_together_", ways)

    def _register(self, loop: Callable[..., Any], prefix: str, ways: Ways) -> Entries:
        for name, free in ways.items():
            loop(self._linkage, self.restore, self._page_at, f"{prefix}{name}", free)
        return dict.fromkeys((f"{prefix}{name}" for name in ways), (I64_TYPE,))
