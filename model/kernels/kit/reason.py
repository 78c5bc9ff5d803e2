"""Why a kernel's check calls a page bad."""

from enum import IntEnum
from typing import Self


class Reason(IntEnum):
    """A number, and the same in words that name the fields: `COUNT = 3, "nonzero _count"`."""

    text: str

    def __new__(cls, number: int, text: str) -> Self:
        """A member."""
        reason = int.__new__(cls, number)
        reason._value_, reason.text = number, text
        return reason
