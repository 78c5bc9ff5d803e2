"""Second rung: load `page_type`, compare it, branch if equal (never, here): one more test like v6.18's.

Exact: every other instruction is base's; the branch target is out of line.
Expect: the cost of one more test of this form for every free.
"""

from model.kernels.v6_18.page import PAGE_TYPE

SUMMARY = "exact, adds: load, comparison and branch"
SLOTS = 2  # comparison and branch are fused

exact_operation = f"""movl {PAGE_TYPE}($0), %edx
cmpl $$-512, %edx
je 2f
1:
.subsection 1
2: jmp 1b
.subsection 0"""
