"""First rung of the ladder: load `_mapcount`, and do nothing with it.

Exact: every other instruction is base's.
Expect: one instruction more, from a line that the refcount drop has just written.
"""

SUMMARY = "exact: base plus a load of _mapcount"
SLOTS = 1

exact_operation = "movl 24($0), %edx"
