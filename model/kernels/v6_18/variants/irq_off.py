"""v4.3's guard on the v6.18 path, without its cli: flags saved by pushf and restored by popf, no lock.

Kernel: v6.18 with `local_irq_save` and `local_irq_restore` as v4.3 has them, in the place of preempt_disable
and the trylock. Left out: `cli`, which user space may not execute. So this is cheaper than v4.3's guard, and
base beside it gives a bound: where this costs more than the lock, v4.3's guard does too.
Not measured: what disabling interrupts costs today. Since v5.12 the kernel restores by a test of the saved
flag and `sti`, without popf, and popf is what is slow here (docs/kernel-facts/v6.18-path.md, section 3).
Nothing turns interrupts off in user space: the name is that of v4.3's guard.
Expect: no locked instruction and no call; popf takes 20 cycles and more.
"""

SUMMARY = "replaces: trylock by pushf and popf, v4.3's guard without its cli"
GUARD = "irq-off"
