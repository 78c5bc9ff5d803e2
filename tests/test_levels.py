"""From a cell's slices to a time per arm: what noise must not do to it, and what must survive."""

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.timing.levels import (
    MOVES,
    calm_of,
    disturbed,
    faster_half,
    levelled,
    neighbours,
    parts_of,
)

Floats = npt.NDArray[np.float64]
CELLS, ROUNDS = 384, 4
COSTS = np.array([15.0, 15.0, 15.25, 14.9, 18.0])


def made(noise: float = 0.0, seed: int = 1, costs: Floats = COSTS) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Slices of arms with these costs, and when each was timed: every second round is mirrored."""
    rng = np.random.default_rng(seed)
    slices = costs * np.exp(noise * rng.standard_normal((CELLS, ROUNDS, len(costs))))
    forward = rng.permuted(np.tile(np.arange(len(costs)), (CELLS, ROUNDS // 2, 1)), axis=2)
    turns = np.stack([forward, len(costs) - 1 - forward], axis=2).reshape(slices.shape)
    return slices, turns.astype(np.uint8)


def in_time(noise: Floats, turns: npt.NDArray[np.uint8]) -> Floats:
    """What happens in the order of time, float64[cells, rounds * arms], as slices are stored."""
    return np.asarray(np.take_along_axis(noise.reshape(turns.shape), turns.astype(np.int64), axis=-1))


def overheads(times: Floats) -> Floats:
    """Of means over all cells."""
    means = times.reshape(-1, times.shape[-1]).mean(axis=0)
    return np.asarray(means[1:] - means[0])


def test_without_noise_they_are_what_they_are() -> None:
    """Every cell by itself."""
    slices, turns = made()
    assert np.allclose(neighbours(slices, turns), COSTS, rtol=1e-12)


def test_a_cell_keeps_its_own_level() -> None:
    """What makes all arms of a cell dear stays in it: a build that is slow is slow."""
    slices, turns = made(0.002)
    cells = (CELLS // 4, 4)  # builds and places, as a sampler has them
    slices, turns = slices.reshape(*cells, *slices.shape[1:]), turns.reshape(*cells, *turns.shape[1:])
    dear = np.linspace(1.0, 1.5, CELLS).reshape(*cells, 1)
    kept = neighbours(slices * dear[..., None], turns) / neighbours(slices, turns)
    assert np.allclose(kept, dear, rtol=1e-9)


def test_what_a_part_exceeds_on_both_sides() -> None:
    """The tenth percentile of its cells' calmer sides; a part without cells has none."""
    ends = np.arange(1.0, 42.0)
    slots = np.stack([ends[:-1], ends[1:]], axis=-1)  # forty cells, each between its number and the next one
    parts = parts_of(slots)
    assert [len(part) for part in parts] == [3] * 8 + [2] * 8
    calm = calm_of(slots, parts)
    assert calm[:2] == pytest.approx([1.2, 4.2]) and calm[-1] == pytest.approx(39.1)
    assert np.isnan(calm_of(slots, [np.zeros(0, np.int64)])).all()


@pytest.mark.parametrize("arms", [1, 2, 3])
def test_few_arms_are_enough(arms: int) -> None:
    """Also one alone, as pyperf measures it, and as few slices as there are."""
    slices, turns = made(0.01, costs=COSTS[:arms])
    assert neighbours(slices, turns).mean(axis=0) == pytest.approx(COSTS[:arms], rel=0.01)
    assert neighbours(slices[:, :2], turns[:, :2]).shape == (CELLS, arms)


def test_a_sibling_that_comes_and_goes_is_taken_out() -> None:
    """40 % slower for 50 slices at a time: the faster half alone is far off in single cells."""
    slices, turns = made(0.002)
    busy = np.cumsum(np.random.default_rng(2).random(slices.size) < 1 / 50) % 2
    disturbed = slices * (1 + 0.4 * in_time(busy.astype(float), turns))
    left = [
        np.ptp(np.log(f / f[:, :1])[:, 1:], axis=0)
        for f in (neighbours(disturbed, turns), faster_half(disturbed))
    ]
    assert (left[0] < left[1]).all()
    scaled = overheads(neighbours(disturbed, turns)) / neighbours(disturbed, turns)[:, 0].mean()
    assert scaled == pytest.approx(overheads(slices.mean(axis=1)) / COSTS[0], abs=0.002)


