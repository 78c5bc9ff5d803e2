"""v6.18's functions, as they are compiled. Only `model.kernels` imports this, in the compiling process.

The files are imported in this order, to register their functions; it is their order in every image.
"""

# ruff: noqa: F401, I001
from model.kernels.v6_18.source import report, preempt, vmstat, pageblock, page_counter, memcontrol
from model.kernels.v6_18.source import buddy, pcp, steps, tails, page_alloc, slub, swap, loops
