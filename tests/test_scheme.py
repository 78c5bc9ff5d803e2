"""Which cells a process measures: phases, places of the stack and placements, each as often as the others."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.timing.scheme import GROUPS, INCIDENTAL, PHASES, SLICES, Cells, Incidental, Scheme
from model.code.builds import SHARE
from model.code.placement import POSITIONS, STACK_PLACES, STACK_STEP, STEP
from model.common.errors import FreepathError

BUILDS = [1, 2, 3, 5, 8, 12, 16, PHASES]


def drawn(builds: int, incidental: Incidental = "both") -> Cells:
    """The cells of one process."""
    return Scheme(builds, incidental).draw(np.random.default_rng(builds))


def times(numbers: npt.NDArray[np.int64], values: range) -> set[int]:
    """How often each of the values occurs."""
    counted = Counter(numbers.tolist())
    assert set(counted) <= set(values)
    return {counted[value] for value in values}


@pytest.mark.parametrize("builds", BUILDS)
def test_each_value_is_balanced(builds: int) -> None:
    """Each phase as often as each other, and each place of the stack as often as each other."""
    cells = drawn(builds)
    for call in range(GROUPS):
        group = cells.group(call)
        assert len(group) == Scheme(builds).cells
        assert len(times(cells.phase[group], range(builds))) == 1
        assert len(times(cells.stack[group] // STACK_STEP, range(STACK_PLACES))) == 1


@pytest.mark.parametrize("builds", BUILDS)
def test_a_process_is_balanced(builds: int) -> None:
    """Over so many values each phase meets each place of the stack equally often, and no cell is left out."""
    cells = drawn(builds)
    measured = np.concatenate([cells.group(call) for call in range(GROUPS)])
    assert sorted(measured) == list(range(len(cells.phase)))
    pairs = cells.phase * STACK_PLACES + cells.stack // STACK_STEP
    assert len(times(pairs, range(builds * STACK_PLACES))) == 1
    often = times(cells.placement, range(POSITIONS))
    assert max(often) - min(often) <= 1
    assert np.array_equal(cells.plan.offsets, cells.placement * STEP)


def test_further_values_begin_again() -> None:
    """A process with more values than groups measures the same cells once more."""
    cells = drawn(PHASES)
    assert np.array_equal(cells.group(GROUPS + 3), cells.group(3))
    assert not set(cells.group(2)) & set(cells.group(3))


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
