"""Linux v4.3: the free path of September 2015, in one folder. `KERNEL` is its interface.

`page`, `zone`, `memcg`   the structures, byte for byte; `layout/` has their offsets
`source/`                 the functions, as they are compiled
`variants/`               the forms of the patch point
`memory`, `machine`       a machine whose memory a benchmark or a test can set up and read
`start`                   start states: which pages are freed, in which order
`oracle`                  the same in plain Python

kernel-map.md maps each function to the kernel's and says what is simplified.
"""
