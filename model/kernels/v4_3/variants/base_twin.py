"""The A/A control: the same source as base, compiled once more. Its "overhead" sets the noise floor.

Expect: zero. The measured difference is noise.
"""

SUMMARY = "A/A control: base compiled once more, which sets the noise floor"
