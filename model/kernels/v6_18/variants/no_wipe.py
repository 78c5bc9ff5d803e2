"""Without the wipe of `flags`: the page keeps its bits.

Kernel: v6.18 without `page->flags &= ~PAGE_FLAGS_CHECK_AT_PREP`. With NUMA balancing the reset of the last
cpupid stays, and with it the store.
Expect: two instructions fewer, and without NUMA balancing one store fewer.
"""

SUMMARY = "removes: the wipe of page->flags"
LEFT_OUT = ("wipe",)
