"""First rung of the ladder: load `_mapcount` and do not use it.

Exact: every other instruction is base's.
Expect: one instruction more, from a line that the refcount drop has just written.
"""

from model.kernels.v4_3.page import MAPCOUNT

SUMMARY = "exact: base plus a load of _mapcount"
SLOTS = 1

exact_operation = f"movl {MAPCOUNT}($0), %edx"
