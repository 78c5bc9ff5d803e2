"""The forms of the patch point in v4.3's free_pages_prepare, one file each (model/kernels/variants.py).

A variant of v4.3 may also define `release_uncharge(kernel)`, the test in put_page and release_pages.
"""

from collections import ChainMap
from typing import Final

from model.kernels.kit.ladder import RUNGS, calibration, ladder
from model.kernels.v4_3.page import MAPCOUNT
from model.kernels.variants import find

# In the order of tables and figures: the reference, the history, the ladder.
FIRST = [
    *("base", "base-twin", "v1", "v1-ifdef", "v1-series", "v1-unlikely", "keyfirst", "memcg-data"),
    *("single-branch", "no-check"),
    *RUNGS,
]

VARIANTS = find(__name__, FIRST, ladder("_mapcount", MAPCOUNT))
CALIBRATION = calibration()
variant_called: Final = ChainMap(VARIANTS, CALIBRATION).__getitem__
"""A variant by name; those that users bring are in the first of the two."""
