"""The timed loops: only freeing lies between the two readings of the time stamp counter."""

from typing import Any

from model.kernel.function import kernel_function, static_inline
from model.kernel.namespace import kernel
from model.kernel.page_alloc import put_page_testzero
from model.kernel.primitives import (
    copy_bytes,
    dependent_additions,
    independent_nops,
    load_64,
    load_u8,
    load_u32,
    page_at,
    read_tsc,
    run_at,
    store_64,
)
from model.page import PAGE_BYTES
from model.run import RELEASE_BATCH


@static_inline
def copy_page(page: int, template: int) -> None:
    """Eight plain 8-byte moves; `rep movsb` takes longer to start than these take."""
    word = 0
    while word < PAGE_BYTES:
        store_64(page + word, load_64(template + word))
        word += 8


def restore(at: int) -> None:
    """Give every page, the zone, the lists and the counters their start state back."""
    run = run_at(at)
    page = run.mem_map
    kind = run.kinds
    end = kind + run.pages
    while kind < end:
        copy_page(page, run.templates + load_u8(kind) * PAGE_BYTES)
        page += PAGE_BYTES
        kind += 1
    copy_bytes(run.residents, run.residents_start, run.residents_bytes)
    copy_bytes(run.arena, run.arena_start, run.arena_bytes)


def timed(name: str, free: Any) -> Any:
    """Make a loop that frees n blocks per pass and returns the ticks of all passes together."""

    def loop(at: int) -> int:
        run = run_at(at)
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
                kernel.restore(at)
            passes -= 1
        return ticks

    loop.__name__ = name
    return kernel_function(loop)


def prepare_only(page: Any, order: int) -> None:
    """Depth `prepare`: drop the reference and check, without the lists."""
    if put_page_testzero(page):
        kernel.free_pages_prepare(page, order)


def put_one_page(page: Any, order: int) -> None:
    """Adapt put_page, which finds the order itself."""
    kernel.put_page(page)


def ticks() -> int:
    """Read the time stamp counter, to find its rate."""
    return read_tsc()


def time_chain(passes: int) -> int:
    """Ticks of so many times CHAIN dependent additions: what a cycle is, here and now."""
    start = read_tsc()
    while passes > 0:
        dependent_additions()
        passes -= 1
    return read_tsc() - start


def time_slots(passes: int) -> int:
    """Ticks of so many times CHAIN independent NOPs: how much of the core is ours."""
    start = read_tsc()
    while passes > 0:
        independent_nops()
        passes -= 1
    return read_tsc() - start


def nothing(page: Any, order: int) -> None:
    """The loop alone: what reading the clock and walking cost."""


def time_release_pages(at: int) -> int:
    """As `timed`, for batches of release_pages."""
    run = run_at(at)
    passes = run.passes
    ticks = 0
    while passes > 0:
        address = run.addresses
        end = address + 8 * run.n
        start = read_tsc()
        while address < end:
            kernel.release_pages(address, RELEASE_BATCH)
            address += 8 * RELEASE_BATCH
        ticks += read_tsc() - start
        if run.restore:
            kernel.restore(at)
        passes -= 1
    return ticks
