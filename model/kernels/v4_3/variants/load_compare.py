"""Second rung: load `_mapcount`, compare it with the kmem mark, branch if equal (never, here).

Exact: every other instruction is base's; the branch target is out of line.
Expect: the cost of v1's test without the compiler's new layout around it.
"""

from model.kernels.v4_3.page import MAPCOUNT

SUMMARY = "exact: base plus load, comparison and branch"
SLOTS = 2  # comparison and branch are fused

# The branch must lead somewhere: out of line, and back.
exact_operation = f"""movl {MAPCOUNT}($0), %edx
cmpl $$-512, %edx
je 2f
1:
.subsection 1
2: jmp 1b
.subsection 0"""
