"""Preemption off and nothing else around the per-CPU lists: what no kernel may do, and what the lock is over.

Kernel: v6.18 less `pcp_spin_trylock` and its unlock; an interrupt that frees a page would break the lists.
Expect: one locked compare-and-exchange fewer, two calls, and four changes of the preemption count.
"""

SUMMARY = "takes away: the trylock of the per-CPU lists, which must not be"
GUARD = "preempt"
