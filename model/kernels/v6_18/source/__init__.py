"""v6.18's functions, as they are compiled. Only `model.kernels` imports this, in the compiling process.

The files are imported in this order, and it is the order of the functions in every image.
"""

# ruff: noqa: I001
from model.kernels.v6_18.source import report, preempt, vmstat, pageblock, page_counter, memcontrol
from model.kernels.v6_18.source import buddy, pcp, steps, tails, page_alloc, slub, swap, loops

__all__ = [
    "buddy",
    "loops",
    "memcontrol",
    "page_alloc",
    "page_counter",
    "pageblock",
    "pcp",
    "preempt",
    "report",
    "slub",
    "steps",
    "swap",
    "tails",
    "vmstat",
]
