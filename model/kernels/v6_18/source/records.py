"""Views of memory as v6.18's structures, and its %gs area."""

from typing import Final

from model.compiler.area import Area
from model.compiler.intrinsics import record_at
from model.kernels.v6_18.memcg import (
    STRUCT_MEM_CGROUP,
    STRUCT_OBJ_CGROUP,
    STRUCT_PAGE_COUNTER,
    TASK,
    VMSTATS_PERCPU,
)
from model.kernels.v6_18.page import STRUCT_PAGE
from model.kernels.v6_18.zone import CPU_AREA, STRUCT_PCP

page_at = record_at(STRUCT_PAGE, "page_at")
pcp_at = record_at(STRUCT_PCP, "pcp_at")
mem_cgroup_at = record_at(STRUCT_MEM_CGROUP, "mem_cgroup_at")
obj_cgroup_at = record_at(STRUCT_OBJ_CGROUP, "obj_cgroup_at")
page_counter_at = record_at(STRUCT_PAGE_COUNTER, "page_counter_at")
vmstats_percpu_at = record_at(VMSTATS_PERCPU, "vmstats_percpu_at")
task_at = record_at(TASK, "task_at")

AREA: Final = Area(CPU_AREA)
this_cpu_read, this_cpu_write, this_cpu_add = AREA.read, AREA.write, AREA.add
global_read, this_cpu_inc = AREA.element, AREA.add_one_to
preempt_inc, preempt_dec_and_test = AREA.inc, AREA.dec_and_test
