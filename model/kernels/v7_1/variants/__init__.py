"""The variants of v7.1: those of v6.18 that hold here, and one file for each of its own.

A variant of v7.1 may also define what one of v6.18 may (model/kernels/v6_18/namespace.py), and what
`SWITCHES` says.
"""

from collections import ChainMap
from collections.abc import Mapping
from typing import Final

from model.kernels.kit.borrow import borrowed
from model.kernels.kit.ladder import RUNGS, calibration, ladder
from model.kernels.offer import Switch
from model.kernels.v6_18 import variants as v6_18
from model.kernels.v6_18.page import PAGE_TYPE
from model.kernels.variants import find

FIRST = [
    *("base", "base-twin"),
    *("no-private", "private-conditional", "head-branch", "head-direct", "whole-drain", "to-buddy"),
    *("one-slot", "random-victim"),
    *("no-type-test", "type-store"),
    *("memcg-off", "memcg-direct", "memcg-flag-first"),
    *("no-wipe", "no-cpupid", "no-trylock", "irq-off", "check-pages", "list-check"),
    *RUNGS,
]
BORROWED: Final[Mapping[str, str]] = {
    **dict.fromkeys(["no-type-test", "type-store", "memcg-flag-first"], ""),
    "memcg-off": "with the key disabled one jump fewer; enabled, as with systemd, nine instructions and two "
    "loads.",
    "memcg-direct": "with the key enabled six instructions and one load fewer; the other waits for none.",
    **dict.fromkeys(["no-wipe", "no-cpupid", "no-trylock", "irq-off", "check-pages", "list-check"], ""),
}
"""Variant of v6.18 -> what to expect of it here, where that differs."""
SWITCHES: Final = {
    "HEAD": Switch(
        "how the head of a page is found: mask, branch (v6.18's, with its key) or direct (not at all)",
        ("mask", "branch", "direct"),
    ),
    "DRAIN": Switch("slices, or whole: drained under one lock", ("slices", "whole")),
    "LISTS": Switch("`per CPU`, or none: every page goes to the buddy", ("per CPU", "none")),
    "STOCK": Switch("how many cgroups a CPU's stock of pages has room for: seven or one", ("seven", "one")),
}
"""Constant of a variant -> what it chooses, beside those of v6.18, and its values."""

_BORROWED = borrowed(v6_18.VARIANTS, BORROWED, "v6.18", "v7.1")
VARIANTS = find(__name__, FIRST, [*ladder("page_type", PAGE_TYPE), *_BORROWED.values()])
CALIBRATION = calibration()
variant_called: Final = ChainMap(VARIANTS, CALIBRATION).__getitem__
"""A variant by name; those that users bring are in the first of the two."""
