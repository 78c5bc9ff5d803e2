"""Every page straight to the buddy, as v7.1 frees on a kernel for one CPU.

Kernel: v7.1 without SMP, where the trylock of the per-CPU lists is the constant NULL. The zone's lock is
taken here, as with SMP; a kernel for one CPU has none. So this is an upper bound of such a free.
Expect: half as many instructions again, and merges; compare at depth full, where lists are drained.
"""

SUMMARY = "replaces: the per-CPU lists by the buddy, under the zone's lock"
LISTS = "none"
