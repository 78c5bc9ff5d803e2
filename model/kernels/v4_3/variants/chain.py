"""A known cost, to check the instrument: k dependent additions that overlap with nothing.

Not a form of the patch: only `python -m benchmarks --calibrate` measures it. Two lfence keep the chain from
overlapping with the path around it, so each addition costs its latency, one cycle.
Expect: time linear in k, with a slope of one cycle.
"""

SUMMARY = "calibration: k dependent additions between two lfence"
FAMILY = (0, 1, 2, 4, 8, 256)


def exact_operation_of(length: int) -> str:
    """Assembly of a chain of so many additions."""
    return "\n".join(["lfence", *["addl $$1, %edx"] * length, "lfence"])
