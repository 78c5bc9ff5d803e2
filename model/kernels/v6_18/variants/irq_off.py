"""v4.3's guard on today's path: interrupts saved and restored around the lists, no lock.

Kernel: v6.18 with local_irq_save and local_irq_restore in the place of preempt_disable and the trylock.
Left out: `cli`, which user space may not execute. So this is too cheap, and the difference to base says at
least how much the lock costs over pushf and popf alone.
Expect: no locked instruction and no call; popf is slow on most CPUs.
"""

SUMMARY = "replaces: trylock by the guard of v4.3, without its cli"
GUARD = "irq-off"
