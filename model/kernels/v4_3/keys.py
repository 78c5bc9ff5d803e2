"""The static keys that the jump table of an image may name."""

from typing import Final

KEYS: Final = {"memcg_kmem_enabled": 1, "trace_mm_page_free": 2}
"""Name (also of the count in the %gs area) to its number in the jump table."""
