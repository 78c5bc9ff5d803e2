"""v6.18's functions, as they are compiled. Only `model.kernels` imports this, in the compiling process.

The files are imported in this order, and it is the order of the functions in every image.
"""

# ruff: noqa: I001
from model.kernels.v6_18.source import report, steps, pcp, page_alloc, swap, loops

__all__ = ["loops", "page_alloc", "pcp", "report", "steps", "swap"]
