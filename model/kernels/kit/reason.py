"""Why a kernel's check calls a page bad, and where that is kept."""

from enum import IntEnum
from typing import Final, Self

REPORTED: Final = [("bad_pages", "i8"), ("bad_page", "i8"), ("bad_reason", "i8")]
"""Fields of the %gs area: how many pages were reported, address and reason of the last one."""


class Reason(IntEnum):
    """A number, and the same in words that name the fields: `COUNT = 3, "nonzero _count"`."""

    text: str

    def __new__(cls, number: int, text: str) -> Self:
        """A member."""
        reason = int.__new__(cls, number)
        reason._value_, reason.text = number, text
        return reason
