"""From Python functions to machine code. Nothing outside of this package imports Numba or LLVM.

`intrinsics`  what a kernel writes in assembly or with volatile: loads, locks, %gs, the time stamp
`function`    one Python function -> one real, not inlined function with the C calling convention
`jump_label`  a jump label in the code and an entry in the jump table
`slot`        the patch point of an exact arm
`namespace`   where an image's functions find its configuration
`insertion_points`  where a build may put NOPs
`emit`        functions -> position-independent machine code
`object_file`  LLVM's back end and its object files, without Numba
"""
