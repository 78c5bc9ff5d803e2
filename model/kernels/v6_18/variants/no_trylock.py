"""Only preemption off around the per-CPU lists: unsafe in a kernel, and a measure of the lock's cost.

Kernel: v6.18 without `pcp_spin_trylock` and its unlock; an interrupt that frees a page would break the lists.
Expect: one locked compare-and-exchange fewer, two calls, and four changes of the preemption count.
"""

SUMMARY = "removes: the trylock of the per-CPU lists (unsafe in a kernel)"
GUARD = "preempt"
