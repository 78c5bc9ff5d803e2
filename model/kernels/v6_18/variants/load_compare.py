"""Second rung: load `page_type`, compare it, branch if equal (never, here): one more test of today's kind.

Exact: every other instruction is base's; what the branch leads to lies out of line.
Expect: what the next test of this shape would cost everybody.
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
