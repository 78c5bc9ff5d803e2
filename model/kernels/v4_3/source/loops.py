"""The ways in which the timed loops free a page of v4.3."""

from typing import Any, Final

from model.compiler.function import Entries
from model.compiler.intrinsics import I64_TYPE, record_type
from model.kernels.loops import TimedLoops
from model.kernels.v4_3.page import STRUCT_PAGE
from model.kernels.v4_3.source.linkage import LINKAGE, kernel_function, static_inline
from model.kernels.v4_3.source.page_alloc import (
    __free_kmem_pages,
    __free_pages,
    free_pages_prepare,
    put_page_testzero,
)
from model.kernels.v4_3.source.records import page_at
from model.kernels.v4_3.source.swap import put_page, release_pages

RELEASE_BATCH: Final = 16
"""Pages per call of release_pages, as docs/kernel-facts/v4.3-path.md, section 3.2, counts them; v4.3's
PAGEVEC_SIZE is 14."""
TIMED: Final = TimedLoops(LINKAGE, page_at)


@kernel_function
def prepare_only(page: Any, order: int) -> None:
    """Depth `prepare`: drop the reference and check, without the lists."""
    if put_page_testzero(page):
        free_pages_prepare(page, order)


@static_inline
def put_one_page(page: Any, order: int) -> None:
    """Adapt put_page, which finds the order itself."""
    put_page(page)


FREED: Final = {"free_pages": __free_pages, "free_kmem_pages": __free_kmem_pages}
LOOPS: Final = TIMED.one_by_one(
    {**FREED, "prepare": prepare_only, "put_page": put_one_page},
    {"release_pages": (release_pages, RELEASE_BATCH)},
)
APART: Final = TIMED.apart(FREED)
TOGETHER: Final = TIMED.together(FREED)
PAGE: Final = record_type(STRUCT_PAGE)
FREES: Final[Entries] = {
    **dict.fromkeys(["__free_pages", "__free_kmem_pages", "prepare_only"], (PAGE, I64_TYPE)),
    "put_page": (PAGE,),
    "release_pages": (I64_TYPE, I64_TYPE),
}
