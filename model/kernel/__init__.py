"""The kernel's functions, compiled by Numba. Nothing outside this package imports Numba.

`primitives`  what the kernel writes in assembly or with volatile: loads, locks, %gs, the time stamp
`function`    one Python function -> one real, not inlined function with the C calling convention
`static_key`  a jump label in the code and an entry in the jump table
`namespace`   the namespace that stands for the kernel's linkage: configuration, then functions
`page_alloc`, `buddy`, `memcontrol`, `swap`, `alloc`  the steps, named as in the kernel
`passes`      the timed loops
`emit`        functions -> position-independent machine code
"""
