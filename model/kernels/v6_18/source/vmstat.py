"""Counters of zones and nodes: a signed byte of this CPU first (mm/vmstat.c, v6.18)."""

from model.compiler.area import this_cpu_read_s8_at, this_cpu_write_8_at
from model.compiler.intrinsics import atomic_long_add_return, load_once_64, rare, unlikely
from model.kernels.v6_18.source.linkage import kernel, kernel_function
from model.kernels.v6_18.source.records import this_cpu_read
from model.kernels.v6_18.zone import CPU_AREA, STRUCT_NODE

NODE_VM_STAT = int(STRUCT_NODE.fields["vm_stat"][1])  # type: ignore[index]
VM_ZONE_STAT, VM_NODE_STAT = (int(CPU_AREA.fields[f"vm_{of}_stat"][1]) for of in ("zone", "node"))  # type: ignore[index]
PAGE_SHIFT = 12


@kernel_function
def __mod_zone_page_state(zone: int, item: int, delta: int) -> None:
    """Add to this CPU's difference; beyond the threshold it goes to the zone and to the system."""
    stats = load_once_64(zone + kernel.ZONESTATS)
    total = delta + this_cpu_read_s8_at(stats + item)
    threshold = this_cpu_read_s8_at(stats + kernel.ZONE_THRESHOLD)
    if unlikely(total > threshold or total < -threshold):
        rare()
        atomic_long_add_return(zone + kernel.VM_STAT + 8 * item, total)
        atomic_long_add_return(this_cpu_read("this_cpu_off") + VM_ZONE_STAT + 8 * item, total)
        total = 0
    this_cpu_write_8_at(stats + item, total)


@kernel_function
def __mod_node_page_state(node: int, item: int, delta: int) -> None:
    """The same of a node; the item is in bytes, and is counted in pages."""
    stats = load_once_64(node)
    total = (delta >> PAGE_SHIFT) + this_cpu_read_s8_at(stats + 1 + item)
    threshold = this_cpu_read_s8_at(stats)
    if unlikely(total > threshold or total < -threshold):
        rare()
        atomic_long_add_return(node + NODE_VM_STAT + 8 * item, total)
        atomic_long_add_return(this_cpu_read("this_cpu_off") + VM_NODE_STAT + 8 * item, total)
        total = 0
    this_cpu_write_8_at(stats + 1 + item, total)
