"""The same source as base, compiled once more: its "overhead" is the noise floor.

Expect: zero. What it differs from zero by is what this machine cannot tell.
"""

SUMMARY = "base, compiled separately: the noise floor"
