"""Linux v7.1 on x86-64: what its free path does otherwise than v6.18's (`model.kernels.v6_18`).

    layout/, memory   the structures, of which three differ
    machine, start, path, scenarios, modelled   v6.18's, with these structures and without the HVO key
    source/      the steps that are others: the head by a mask, drains in slices, statistics of 8 bytes
    variants/    those of v6.18 that hold here, and those about these steps
    oracle       the differences in plain Python

kernel-map.md says function by function what was left out.
"""

from typing import Final

DIFFERS_FROM: Final = "v6.18"
"""The version whose files this one's may know, with those that it differs from in turn."""
