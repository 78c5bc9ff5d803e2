"""Without the test for charged kernel memory, and without its static key.

Kernel: v6.18 without `memcg_kmem_online() && folio_memcg_kmem()` in free_pages_prepare.
Left out: charged pages would stay charged.
Expect: with the key disabled one jump fewer; enabled, as with systemd, eight instructions and two loads.
"""

from collections.abc import Callable
from typing import Any

SUMMARY = "removes: the memcg test and its key"


def memcg_step(kernel: Any) -> Callable[[Any, int], None]:
    """Nothing."""

    def no_memcg(page: Any, order: int) -> None:
        pass

    return no_memcg
