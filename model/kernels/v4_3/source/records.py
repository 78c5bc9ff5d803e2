"""Views of memory as v4.3's structures, and its %gs area."""

from typing import Final

from model.compiler.area import Area
from model.compiler.intrinsics import record_at
from model.kernels.v4_3.memcg import STRUCT_MEM_CGROUP, STRUCT_PAGE_COUNTER
from model.kernels.v4_3.page import STRUCT_PAGE
from model.kernels.v4_3.zone import CPU_AREA, STRUCT_PCP, STRUCT_ZONE

page_at = record_at(STRUCT_PAGE, "page_at")
zone_at = record_at(STRUCT_ZONE, "zone_at")
pcp_at = record_at(STRUCT_PCP, "pcp_at")
mem_cgroup_at = record_at(STRUCT_MEM_CGROUP, "mem_cgroup_at")
page_counter_at = record_at(STRUCT_PAGE_COUNTER, "page_counter_at")

AREA: Final = Area(CPU_AREA)
this_cpu_read, this_cpu_write, this_cpu_add = AREA.read, AREA.write, AREA.add
global_read, this_cpu_inc = AREA.element, AREA.add_one_to
