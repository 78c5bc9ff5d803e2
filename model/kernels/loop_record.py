"""The argument of a timed loop, with what it needs to restore pages: one record in memory."""

from typing import Final

import numpy as np

PAGE_BYTES: Final = 64
"""Size of a struct page in bytes, on every modelled kernel: one cache line."""

LOOP: Final = np.dtype(
    [
        ("mem_map", "i8"),  # address of the first struct page
        ("order_of_pages", "i8"),  # address of u4[n]: page numbers in the order of freeing
        ("n", "i8"),  # blocks to free in a pass
        ("order", "i8"),  # of each block
        ("passes", "i8"),
        ("restore", "i8"),  # 1: after each pass; 0: the caller restores
        ("pages", "i8"),  # struct pages to restore
        ("kinds", "i8"),  # address of u1[pages]: which template a page starts as
        ("templates", "i8"),  # address of the template pages, one per kind
        ("addresses", "i8"),  # address of i8[n]: struct page addresses, for release_pages
        ("arena", "i8"),  # zone, per-CPU lists, counters: where they live,
        ("arena_start", "i8"),  # their start state,
        ("arena_bytes", "i8"),  # and how many bytes
        ("residents", "i8"),  # pages that wait on the per-CPU list: where they live,
        ("residents_start", "i8"),  # their start state,
        ("residents_bytes", "i8"),  # and how many bytes
        (
            "between",
            "i8",
        ),  # address of what is called before each free, untimed (model.machine_code.disturbance)
        ("arrived", "i8"),  # address of i8: threads that have come to a meeting, since the slice began
        ("threads", "i8"),  # how many meet
    ]
)

CHAIN: Final = 256
"""Dependent additions per pass of `time_chain`, one cycle each; the loop around them overlaps with them."""
