"""The order of measuring, without a clock: slices are mirrored, cells visited at random and kept in place."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.timing import sampler
from benchmarks.timing.sampler import Sampler, interquartile_mean

ARMS = 5


def made(times: Any, seed: int = 1) -> Any:
    """A sampler of five arms whose slices take what `times(arm, cell)` says; what was timed is in `seen`."""
    made: Any = Sampler.__new__(Sampler)
    made.rng, made.reduce, made.seen = np.random.default_rng(seed), min, []
    made._flips = False
    made.arms = [SimpleNamespace(number=n, addresses=list(range(24))) for n in range(ARMS)]
    made.stacks = [0] * 24

    def time(arm: Any, cell: int, stack: int) -> float:
        made.seen.append((arm.number, cell))
        return float(times(arm.number, cell))

    made._slice = time
    return made


def test_a_round_of_slices_is_mirrored() -> None:
    """Every arm once, then once more the other way round: a drift of the machine's speed cancels."""
    subject = made(lambda arm, cell: 1.0)
    subject._cell(3, 6)
    order = [arm for arm, _ in subject.seen]
    rounds = [order[at : at + 2 * ARMS] for at in range(0, len(order), 2 * ARMS)]
    assert len(rounds) == 3 and {cell for _, cell in subject.seen} == {3}
    for each in rounds:
        assert sorted(each[:ARMS]) == list(range(ARMS)) and each == each[::-1]
    assert len({tuple(each) for each in rounds}) > 1  # drawn anew


def test_a_linear_drift_cancels_in_every_arm() -> None:
    """Each arm's mean is the same, however fast the machine becomes slower."""
    clock = iter(range(10**6))
    subject = made(lambda arm, cell: next(clock))
    subject.reduce = np.mean
    means = subject._cell(0, 8)
    assert np.ptp(means) == pytest.approx(0, abs=1e-9)


def test_cells_are_visited_at_random_and_kept_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the third build took stands in the third place, whenever it was measured."""
    subject = made(lambda arm, cell: 100 * arm + cell)
    subject._alone, subject.blocks = False, []
    subject.cells = SimpleNamespace(group=lambda call: np.arange(24))
    subject.cycles, subject.slots, subject.bare, subject.ticks_per_ns = [], [], [], 1.0
    subject._chain = subject._slots = lambda passes: 1.0
    subject._bare, subject.pages_per_slice = 0, 1
    subject.start = SimpleNamespace(between=0)
    seconds = subject(48)
    (block,) = subject.blocks
    assert block.tolist() == [[100 * arm + cell for cell in range(24)] for arm in range(ARMS)]
    visited = list(dict.fromkeys(cell for _, cell in subject.seen))
    assert sorted(visited) == list(range(24)) and visited != list(range(24))
    assert len(subject.seen) == 48 * ARMS + 24  # two slices per arm and cell, and the bare one
    assert seconds == pytest.approx(block[0].mean() * 1e-9 * 48)


@given(st.lists(st.floats(0, 1e6), min_size=4, max_size=40))
def test_the_interquartile_mean_leaves_a_quarter_out_at_each_end(values: list[float]) -> None:
    """As the definition says, for any numbers."""
    quarter = len(values) // 4
    assert interquartile_mean(values) == pytest.approx(
        np.mean(sorted(values)[quarter : len(values) - quarter])
    )


def test_it_is_not_moved_by_what_it_leaves_out() -> None:
    """Nor does it take less than half."""
    assert interquartile_mean([1e9, 2, 4, -1e9]) == 3
    assert interquartile_mean([1, 2, 3, 4, 5, 6, 7, 1e9]) == pytest.approx(4.5)
    assert sampler.faster_half([1, 2, 3, 100]) == 1.5
