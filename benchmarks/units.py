"""Quantities as users write them."""

import re
from typing import Final

from model.common.errors import FreepathError
from model.vocabulary.margin import Margin

BUDGET: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|)\s*")
SECONDS: Final = {"": 1, "s": 1, "min": 60, "h": 3600}


def seconds(text: str) -> float:
    """Read `90s`, `10min`, `1h`.

    Raises
    ------
    FreepathError
        For anything else.
    """
    match = BUDGET.fullmatch(text)
    if not match:
        raise FreepathError(f"--budget {text}: give a time such as 90s, 10min or 1h")
    return float(match[1]) * SECONDS[match[2]]


def check_margin(text: str) -> None:
    """Refuse early what `python -m results show --margin` would refuse later.

    Raises
    ------
    FreepathError
    """
    try:
        Margin.parse(text)
    except ValueError as error:
        raise FreepathError(f"--margin {text}: {error}") from None


def duration(took: float) -> str:
    """A time in words, as rough as it is known: `about 40 s`, `about 25 min`."""
    if took < 90:
        return f"about {max(10, 10 * round(took / 10))} s"
    return f"about {round(took / 60)} min" if took < 5400 else f"about {took / 3600:.1f} h"


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 process`, `2 processes`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
