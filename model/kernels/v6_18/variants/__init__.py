"""The variants of v6.18, one file each (model/kernels/variants.py).

Base is the kernel as it is, and most variants remove or replace a step, so their overhead is negative where
the step costs something. A variant may also define what `STEPS` and `SWITCHES` of `namespace` say.
"""

from collections import ChainMap
from typing import Final

from model.kernels.kit.ladder import RUNGS, calibration, ladder
from model.kernels.v6_18.page import PAGE_TYPE
from model.kernels.variants import find

FIRST = [
    *("base", "base-twin"),
    *("no-type-test", "type-store"),
    *("memcg-off", "memcg-direct", "memcg-flag-first"),
    *("no-wipe", "no-cpupid", "no-trylock", "irq-off", "check-pages", "list-check", "stable"),
    *RUNGS,
]

VARIANTS = find(__name__, FIRST, ladder("page_type", PAGE_TYPE))
CALIBRATION = calibration()
variant_called: Final = ChainMap(VARIANTS, CALIBRATION).__getitem__
"""A variant by name; those that users bring are in the first of the two."""
