"""Without the test for kernel memory that is charged, and without its key's site.

Kernel: v6.18 less `memcg_kmem_online() && folio_memcg_kmem()` in free_pages_prepare.
Left out: charged pages would stay charged.
Expect: with the key off one jump fewer; with the key on, as systemd leaves it, eight and two loads.
"""

from collections.abc import Callable
from typing import Any

SUMMARY = "takes away: the memcg test and its key"


def memcg_step(kernel: Any) -> Callable[[Any, int], None]:
    """Nothing."""

    def no_memcg(page: Any, order: int) -> None:
        pass

    return no_memcg
