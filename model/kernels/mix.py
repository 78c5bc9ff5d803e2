"""Mixes of pages: which pages are of a scenario's kind, by its share and spread; and blocks."""

from typing import Final

import numpy as np
import numpy.typing as npt

from model.vocabulary.scenario import Scenario

PLAIN, HEAD, FIRST_TAIL, OTHER_TAIL = range(4)
"""Numbers of the templates; a page outside of blocks counts as a head."""
MIX_PATTERN: Final = 1 << 16
"""Pages in the pattern of a random mix; each slice begins at another place of it."""


def pattern(scenario: Scenario, pages: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Which template each page starts from: 1 for a page of the kind, in a mix 0 for a plain one.

    Returns
    -------
    u1[pages], or for a random mix a longer array of which any `pages` in a row may be used.
    """
    if not scenario.mixed:
        return np.zeros(pages, np.uint8)
    share = scenario.share_of_pages
    if scenario.spread == "random":
        drawn: npt.NDArray[np.uint8] = (rng.random(MIX_PATTERN + pages) < share).astype(np.uint8)
        return drawn
    percent = int(scenario.share)
    before = -(-np.arange(pages + 1) * percent // 100)  # rounded up: the first page is of the kind
    evenly: npt.NDArray[np.uint8] = np.diff(before).astype(np.uint8)
    return evenly


def block_pattern(scenario: Scenario, pages: int) -> npt.NDArray[np.uint8]:
    """Which template each page of a row of blocks starts from: 1 a head, 2 a first tail page, 3 another."""
    kinds = np.full((pages >> scenario.block_order, 1 << scenario.block_order), OTHER_TAIL, np.uint8)
    kinds[:, 0], kinds[:, 1] = HEAD, FIRST_TAIL
    return kinds.reshape(-1)
