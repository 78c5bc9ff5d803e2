"""Bytes of a jump label."""

from typing import Final

NOP5: Final = bytes([0x0F, 0x1F, 0x44, 0x00, 0x00])
JMP_REL32: Final = 0xE9
SITE_BYTES: Final = 5
