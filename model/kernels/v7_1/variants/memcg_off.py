"""Without the test for charged kernel memory, and without its static key.

Kernel: v7.1 without `memcg_kmem_online() && folio_memcg_kmem()` in free_pages_prepare.
Left out: charged pages would stay charged.
Expect: with the key disabled one jump fewer; enabled, as with systemd, nine instructions and two loads.
"""

from model.kernels.v6_18.variants.memcg_off import SUMMARY, memcg_step

__all__ = ["SUMMARY", "memcg_step"]
