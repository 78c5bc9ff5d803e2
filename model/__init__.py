"""What the kernel does when a page is freed, in compiled code and in plain Python.

`page`, `zone`, `memcg`   the kernel's structures, byte for byte
`variants/`               the forms of the patch point, one file each
`kernel/`                 the functions, compiled by Numba; nothing else here imports Numba
`build`, `text`           compiled code: cached on disk, copied into memory, patched by static keys
`memory`, `machine`       a machine whose memory a benchmark or a test can set up and read
`oracle`                  the same in slow and obvious Python

docs/kernel-map.md maps each function to the kernel's and says what is simplified.
"""
