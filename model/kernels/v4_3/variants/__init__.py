"""The forms of the patch point in v4.3's free_pages_prepare, one file each (model/kernels/variants.py).

A variant of v4.3 may also define `release_uncharge(kernel)`, the test in put_page and release_pages.
"""

from model.kernels.kit.ladder import RUNGS, calibration, ladder
from model.kernels.v4_3.page import MAPCOUNT
from model.kernels.variants import Variant, find

# In the order of tables and figures: the reference, the history, the ladder.
FIRST = [
    *("base", "base-twin", "v1", "v1-ifdef", "v1-series", "v1-unlikely", "keyfirst", "memcg-data"),
    *("single-branch", "no-check"),
    *RUNGS,
]

VARIANTS = find(__name__, FIRST, ladder("_mapcount", MAPCOUNT))
CALIBRATION = calibration()


def variant_called(name: str) -> Variant:
    """A form of the patch point, or a calibration's chain, by name."""
    return VARIANTS.get(name) or CALIBRATION[name]
