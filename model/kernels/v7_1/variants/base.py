"""The v7.1 path as it is: the head by a mask, private cleared, drains in slices.

Kernel: v7.1, mm/page_alloc.c. Every test of the path stays; nothing is added at the patch point.
Expect: the baseline. Most other variants remove or replace a step; the cost of that step is the negative of
their overhead.
"""

SUMMARY = "the kernel as it is"
