"""v4.3's guard on the v6.18 path, without its cli: flags saved by pushf and restored by popf, no lock.

Kernel: v6.18 with v4.3's `local_irq_save` and `local_irq_restore` in the place of preempt_disable and the
trylock. Left out: `cli`, which user space may not execute. So this is a lower bound of v4.3's guard: where
it costs more than base's lock, v4.3's guard does too.
Not measured: the cost of disabling interrupts in v6.18. Since v5.12 the kernel restores by a test of the
saved flag and `sti`, without popf, the slow instruction here (docs/kernel-facts/v6.18-path.md, section 3).
Interrupts stay on in user space; the variant has the name of v4.3's guard.
Expect: no locked instruction and no call; popf takes 20 cycles or more.
"""

SUMMARY = "replaces: trylock by pushf and popf, v4.3's guard without its cli"
GUARD = "irq-off"
