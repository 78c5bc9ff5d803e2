"""What the kernel does when a page is freed, in compiled code and in plain Python.

Three layers:

`common/`, `vocabulary/`  import nothing of the project
`code/`, `compiler/`      machine code as bytes; and how it is made, the only place that imports Numba
`kernels/`                the kernel versions, one folder each
"""
