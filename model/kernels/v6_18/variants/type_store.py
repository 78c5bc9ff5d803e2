"""The page type cleared by an unconditional store, without a test.

Kernel: v6.18 with `page_type = UINT_MAX` in the place of the test.
Expect: one instruction fewer and one store more; the page's line is dirty anyway.
"""

from collections.abc import Callable
from typing import Any

SUMMARY = "replaces: the page type test by an unconditional store"


def type_step(kernel: Any) -> Callable[[Any, int], None]:
    """Store -1 to every page."""

    def always_reset(page: Any, order: int) -> None:
        kernel.clear_page_type(page)

    return always_reset