def test_interruptions_are_taken_out() -> None:
    """One slice of a hundred, by up to 8,000 ns per page."""
    slices, turns = made(0.002)
    rng = np.random.default_rng(3)
    disturbed = slices + in_time(
        (rng.random(slices.size) < 0.01) * 20 * 400 ** rng.random(slices.size), turns
    )
    assert overheads(neighbours(disturbed, turns)) == pytest.approx(COSTS[1:] - COSTS[0], abs=0.01)


def test_cold_code_in_the_first_round_is_taken_out() -> None:
    """Of some arms more than of others."""
    slices, turns = made(0.002)
    slices[:, 0] *= [1.0, 1.3, 1.05, 1.2, 1.0]
    assert overheads(neighbours(slices, turns)) == pytest.approx(COSTS[1:] - COSTS[0], abs=0.01)


def test_an_arm_that_is_dear_in_one_build_of_ten_keeps_its_mean() -> None:
    """Cells are never trimmed: 10 ns in a tenth of them is 1 ns, whatever else happens."""
    slices, turns = made(0.002)
    slices[:, 0] *= [1.0, 1.3, 1.05, 1.2, 1.0]  # a first round that is no part of it
    rare = np.random.default_rng(4).random(CELLS) < 0.1
    slices[rare, :, 2:4] += 10.0
    wanted = COSTS[1:] - COSTS[0] + 10.0 * rare.mean() * np.array([0, 1, 1, 0])
    assert overheads(neighbours(slices, turns)) == pytest.approx(wanted, abs=0.02)


def test_the_faster_half_counts() -> None:
    """The middle one of an odd number included; what an interruption hit is left out."""
    assert faster_half(np.array([[5.0]])) == [5.0]
    assert faster_half(np.array([[9.0], [1.0], [700.0], [3.0]])) == [2.0]
    assert faster_half(np.array([[4.0], [2.0], [90.0]])) == [3.0]


def burst(slices: Floats, turns: npt.NDArray[np.uint8], cells: npt.NDArray[np.bool_], by: float) -> Floats:
    """Some cells with the machine slower in the middle third of their time, by up to a share of the slice."""
    count = slices[0].size
    rng = np.random.default_rng(5)
    there = (np.arange(count) // (count / 3)).astype(int) == 1
    noise = np.where(cells[:, None] & there, by * rng.random((CELLS, count)), 0.0)
    return np.asarray(slices * (1 + in_time(noise, turns)))


def test_a_machine_that_moves_within_a_cell_is_seen() -> None:
    """A level that rises for a third of the cell's time: by how much, and in which cells."""
    slices, turns = made(0.002)
    hit = np.arange(CELLS) % 20 == 0
    times, moved = levelled(burst(slices, turns, hit, 0.4), turns)
    assert (times == neighbours(burst(slices, turns, hit, 0.4), turns)).all()
    assert moved[~hit].max() < 0.01 < 0.03 < moved[hit].min() and moved.max() < np.log(1.4)
    assert sorted(disturbed(moved, CELLS)) == np.flatnonzero(hit).tolist()
    assert disturbed(moved, 3).tolist() == np.argsort(-moved)[:3].tolist()
    assert not len(disturbed(moved, 0))


def test_an_arm_that_is_dear_in_some_builds_is_no_disturbance() -> None:
    """Nor is a build in which all arms are dear, nor a first round of cold code: levels move in time."""
    slices, turns = made(0.002)
    slices[::7, :, 2] += 10.0
    slices[::5] *= 1.3
    slices[:, 0] *= [1.0, 1.3, 1.05, 1.2, 1.0]
    assert not len(disturbed(levelled(slices, turns)[1], CELLS))


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_a_machine_that_always_moves_is_measured_as_it_is(share: float) -> None:
    """What is unusual follows from the other cells; below 3 % nothing is."""
    slices, turns = made(0.002)
    everywhere = burst(slices, turns, np.ones(CELLS, bool), share)
    moved = levelled(everywhere, turns)[1]
    assert len(disturbed(moved, CELLS)) <= CELLS // 50
    assert not len(disturbed(np.full(CELLS, 0.99 * MOVES), CELLS))
