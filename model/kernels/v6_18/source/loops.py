"""The ways in which the timed loops free a page of v6.18."""

from typing import Final

from model.compiler.function import Entries
from model.compiler.intrinsics import I64_TYPE, record_type
from model.kernels.loops import TimedLoops
from model.kernels.v6_18.page import STRUCT_PAGE
from model.kernels.v6_18.source.linkage import LINKAGE
from model.kernels.v6_18.source.page_alloc import __free_pages
from model.kernels.v6_18.source.records import page_at
from model.kernels.v6_18.source.slub import kfree
from model.kernels.v6_18.source.swap import folios_put_refs, put_page

BATCH: Final = 16
"""Folios per call of folios_put_refs, as v4.3's release_pages is timed; a batch has up to 31."""
TIMED: Final = TimedLoops(LINKAGE, page_at)
WAYS: Final = {"free_pages": __free_pages, "put_page": put_page, "kfree": kfree}
LOOPS: Final = TIMED.one_by_one(WAYS, {"folios_put_refs": (folios_put_refs, BATCH)})
APART: Final = TIMED.apart({"free_pages": __free_pages})
FREES: Final[Entries] = {
    **dict.fromkeys(["__free_pages", "put_page", "kfree"], (record_type(STRUCT_PAGE), I64_TYPE)),
    "folios_put_refs": (I64_TYPE, I64_TYPE),
}
OF_ENTRY: Final = {entry: f"time_{entry.strip('_')}" for entry in FREES}
"""Entry -> its timed loop."""
