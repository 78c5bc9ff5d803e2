"""No free_pages_check at all, neither on the free nor at the drain; the flags are wiped all the same.

Kernel: v4.3 without what 700d2e9a36b9 turned off by default in v6.4 (a static key there, nothing here).
Expect: some 20 instructions fewer; what they load lies in the line that the free writes anyway.
"""

SUMMARY = "free_pages_check left out: the default since v6.4"
CHECKS = "off"
