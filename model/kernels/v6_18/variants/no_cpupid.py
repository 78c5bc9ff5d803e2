"""Without the reset of the last cpupid, which NUMA balancing added; the wipe stays.

Kernel: v6.18 less `page_cpupid_reset_last()`; in the default configuration there is none, and this is base.
Expect: a constant and an OR fewer.
"""

SUMMARY = "takes away: the reset of the last cpupid"
LEFT_OUT = ("cpupid",)
