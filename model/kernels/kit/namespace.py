"""What every version's namespace has: helpers for checks, and where a check goes."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from model.compiler.namespace import Namespace

Step = Callable[[Any, int], None]
"""A step of the path that variants may replace, such as their check: it gets the page and its order."""


class ModelNamespace(Namespace):
    """`kernel.NAME`: a compile-time constant, or a function of `source/`, of the image being linked.

    Attributes
    ----------
    CONFIG_MEMCG
        A constant, as with the preprocessor; on v4.3 CONFIG_MEMCG_KMEM as well.
    trace_mm_page_free
        Test of that static key.
    patch_point
        The variant's check in free_pages_prepare.
    count_event, likely, unlikely, rare
        For user variants (`HELPERS`).
    """

    CONFIG_MEMCG: bool
    trace_mm_page_free: Callable[[], bool]
    patch_point: Step
    count_event: Callable[[int], None]
    likely: Callable[[bool], bool]
    unlikely: Callable[[bool], bool]
    rare: Callable[[], None]


def helpers(own: Mapping[str, str]) -> Mapping[str, str]:
    """Attribute of `kernel` that a check may use -> its description: a version's own, among what all have."""
    return {"CONFIG_MEMCG": "a constant: memcg is compiled in", **own, **HELPERS}


HELPERS: Final[Mapping[str, str]] = {
    "count_event": "(number): this CPU's counter 0 to 7, one addition without a lock prefix",
    "likely": "(condition) -> bool: as the kernel's",
    "unlikely": "(condition) -> bool: as the kernel's",
    "rare": "(): first in a short body that is seldom entered, else LLVM makes arithmetic of it",
}
