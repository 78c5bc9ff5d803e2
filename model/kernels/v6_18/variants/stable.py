"""What stable releases of v6.18 took from v7.0 and v7.1: page->private is cleared on every free.

Kernel: a v6.18.y of 2026 beside the v6.18.2 of base. `page->private = 0` was posted for v6.18.y on
28 February 2026 (20260228174750.1542406-709-sashal@kernel.org); the stock's slot to drain is chosen round
robin since v6.18.36 (CVE-2026-53162), which only a charged page with a full stock executes.
Expect: one instruction and one store more, to a line that is dirty anyway.
"""

SUMMARY = "adds: the store to page->private and the round robin of stable releases"
PRIVATE = "always"
VICTIM = "round robin"
