"""Without the store to `page->private` that every free makes since v7.0, and in every stable series.

Kernel: v7.1 without the store of commit ac1ea219590c (Gavrilov, February 2026; no cost is given).
Left out: a block of an order above 0 could be split with an old value in it.
Expect: one instruction and one store fewer, to a line that is dirty anyway.
"""

SUMMARY = "removes: the store to page->private"
PRIVATE = "never"
