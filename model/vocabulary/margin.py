"""The smallest overhead that matters, as users write it."""

import re
from dataclasses import dataclass
from typing import Final

MARGIN: Final = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ns|%|)\s*")


@dataclass(frozen=True)
class Margin:
    """The smallest overhead that matters: ns per page, or percent of base."""

    value: float
    percent: bool

    def ns(self, base_ns: float) -> float:
        """In ns per page."""
        return self.value / 100 * base_ns if self.percent else self.value

    @classmethod
    def parse(cls, text: str) -> "Margin":
        """Read `0.05ns`, `1%`, or a bare number of ns.

        Raises
        ------
        ValueError
            For anything else, and for zero.
        """
        match = MARGIN.fullmatch(text)
        if match is None or not 0 < float(match[1]) < 1e6:
            raise ValueError(
                f"a margin is a positive number of ns or percent, such as 0.05ns or 1%, not '{text}'"
            )
        return cls(float(match[1]), match[2] == "%")
