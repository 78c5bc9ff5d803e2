"""The code that walks through a table of calls, with functions made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.timing.schedule import COUNT_RECORD, ROW, Walker
from model.kernels.arrays import address_of
from model.kernels.loop_record import LOOP, PAGE_BYTES
from model.kernels.start import FreedWord
from model.machine_code.region import Region

FUNCTIONS = {
    "argument": "4889f8c3",  # mov %rdi, %rax; ret
    "stack": "4889e0c3",  # mov %rsp, %rax; ret
    "load": "488b07c3",  # mov (%rdi), %rax; ret
    "spoil": "31c031c931d231f631ff4531c04531c94531d24531dbc3",  # every register that a callee may change
}


@pytest.fixture(scope="module")
def functions() -> dict[str, int]:
    """Name -> address."""
    region = Region(32 * len(FUNCTIONS))
    memory = region.bytes()
    places = {}
    for number, (name, text) in enumerate(FUNCTIONS.items()):
        code = np.frombuffer(bytes.fromhex(text), np.uint8)
        memory[32 * number : 32 * number + len(code)] = code
        places[name] = region.start + 32 * number
    region.seal()
    KEPT.append(region)
    return places


KEPT: list[Region] = []
"""Memory of the functions."""


def test_every_row_is_called_in_order(functions: dict[str, int]) -> None:
    """What a call returned and when it began are noted; other columns stay."""
    rows = np.zeros(100, ROW)
    rows["function"], rows["argument"] = functions["argument"], np.arange(100) * 3
    rows["function"][50], rows["role"] = functions["spoil"], np.arange(100)
    before = rows.copy()
    Walker().run(rows)
    assert rows["ticks"].tolist() == [0 if n == 50 else 3 * n for n in range(100)]
    assert (np.diff(rows["began"]) > 0).all() and rows["began"][0] > 0
    for column in ("store_at", "value", "function", "argument", "stack", "role"):
        assert np.array_equal(rows[column], before[column])


def test_a_word_is_stored_before_the_call(functions: dict[str, int]) -> None:
    """Only where a row says so."""
    word, rows = np.array([5], np.int64), np.zeros(3, ROW)
    rows["function"], rows["argument"] = functions["load"], address_of(word)
    rows["store_at"][1], rows["value"][1] = address_of(word), -9
    Walker().run(rows)
    assert rows["ticks"].tolist() == [5, -9, -9] and word[0] == -9


def test_the_stack_is_moved_down_for_the_call_alone(functions: dict[str, int]) -> None:
    """By any multiple of 8, from a place that is aligned as the compiler expects."""
    rows = np.zeros(4, ROW)
    rows["function"], rows["stack"] = functions["stack"], [0, 8, 4096 + 56, 0]
    Walker().run(rows)
    at = rows["ticks"].tolist()
    assert [at[0] - place for place in at] == [0, 8, 4096 + 56, 0] and at[0] % 16 == 8


def test_no_rows_are_no_calls() -> None:
    """It returns at once."""
    Walker().run(np.zeros(0, ROW))


SEEDS, OFFSETS = st.integers(0, 2**32 - 1), st.integers(0, PAGE_BYTES - 8)


@given(SEEDS, OFFSETS, st.sampled_from([1, 2, 4, 8]), st.integers(0, 40))
def test_pages_are_counted_by_a_word(seed: int, offset: int, size: int, count: int) -> None:
    """Of those in the order, each as often as it is there, and by the word's own bytes alone."""
    rng = np.random.default_rng(seed)
    pages = rng.integers(0, 3, (30, PAGE_BYTES)).astype(np.uint8)
    order = rng.integers(0, len(pages), count).astype(np.uint32)
    word = pages[:, offset : offset + size]
    word[rng.random(len(pages)) < 0.5] = word[7]
    freed = FreedWord(offset, size, int.from_bytes(word[7].tobytes(), "little"), of_freed=True)
    record, counted, rows = np.zeros(1, LOOP), np.zeros(1, COUNT_RECORD), np.zeros(1, ROW)
    record["mem_map"], record["order_of_pages"], record["n"] = address_of(pages), address_of(order), count
    counted["record"], counted["offset"] = address_of(record), offset
    counted["mask"], counted["value"] = freed.mask, freed.value & freed.mask
    walker = Walker()
    rows["function"], rows["argument"] = walker.count, address_of(counted)
    walker.run(rows)
    assert rows["ticks"][0] == (word[order] == word[7]).all(axis=1).sum()


def test_the_word_lies_within_its_page() -> None:
    """Eight bytes are loaded, and behind the last page there may be nothing."""
    assert FreedWord(PAGE_BYTES - 8, 4, 0, of_freed=True).mask == 0xFFFFFFFF
    with pytest.raises(ValueError, match="a word at byte 60 is not loaded from within its page"):
        FreedWord(60, 4, 0, of_freed=True)
