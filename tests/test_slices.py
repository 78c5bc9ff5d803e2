"""The order of measuring, without a clock: the rows of a build, and where what they took is put down."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.timing.sampler import interquartile_mean
from benchmarks.timing.schedule import COUNT_RECORD
from benchmarks.timing.table import (
    BARE_SLICES,
    CHAIN_PASSES,
    CLOCK_SLICES,
    SLOT_PASSES,
    References,
    Rows,
    Table,
    offset,
)
from model.kernels.loop_record import CHAIN
from model.kernels.start import FreedWord

ARMS, PLACES, ROUNDS = 5, 3, 4
CHAINS, SLOTS, NOTHING, BARE, SKIP, GS, COUNT = 11, 12, 13, 14, 15, 16, 17
STACKS = np.arange(PLACES) * 8


class PageCursor:
    """Every second slice finds its pages used up; or the warm set, restored before each."""

    def __init__(self, warm: bool) -> None:
        self.restores_each_pass, self.taken, self.chunk = warm, 0, 20

    def take(self, slices: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Numbers of the slices, and whether to restore."""
        numbers = np.arange(self.taken, self.taken + slices)
        self.taken += slices
        return numbers, np.ones(slices, bool) if self.restores_each_pass else numbers % 2 == 0


def table(warm: bool = True, several: bool = False, idle: int = 0, mixed: bool = False) -> Table:
    """Of five arms, whose records are at 1000, 2000 ..., and which are restored by 100, 101 ..."""
    kinds = iter(range(10**6))
    arms: list[Any] = [
        SimpleNamespace(
            run=SimpleNamespace(address=1000 * (n + 1), others=[]),
            restore_at=100 + n,
            start=SimpleNamespace(
                scenario=SimpleNamespace(mixed=mixed),
                kinds_address=lambda rng: next(kinds),
                machine=SimpleNamespace(gs_base=50 + n),
                freed_word=FreedWord(8 * n, 4, n, of_freed=n == 0),
            ),
        )
        for n in range(ARMS)
    ]
    references = References(CHAINS, SLOTS, NOTHING, idle, BARE, SKIP, GS, COUNT)
    walk: Any = PageCursor(warm)
    return Table(arms, walk, references, np.random.default_rng(1), several)


def rows_of(made: Table) -> Rows:
    """Of two builds, in which arm a has its loop at place p at 10000 a + p, and 100 further on."""
    addresses = 10_000 * (1 + np.arange(ARMS)[:, None, None]) + 100 * np.arange(2)[:, None]
    return made.rows(addresses + np.arange(PLACES), np.stack([STACKS, STACKS + 64]), ROUNDS)


