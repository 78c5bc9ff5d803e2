"""Only the 5-byte NOP of a jump label that is off.

Kernel: what one more static key costs a path that does not use it. Exact: every other instruction is base's.
Expect: one instruction more; in time, nothing that can be seen.
"""

SUMMARY = "exact, adds: the 5-byte NOP of a jump label, nothing else"
SLOTS = 1

exact_operation = ".byte 0x0f,0x1f,0x44,0x00,0x00"
