"""A full list drained under one lock of the zone, as up to v6.18.

Kernel: v7.1 with v6.18's drain in free_frozen_page_commit: no slices of 63 pages. The test whether the lists'
lock is still held stays.
Expect: at depth full 31 pairs of locks fewer in 2016 frees; else nothing.
"""

SUMMARY = "replaces: drains in slices by one drain under one lock"
DRAIN = "whole"
