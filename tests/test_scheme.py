"""Which cells a process measures: phases, places of the stack and placements, each as often as the others."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.timing.scheme import INCIDENTAL, PHASES, SLICES, STACK_LINES, Cells, Incidental, Scheme
from model.common.errors import FreepathError
from model.machine_code.builds import SHARE
from model.machine_code.image import LINE
from model.machine_code.placement import POSITIONS, STACK_PLACES, STACK_STEP, STEP

BUILDS = [1, 2, 3, 5, 8, 12, 16, PHASES]


def drawn(builds: int, incidental: Incidental = "both", places: int = POSITIONS) -> Cells:
    """The cells of one value."""
    return Scheme(builds, incidental).draw(np.random.default_rng(builds), places)


def times(numbers: npt.NDArray[np.int64], values: range) -> set[int]:
    """How often each of the values occurs."""
    counted = Counter(numbers.tolist())
    assert set(counted) <= set(values)
    return {counted[value] for value in values}


@pytest.mark.parametrize("places", [1, 2, 4, 5, 8, POSITIONS])
@pytest.mark.parametrize("builds", BUILDS)
def test_each_value_is_balanced(builds: int, places: int) -> None:
    """Each phase as often as each other; and each place of the stack, and each place in a line, nearly so."""
    cells = drawn(builds, places=places)
    assert cells.stack.shape == cells.placement.shape == (Scheme(builds).cells, places)
    assert len(times(cells.phase, range(builds))) == 1
    assert len(times(cells.stack.ravel() // STACK_STEP, range(STACK_PLACES))) == 1
    for often in (
        times(cells.placement.ravel(), range(POSITIONS)),
        times(cells.lines.ravel() // LINE, range(STACK_LINES)),
    ):
        assert max(often) - min(often) <= 1
    assert np.array_equal(cells.moved, cells.stack + cells.lines) and (cells.lines % LINE == 0).all()
    assert np.array_equal(cells.plan.offsets, cells.placement * STEP)


@pytest.mark.parametrize("places", [STACK_PLACES, POSITIONS])
@pytest.mark.parametrize("builds", BUILDS)
def test_each_build_is_balanced(builds: int, places: int) -> None:
    """Each meets every place of the stack equally often, and no place in a line twice."""
    cells = drawn(builds, places=places)
    for stack, placement in zip(cells.stack, cells.placement, strict=True):
        assert len(times(stack // STACK_STEP, range(STACK_PLACES))) == 1
        assert len(set(placement)) == places


def test_few_copies_are_measured_at_many_places_of_the_stack() -> None:
    """One copy of each build, at four places of the stack that together are balanced."""
    cells = Scheme().draw(np.random.default_rng(1), 4, 1)
    assert cells.plan.offsets.shape == (24, 1) and cells.stack.shape == cells.placement.shape == (24, 4)
    assert np.array_equal(cells.placement, cells.plan.offsets.repeat(4, axis=1) // STEP)
    assert all(len(set(stack)) == 4 for stack in cells.stack)
    assert len(times(cells.stack.ravel() // STACK_STEP, range(STACK_PLACES))) == 1


def test_a_value_has_builds_of_its_own() -> None:
    """Repeated builds would add no evidence."""
    rng = np.random.default_rng(1)
    first, second = (Scheme().draw(rng) for _ in range(2))
    assert len({*first.plan.seeds, *second.plan.seeds}) == 2 * len(first.phase)


def test_processes_draw_other_builds() -> None:
    """The seeds and the placements are drawn anew; the phases are the same."""
    scheme = Scheme()
    first, second = (scheme.draw(np.random.default_rng(seed)) for seed in (1, 2))
    again = scheme.draw(np.random.default_rng(1))
    assert np.array_equal(first.plan.seeds, again.plan.seeds)
    assert len(set(first.plan.seeds) | set(second.plan.seeds)) == 2 * len(first.phase)
    assert not np.array_equal(first.placement, second.placement)
    assert np.array_equal(first.phase, second.phase)


@pytest.mark.parametrize("incidental", INCIDENTAL)
def test_a_single_build_is_the_image_as_compiled(incidental: Incidental) -> None:
    """No NOP anywhere, whatever would differ between several."""
    plan = drawn(1, incidental).plan
    assert plan.share == 0.0 and not plan.phases.any()
    assert Scheme(1, incidental).name == "one"


def test_what_differs_between_builds_can_be_chosen() -> None:
    """Phases alone, random NOPs alone, or both; each has a name of its own in the metadata."""
    phase_and_random, phase, random = (drawn(PHASES, incidental).plan for incidental in INCIDENTAL)
    assert set(phase_and_random.phases) == set(phase.phases) == set(range(PHASES)) and not random.phases.any()
    assert (phase_and_random.share, phase.share, random.share) == (SHARE, 0.0, SHARE)
    assert len({Scheme(PHASES, incidental).name for incidental in INCIDENTAL}) == 3


@pytest.mark.parametrize("builds", [0, PHASES + 1, -1])
def test_builds_that_cannot_be_measured_are_refused(builds: int) -> None:
    """Both ends are named."""
    with pytest.raises(FreepathError, match=rf"--builds {builds}: from 1 .* to {PHASES} "):
        Scheme(builds)


@pytest.mark.parametrize(
    ("builds", "asked", "near"),
    [(PHASES, 100, 96), (PHASES, 1, 96), (PHASES, 0, 96), (PHASES, -96, 96), (PHASES, 150, 192), (1, 33, 32)],
)
def test_loops_that_do_not_balance_are_refused(builds: int, asked: int, near: int) -> None:
    """The message has a number that would do."""
    with pytest.raises(FreepathError, match=rf"--loops {asked}: .*such as {near}$"):
        Scheme(builds).loops(asked)
    assert Scheme(builds).loops(near) == near


@pytest.mark.parametrize("builds", BUILDS)
def test_the_usual_loops_balance(builds: int) -> None:
    """Every cell gets its slices."""
    loops = Scheme(builds).loops()
    assert loops % (SLICES * Scheme(builds).cells) == 0 and loops > 0
    assert Scheme(builds).loops(loops) == loops
