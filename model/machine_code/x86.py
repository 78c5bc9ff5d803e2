"""Bytes of jumps and of a jump label."""

from typing import Final

NOP5: Final = bytes([0x0F, 0x1F, 0x44, 0x00, 0x00])
JMP_REL8: Final = 0xEB
JMP_REL32: Final = 0xE9
TWO_BYTES: Final = 0x0F
"""First byte of an instruction with an opcode of two, such as a conditional jump that reaches far."""
SITE_BYTES: Final = 5
