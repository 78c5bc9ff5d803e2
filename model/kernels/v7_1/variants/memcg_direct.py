"""The memcg test on the page itself, without the look-up of its folio.

Kernel: v7.1 with `page->memcg_data` in the place of `page_folio(page)->memcg_data`; only a head is freed.
Expect: with the key enabled six instructions and one load fewer, and a load that waits for no other.
"""

from model.kernels.v6_18.variants.memcg_direct import SUMMARY, memcg_step

__all__ = ["SUMMARY", "memcg_step"]
