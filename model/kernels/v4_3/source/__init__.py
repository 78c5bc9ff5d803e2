"""v4.3's functions, as they are compiled. Only `model.kernels` imports this, in the compiling process.

`records`      views of memory as the kernel's structures, and the %gs area
`linkage`      the decorators that register a function
`report` ... `loops`  the steps, in files named as the kernel's
`link`         sets the configuration of one image

The files are imported in this order, to register their functions; it is their order in every image.
"""

# ruff: noqa: F401, I001
from model.kernels.v4_3.source import report, page_counter, buddy, memcontrol, page_alloc, swap, loops
from model.kernels.v4_3.source import alloc
