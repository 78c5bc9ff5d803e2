"""The layout floor: one NOP of 1 to 9 bytes, so the same dispatch slot with other bytes.

Not a form of the patch: only `python -m benchmarks --calibrate` measures it. The code behind the NOP is
shifted by another distance in each, as between arms of different length. The A/A control, byte for byte the
same as base, cannot show the effect of that.
Expect: equal means over builds; their spread is the layout floor.
"""

SUMMARY = "calibration: one NOP of so many bytes"
FAMILY = (1, 2, 3, 4, 5, 6, 7, 8, 9)
SLOTS = 1

NOPS = {
    1: "0x90",
    2: "0x66,0x90",
    3: "0x0f,0x1f,0x00",
    4: "0x0f,0x1f,0x40,0x00",
    5: "0x0f,0x1f,0x44,0x00,0x00",
    6: "0x66,0x0f,0x1f,0x44,0x00,0x00",
    7: "0x0f,0x1f,0x80,0,0,0,0",
    8: "0x0f,0x1f,0x84,0,0,0,0,0",
    9: "0x66,0x0f,0x1f,0x84,0,0,0,0,0",
}


def exact_operation_of(length: int) -> str:
    """Assembly of the NOP of this length (AMD64 manual, volume 3: recommended multi-byte NOPs)."""
    return f".byte {NOPS[length]}"
