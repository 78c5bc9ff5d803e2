"""No free_pages_check, neither on the free nor at the drain; the flags are still wiped.

Kernel: v4.3 without the check that 700d2e9a36b9 disabled by default in v6.4 (by a static key there).
Expect: about 20 instructions fewer; their loads are in the line that the free writes anyway.
"""

SUMMARY = "free_pages_check left out: the default since v6.4"
CHECKS = "off"
