"""Third rung: load, compare, branch, and store -1: the worst case of the mail.

Exact: every other instruction is base's. The comparison is with -1, which an ordinary page holds, so the
store is executed; it writes -1 again.
Expect: the whole of "load + comparison + store", for every page.
"""

from model.kernels.v4_3.page import MAPCOUNT

SUMMARY = "exact: base plus load, comparison, branch and a store of -1, always executed"
SLOTS = 3

exact_operation = f"""movl {MAPCOUNT}($0), %edx
cmpl $$-1, %edx
jne 1f
movl $$-1, {MAPCOUNT}($0)
1:"""