def test_a_build_is_measured_in_order() -> None:
    """The cycle, base as compiled, then place by place a run of NOPs and the slices, and NOPs at the end."""
    _, rows = rows_of(table())
    loops = rows[rows["role"] > 0]
    functions = rows["function"].tolist()
    assert functions[0] == CHAINS and rows["argument"][0] == CHAIN_PASSES
    assert functions.count(SLOTS) == PLACES + 1 and functions[-1] == SLOTS
    assert loops["function"][:BARE_SLICES].tolist() == [BARE] * BARE_SLICES
    own = loops[BARE_SLICES:].reshape(PLACES, ROUNDS, ARMS)
    assert (own["function"] % 10_000 == 100 + np.arange(PLACES)[:, None, None]).all()
    assert (own["function"] // 10_000 == own["role"]).all()
    assert (own["argument"] == 1000 * own["role"]).all()
    assert (own["stack"] == 64 + STACKS[:, None, None]).all()
    cuts = [at for at, function in enumerate(functions) if function == SLOTS]
    assert set(np.diff(cuts)) == {1 + 2 * ROUNDS * ARMS}


def test_a_round_of_slices_is_mirrored() -> None:
    """Every arm once, then once more the other way round: a drift of the machine's speed cancels."""
    roles = rows_of(table())[0]["role"]
    order = roles[roles > 0][BARE_SLICES:].reshape(PLACES, ROUNDS, ARMS)
    assert (np.sort(order, axis=2) == np.arange(1, ARMS + 1)).all()
    assert (order[:, 0::2] == order[:, 1::2, ::-1]).all()
    assert len({tuple(each) for each in order[:, 0]}) > 1  # drawn anew


@pytest.mark.parametrize("several", [False, True])
def test_pages_are_restored_before_each_slice_of_the_warm_set(several: bool) -> None:
    """By the arm's own function, with its kinds; where arms have machines of their own, %gs is set first."""
    made = table(several=several)
    own = made.slices(np.array([2, 0]))
    assert own.shape == (2, 3 if several else 2)
    assert own["function"][:, -2].tolist() == [102, 100] and own["role"][:, -2].tolist() == [-3, -1]
    assert own["store_at"][:, -2].tolist() == [3000 + offset("kinds"), 1000 + offset("kinds")]
    assert own["store_at"][:, -1].tolist() == [at + offset("order_of_pages") for at in (3000, 1000)]
    if several:
        assert own["function"][:, 0].tolist() == [GS, GS] and own["argument"][:, 0].tolist() == [52, 50]


@pytest.mark.parametrize("several", [False, True])
def test_every_build_is_looked_at_after_a_free(several: bool) -> None:
    """Each arm's pages are restored, freed by the build's loop, and counted by the arm's own word."""
    made = table(several=several)
    addresses = 10_000 * (1 + np.arange(ARMS)[:, None]) + 100 * np.arange(2)
    rows = made.checks(addresses, np.array([8, 16]))
    each = rows.reshape(2, ARMS, -1)
    assert each.shape[2] == (4 if several else 3)
    assert each["role"][..., -2].tolist() == [list(range(1, ARMS + 1))] * 2
    assert (each["function"][..., -2] == addresses.T).all()
    assert (each["stack"][..., -2] == [[8], [16]]).all() and not each["stack"][..., -1].any()
    assert (each["function"][..., -1] == COUNT).all() and not each["role"][..., -1].any()
    records = each["argument"][0, :, -1]
    assert (np.diff(records) == COUNT_RECORD.itemsize).all() and (each["argument"][1, :, -1] == records).all()
    rows["ticks"] = 3
    left = made.unfreed(rows)
    assert left[:, 0].tolist() == [made.cursor.chunk - 3] * 2 and (left[:, 1:] == 3).all()


def test_pages_of_a_large_array_are_restored_when_they_are_used_up() -> None:
    """Else a function that returns at once is called; the record points at the next pages."""
    own = table(warm=False).slices(np.array([1, 1, 4]))
    assert own["function"][:, 0].tolist() == [101, SKIP, 104] and own["role"][:, 0].tolist() == [-2, 0, -5]
    assert own["value"][:, 1].tolist() == [0, 1, 2] and not own["store_at"][:, 0].any()


def test_a_random_mix_is_drawn_anew() -> None:
    """For each slice; other pages have the kinds that they had."""
    same = table().slices(np.zeros(4, np.int64))["value"][:, 0]
    anew = table(mixed=True).slices(np.zeros(4, np.int64))["value"][:, 0]
    assert len(set(same.tolist())) == 1 and len(set(anew.tolist())) == 4


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("idle", [0, 77])
def test_what_slices_took_is_put_in_its_place(several: bool, idle: int) -> None:
    """Per place, round and arm, whenever it was timed; the clock is subtracted where each free is timed."""
    made = table(several=several, idle=idle)
    rows = rows_of(made)
    clock = 7.0 if idle else 0.0
    rows["ticks"] = 10**9  # what restores pages, and counts for nothing
    slices = rows["role"] > 0
    rows["ticks"][slices] = (
        100 * rows["function"][slices] // 10_000 + rows["function"][slices] % 10_000 + clock
    )
    for own in rows:
        own["ticks"][own["function"] == BARE] = [90 + clock, 20 + clock, 30 + clock, 20 + clock]
        own["ticks"][own["function"] == NOTHING] = [10, 7, 9, 8][: CLOCK_SLICES if idle else 0]
        own["ticks"][own["function"] == SLOTS] = np.arange(PLACES + 1) * SLOT_PASSES * CHAIN
    rows["ticks"][:, 0] = 3 * CHAIN_PASSES * CHAIN, 4 * CHAIN_PASSES * CHAIN
    timed = made.ticks(rows)
    wanted = 100 * (1 + np.arange(ARMS)) + np.arange(PLACES)[:, None, None]
    both = np.stack([wanted, wanted + 101])  # 100 further on, which is a hundredth of 100 x 100
    assert np.array_equal(timed.slices, np.broadcast_to(both, (2, PLACES, ROUNDS, ARMS)))
    assert np.array_equal(timed.turns, made.turns)
    assert timed.bare.tolist() == [25.0, 25.0] and timed.cycles.tolist() == [3.0, 4.0]
    assert timed.slots.tolist() == [[[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]] * 2
    last = timed.of(np.array([1]))
    timed.put(np.array([0]), np.array([2]), last.of(np.array([0])))
    assert np.array_equal(timed.slices[0, 2], timed.slices[1, 0])
    assert np.array_equal(timed.slices[0, :2], both[0, :2].repeat(ROUNDS, axis=1))


def test_a_clock_that_was_disturbed_is_told_by_all_before() -> None:
    """Also where a single cell is timed again: no other build of that table tells what reading it takes."""
    made = table(idle=77)
    for clock, subtracted in [(40, 40.0), (120, 44.0), (30, 30.0), (31, 31.0), (90, 33.0)]:
        rows = made.rows(np.full((ARMS, 1, 1), 5), np.zeros((1, 1), np.int64), 2)
        rows["ticks"] = 1000
        rows["ticks"][rows["function"] == NOTHING] = clock
        slices = made.ticks(rows).slices
        assert slices == pytest.approx(np.full((1, 1, 2, ARMS), 1000 - subtracted))


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
