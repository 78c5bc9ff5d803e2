"""The code that walks through a table of calls, with functions made by hand."""

import numpy as np
import pytest

from benchmarks.timing.schedule import ROW, Walker
from model.kernels.arrays import address_of
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
