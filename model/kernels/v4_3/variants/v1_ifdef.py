"""v1 under CONFIG_MEMCG_KMEM, as the author proposed in his reply.

Kernel: as v1, compiled only with CONFIG_MEMCG_KMEM.
Expect: with memcg off the code of base, instruction for instruction; otherwise that of v1.
"""

from model.kernels.v4_3.variants import v1

SUMMARY = "v1 under CONFIG_MEMCG_KMEM: nothing when off"
GATED = True
NEEDS_MEMCG = True
MARKS = "always"

patch_point = v1.patch_point
