"""Data that the first-level data cache of AMD's Zen confuses, and how to keep it apart.

The cache finds a line by eight bits made of the upper address bits. Two lines of one set with the same eight
bits are never both found: each access to one makes the next access to the other miss. So per-CPU data costs a
free up to 0.6 ns more in a process where one of its pages has the bits of a page of the page array, by chance
(docs/decisions/0008). The bits: Lipp, Hadzic, Schwarz, Perais, Maurice, Gruss, "Take A Way: Exploring the
Security Implications of AMD's Cache Way Predictors", 2020, for Zen to Zen 2; the same were found on Zen 4.
"""

import mmap
from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import address_of

PAIRS: Final = ((12, 27), (13, 26), (14, 25), (15, 20), (16, 21), (17, 22), (18, 23), (19, 24))
"""Address bits of which each bit of a tag is the exclusive or."""
MOST_PAGES: Final = 32
"""Pages beyond which nothing is kept apart: an eighth of all tags is in use, so every process meets some."""
TRIES: Final = 64

Ints = npt.NDArray[np.int64]
Kept = TypeVar("Kept", bound=npt.NDArray[Any])


def tags(addresses: npt.ArrayLike) -> Ints:
    """int64, the tag of each address, below 256."""
    bits = np.asarray(addresses, np.int64)
    return sum(((bits >> low ^ bits >> high) & 1) << at for at, (low, high) in enumerate(PAIRS))  # type: ignore[return-value]


def tags_of(start: int, size: int) -> Ints:
    """int64[pages], tags of the pages that so many bytes lie in."""
    first = start - start % mmap.PAGESIZE
    return tags(np.arange(first, start + size, mmap.PAGESIZE))


def confused(start: int, size: int, pages: npt.NDArray[Any]) -> bool:
    """Whether a page of these bytes has the tag of a page of the array; false for a large array."""
    if pages.nbytes > MOST_PAGES * mmap.PAGESIZE:
        return False
    return bool(np.isin(tags_of(start, size), tags_of(address_of(pages), pages.nbytes)).any())


def apart(make: Callable[[], Kept], pages: npt.NDArray[Any]) -> Kept:
    """Make an array that is not confused with another one, or after 64 attempts one that is.

    Parameters
    ----------
    make
        Allocates it; what it made before is kept meanwhile, so that each lies elsewhere.
    pages
        The other one.
    """
    made = [make()]
    while confused(address_of(made[-1]), made[-1].nbytes, pages) and len(made) < TRIES:
        made.append(make())
    return made[-1]
