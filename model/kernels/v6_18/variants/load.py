"""First rung: load `page_type` and do not use it.

Exact: every other instruction is base's.
Expect: one load from a line that is in the first-level cache.
"""

from model.kernels.v6_18.page import PAGE_TYPE

SUMMARY = "exact, adds: one load"
SLOTS = 1

exact_operation = f"movl {PAGE_TYPE}($0), %edx"
