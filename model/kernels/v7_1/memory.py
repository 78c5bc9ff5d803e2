"""The memory of a machine with v7.1: v6.18's, with other names and sizes of a few fields."""

from pathlib import Path
from typing import Final

from model.kernels.kit.layout import layouts_of
from model.kernels.v6_18 import memory as v6_18
from model.kernels.v6_18.memcg import group_parts

LAYOUTS: Final = layouts_of(Path(__file__).parent)
STRUCT_PAGE: Final = LAYOUTS["default"].record("struct page")
"""One `struct page`: v6.18's, but for the word at 8, `compound_info`. Of a tail page it is a mask with bit 0
set, the same for all tail pages of one order; bit 0 says "tail" as before."""
VMSTATS_PERCPU: Final = LAYOUTS["default"].record("struct memcg_vmstats_percpu")
STRUCT_OBJ_CGROUP: Final = LAYOUTS["default"].record("struct obj_cgroup")
OF_A_GROUP: Final = group_parts(VMSTATS_PERCPU, STRUCT_OBJ_CGROUP)
"""`GROUP_PARTS` of v6.18, where updates of statistics are counted in 8 bytes and an obj_cgroup knows whether
it is the root's."""


class Memory(v6_18.Memory):
    """All the memory that the free path can touch."""

    page_type = STRUCT_PAGE
    group_type = OF_A_GROUP
    info = "compound_info"
