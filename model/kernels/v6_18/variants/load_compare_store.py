"""Third rung: load, compare, branch, and store -1, for every page.

Exact: every other instruction is base's. The page holds -1 already; the store writes it again.
Expect: the whole of "load + comparison + store", on the v6.18 path.
"""

from model.kernels.v6_18.page import PAGE_TYPE

SUMMARY = "exact, adds: load, comparison, branch and a store, always executed"
SLOTS = 3

exact_operation = f"""movl {PAGE_TYPE}($0), %edx
cmpl $$-1, %edx
jne 1f
movl $$-1, {PAGE_TYPE}($0)
1:"""
