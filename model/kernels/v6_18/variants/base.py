"""The v6.18 path as it is: the memcg test behind its key, the page type test, the wipe, the trylock.

Kernel: v6.18, mm/page_alloc.c. Every test of the path stays; nothing is added at the patch point.
Expect: the baseline. Most other variants remove a step; the cost of that step is their negative overhead.
"""

SUMMARY = "the kernel as it is"
