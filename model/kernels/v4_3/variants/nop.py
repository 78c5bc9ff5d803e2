"""Only the 5-byte NOP of a jump label whose key is disabled.

Kernel: the cost of a static key for a path that does not use it. Exact: every other instruction is base's.
Expect: one instruction more; no measurable time.
"""

SUMMARY = "exact: the 5-byte NOP of a jump label, nothing else"
SLOTS = 1

exact_operation = ".byte 0x0f,0x1f,0x44,0x00,0x00"
