"""The static keys that the jump table of an image may name."""

from typing import Final

KEYS: Final = {"memcg_kmem_enabled": 1, "trace_mm_page_free": 2}
"""Name (also of the count in the %gs area) to its number in the jump table."""

NOP5: Final = bytes([0x0F, 0x1F, 0x44, 0x00, 0x00])
JMP_REL32: Final = 0xE9
SITE_BYTES: Final = 5
