"""Without the wipe of `flags`: what bits the page had, it keeps.

Kernel: v6.18 less `page->flags &= ~PAGE_FLAGS_CHECK_AT_PREP`. With NUMA balancing the reset of the last
cpupid stays, and with it the store.
Expect: two instructions fewer, and without NUMA balancing a store.
"""

SUMMARY = "takes away: the wipe of page->flags"
LEFT_OUT = ("wipe",)
