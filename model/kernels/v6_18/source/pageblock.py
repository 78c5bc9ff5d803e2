"""The migratetype of a pageblock (mm/page_alloc.c, v6.18)."""

from model.compiler.intrinsics import likely, load_64, rare, unlikely
from model.kernels.kit.memory import SECTION_BYTES, SECTION_SHIFT, SECTIONS_PER_ROOT_SHIFT
from model.kernels.v6_18.source.linkage import kernel, kernel_function
from model.kernels.v6_18.source.records import this_cpu_read
from model.kernels.v6_18.zone import ISOLATED, SECTION_ROOTS, USAGE_BITMAP, Migratetype

HIGHATOMIC, CMA, ISOLATE = (int(Migratetype[name]) for name in ("HIGHATOMIC", "CMA", "ISOLATE"))
ROOT_MASK = (1 << SECTIONS_PER_ROOT_SHIFT) - 1


@kernel_function
def get_pfnblock_migratetype(pfn: int) -> int:
    """The pageblock's type: four dependent loads, none of them in the page's line."""
    roots = this_cpu_read("mem_section")
    number = pfn >> SECTION_SHIFT
    usage = 0
    if likely(number >> SECTIONS_PER_ROOT_SHIFT < SECTION_ROOTS and roots != 0):
        root = load_64(roots + (number >> SECTIONS_PER_ROOT_SHIFT) * 8)
        if likely(root != 0):
            usage = load_64(root + (number & ROOT_MASK) * SECTION_BYTES + 8)
    bit = ((pfn >> 9) & 63) * kernel.BLOCK_BITS
    word = load_64(usage + USAGE_BITMAP + (bit >> 6) * 8) >> (bit & 63)
    if kernel.CONFIG_ISOLATION and unlikely(word & ISOLATED != 0):
        rare()
        return ISOLATE
    return word & 7
