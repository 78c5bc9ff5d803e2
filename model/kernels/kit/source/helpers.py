"""Compiled functions that are alike on every version; imports the compiler."""

from typing import Any

from model.compiler.area import Area
from model.compiler.function import Linkage
from model.compiler.intrinsics import address_of, likely, rare, unlikely, write_once
from model.kernels.offer import EVENTS
from model.kernels.variants import Variant


def add_helpers(linkage: Linkage, this_cpu_inc: Any) -> None:
    """Give a version's namespace what a check may call on every kernel.

    Parameters
    ----------
    this_cpu_inc
        Adds one to an element of a field of the version's %gs area, which has a field `events`.
    """

    @linkage.static_inline
    def count_event(number: int) -> None:
        """Add one to one of this CPU's counters, for any number."""
        this_cpu_inc("events", number & (EVENTS - 1))

    namespace: Any = linkage.namespace
    namespace.likely, namespace.unlikely, namespace.rare = likely, unlikely, rare


def step_of(linkage: Linkage, variant: Variant, name: str, usual: Any) -> Any:
    """The variant's own form of a step, which it makes of `kernel`, or the usual one."""
    own = getattr(variant.module, name, None)
    return usual if own is None else linkage.static_inline(own(linkage.namespace))


def bad_page_function(linkage: Linkage, area: Area, word: str, idle: int) -> Any:
    """The function that reports a page which must not be freed.

    Parameters
    ----------
    area
        The version's %gs area, with the fields of `model.kernels.kit.reason.REPORTED`.
    word, idle
        The word that says whether the page is a buddy, and its value in an idle page.
    """
    this_cpu_add, this_cpu_write = area.add, area.write

    @linkage.kernel_function
    def bad_page(page: Any, reason: int) -> None:
        """Report the page, and keep it from looking like a buddy."""
        this_cpu_add("bad_pages", 1)
        this_cpu_write("bad_page", address_of(page))
        this_cpu_write("bad_reason", reason)
        write_once(page, word, idle)

    return bad_page
