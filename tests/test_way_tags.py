"""What the first-level cache of AMD's Zen confuses: the tag's bits, and that data is kept apart."""

import mmap

import numpy as np
import pytest

from model.kernels.arrays import address_of, aligned
from model.kernels.way_tags import MOST_PAGES, PAIRS, TRIES, apart, confused, tags


@pytest.mark.parametrize(("low", "high"), PAIRS)
def test_a_tag_is_made_of_pairs_of_bits(low: int, high: int) -> None:
    """Either bit of a pair changes the tag, both leave it as it is."""
    address = 0x7F12_3456_7040
    one, other, both = tags([address ^ 1 << low, address ^ 1 << high, address ^ 1 << low ^ 1 << high])
    assert one == other != tags(address) == both


def test_other_bits_do_not_count() -> None:
    """256 tags, which neither the place in a page nor the highest bits change."""
    pages = np.arange(256) * mmap.PAGESIZE
    assert sorted(tags(pages)) == list(range(256))
    assert (tags(pages + 0xFC0) == tags(pages)).all() and (tags(pages ^ 1 << 40) == tags(pages)).all()


def test_apart_tries_until_it_is() -> None:
    """The first attempt has a page of the other array, the second has not."""
    pages = aligned(np.uint8, mmap.PAGESIZE)
    elsewhere = aligned(np.uint8, 4 * mmap.PAGESIZE)
    free = next(
        at
        for at in range(0, elsewhere.nbytes, mmap.PAGESIZE)
        if not confused(address_of(elsewhere) + at, 8, pages)
    )
    attempts = iter([pages[64:72], elsewhere[free : free + 8]])
    assert confused(address_of(pages) + 64, 8, pages)
    assert address_of(apart(lambda: next(attempts), pages)) == address_of(elsewhere) + free


def test_apart_gives_up() -> None:
    """Where every attempt is confused the last one counts; a large array is not kept apart from."""
    pages, tried = aligned(np.uint8, mmap.PAGESIZE), []

    def make() -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
        tried.append(pages[:8])
        return tried[-1]

    assert apart(make, pages) is tried[-1] and len(tried) == TRIES
    large = aligned(np.uint8, (MOST_PAGES + 1) * mmap.PAGESIZE)
    assert not confused(address_of(large), 8, large)
