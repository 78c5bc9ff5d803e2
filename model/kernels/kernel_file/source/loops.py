"""The timed loops for a kernel file. `free` stands for the kernel's function, which is joined in later."""

from typing import Any, Final

from model.compiler.function import Entries, Linkage
from model.compiler.intrinsics import I64_TYPE, store_64
from model.compiler.namespace import Namespace
from model.kernels.kernel_file.batches import BATCH_BYTES, FOLIOS
from model.kernels.loops import TimedLoops, timed_batch

LINKAGE: Final = Linkage(Namespace("kernel"))


@LINKAGE.kernel_function
def free(page: int, order: int) -> None:
    """Never runs: a call of it becomes a call of the kernel's function, which takes the same arguments."""
    store_64(page, order)


@LINKAGE.static_inline
def as_it_is(page: int) -> int:
    """The kernel's functions take a page's address."""
    return page


@LINKAGE.static_inline
def put_folios(batch: int, size: int) -> None:
    """folios_put_refs takes a batch and an array of counts; without one, a reference of each folio goes."""
    free(batch, 0)


TIMED: Final = TimedLoops(LINKAGE, as_it_is)
LOOPS: Final[Entries] = {
    **TIMED.one_by_one({"free": free}, {"release_pages": (free, FOLIOS)}),
    "time_folios_put_refs": (I64_TYPE,),
}
timed_batch(LINKAGE, TIMED.restore, "time_folios_put_refs", put_folios, FOLIOS, BATCH_BYTES // FOLIOS)


def link(spec: Any) -> Entries:
    """The entries of the one image that there is."""
    return {**LOOPS, "free": (I64_TYPE, I64_TYPE)}
