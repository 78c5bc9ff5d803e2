"""Today's path as it is: the memcg test behind its key, the page type test, the wipe, the trylock.

Kernel: v6.18, mm/page_alloc.c. Every test of the path stays; nothing is added at the patch point.
Expect: the reference. Most other variants take a step away, so what that step costs is a negative number.
"""

SUMMARY = "the kernel as it is"
