"""--until-decided: which arms are measured again, how many rounds, and when it ends."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cases import Case, lasting, values_of
from benchmarks.timing.session import TURNS, turns
from benchmarks.timing.until import LEAST, round_of, until_decided
from model.vocabulary.scenario import Arm, Scenario

BASE = Arm("base", "none")


@pytest.mark.parametrize(
    ("there", "fit", "added"), [(2, 99, LEAST), (12, 99, 6), (40, 99, 20), (40, 7.5, 7), (40, -3, LEAST)]
)
def test_rounds_grow_until_the_budget_bounds_them(there: int, fit: float, added: int) -> None:
    """Half of what is there, never fewer than the least."""
    assert round_of(there, fit) == added


def test_only_undecided_arms_are_added(capsys: pytest.CaptureFixture[str]) -> None:
    """Each look says what is open; what was settled is not measured again, and looks are counted on."""
    answers = [{0: frozenset({"a", "b"}), 2: frozenset({"c"})}, {2: frozenset({"c"})}, {}]
    looked, added = [], []

    def look(number: int) -> dict[int, frozenset[str]]:
        looked.append(number)
        return answers[len(looked) - 1]

    until_decided(3, time.monotonic() + 60, look, lambda index, arms: added.append((index, arms)))
    assert looked == [4, 5, 6]
    c = (2, frozenset({"c"}))
    assert added == [(0, frozenset({"a", "b"})), c, c]
    said = capsys.readouterr().err
    assert "3 arms in 2 scenarios undecided" in said and "every verdict is settled" in said


def test_no_round_begins_after_the_budget(capsys: pytest.CaptureFixture[str]) -> None:
    """One look is taken, nothing is added, and the line says what stayed open."""
    added: list[int] = []
    until_decided(0, time.monotonic() - 1, lambda _: {1: frozenset({"a"})}, lambda n, _: added.append(n))
    assert not added
    assert "the budget is spent; undecided: 1 arm in 1 scenario" in capsys.readouterr().err


@given(st.lists(st.integers(0, 40), max_size=6))
def test_scenarios_are_measured_in_turn(processes: list[int]) -> None:
    """Each has its share of processes in each turn, and all of them in the end."""
    order = list(turns(processes))
    assert [index for index, _ in order] == [*range(len(processes))] * TURNS
    for index, wanted in enumerate(processes):
        shares = [count for at, count in order if at == index]
        assert sum(shares) == wanted and max(shares) - min(shares) <= 1


@pytest.mark.parametrize(("arms", "values"), [(40, 5), (12, 5), (9, 5), (8, 10), (6, 10), (3, 20), (2, 20)])
def test_processes_of_few_arms_measure_more_values(arms: int, values: int) -> None:
    """As many as last as long as those of a usual scenario, four times as many at most."""
    assert values_of(arms, 5) == values


def test_values_that_were_asked_for_are_kept() -> None:
    """Of a case that has a number of its own."""
    case = Case(Scenario("on-idle"), (BASE,) * 3)
    assert lasting(case, 5).values == 20 and lasting(replace(case, values=7), 5).values == 7
