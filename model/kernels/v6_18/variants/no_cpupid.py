"""Without the reset of the last cpupid, which NUMA balancing added; the wipe stays.

Kernel: v6.18 without `page_cpupid_reset_last()`; the default configuration has none, so there this is base.
Expect: a constant and an OR fewer.
"""

SUMMARY = "removes: the reset of the last cpupid"
LEFT_OUT = ("cpupid",)
