"""Start states: mixes have their share, and a restored machine is the machine it was."""

from typing import Any

import numpy as np
import pytest

from benchmarks.cases import Case, case_of
from benchmarks.timing.sampler import CLOCK_DRIFT, Sampler
from benchmarks.timing.scheme import Scheme
from model.common.errors import FreepathError, KernelReportError
from model.kernels import path_of
from model.kernels.mix import pattern
from model.kernels.store import Store
from model.kernels.v4_3.page import ANON
from model.kernels.v4_3.scenarios import SCENARIOS
from model.vocabulary.scenario import AXES, Arm, Depth, Scenario

MIXES = [scenario for scenario in SCENARIOS if scenario.mixed]
BASE = (Arm("base", "none"), Arm("base-twin", "none"))


def memory_of(sampler: Sampler) -> Any:
    """Its machine's memory, as the kernel version has it."""
    return sampler.machine.memory


def made(scenario: Scenario, arms: tuple[Arm, ...] = BASE) -> Sampler:
    """A sampler of the image as compiled, ready to time."""
    sampler = Sampler(Case(scenario, arms), Store(), [1], Scheme(1))
    sampler.take_builds(Scheme(1).draw(sampler.rng, sampler.places))
    return sampler


def one_slice(sampler: Sampler, number: int, build: int = 0) -> None:
    """One slice of one arm in one build, at its first place."""
    rows = sampler.table.slices(np.array([number]))[0]
    rows["function"][-1] = sampler.arms[number].addresses[build, 0]
    sampler.run(rows, build)


@pytest.mark.parametrize("scenario", MIXES, ids=lambda scenario: scenario.name)
def test_a_mix_has_its_share(scenario: Scenario) -> None:
    """1, 10 or 50 % of the pages; a random one is longer than a pass, so that no pass repeats the last."""
    share, spread = scenario.share_of_pages, scenario.spread
    kinds = pattern(scenario, 512, np.random.default_rng(1))
    assert kinds.mean() == pytest.approx(share, abs=0.01)
    assert (len(kinds) > 512) == (spread == "random")
    if spread == "periodic":
        assert len(set(np.diff(np.flatnonzero(kinds)))) == 1


def test_every_kind_is_measured_somewhere() -> None:
    """A kind without a scenario could not be chosen."""
    assert {scenario.page_kind for scenario in SCENARIOS} == set(AXES["page_kind"])


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario("on-charged", "charged"),
        Scenario("on-idle", "flagged", share="10", spread="random"),
        Scenario("on-idle", depth="full"),
        Scenario("off", "flagged"),
        Scenario("on-idle", entry="release_pages"),
        Scenario("on-idle", memory="l2", access="random", depth="full"),
    ],
    ids=lambda scenario: scenario.name,
)
def test_all_arms_free_what_they_should_and_leave_no_trace(scenario: Scenario) -> None:
    """After each slice of each arm: as many pages freed as asked, no bad page, counters as at the start."""
    case = case_of(scenario)
    sampler = Sampler(case, Store(), [1, 2, 3], Scheme())
    sampler.take_builds(Scheme().draw(sampler.rng, sampler.places))
    start = memory_of(sampler).memcg.copy()
    for _ in range(3):
        for index in range(len(case.arms)):
            one_slice(sampler, index, 3)
    sampler.check()
    if scenario.memory == "warm":
        sampler.arms[-1].restore(sampler.arms[-1].run.address)
        assert np.array_equal(memory_of(sampler).memcg, start)


def test_a_skipped_page_would_be_noticed() -> None:
    """The check counts the frees, so a loop that did less work is no measurement."""
    sampler = made(Scenario("on-idle"))
    one_slice(sampler, 0)
    memory_of(sampler).cpu["pgfree"] -= 1
    with pytest.raises(KernelReportError, match="freed"):
        sampler.check()


@pytest.mark.parametrize("depth", ["prepare", "pcp"])
def test_a_page_that_keeps_its_reference_would_be_noticed(depth: Depth) -> None:
    """A loop that walks over the pages and frees none; at depth `prepare` nothing else would tell."""
    scenario = Scenario("on-idle", depth=depth)
    sampler = made(scenario)
    cells = Scheme(1).draw(sampler.rng, sampler.places)
    sampler.check_builds(cells, len(cells.phase))
    (idle,) = sampler.machine.place(Store().load(path_of(scenario).image(scenario, BASE[1])))
    sampler.arms[1].addresses[0] = idle.address("time_nothing")
    with pytest.raises(KernelReportError, match="base-twin/none, build 0, left 512 of 512 pages referenced"):
        sampler.check_builds(cells, len(cells.phase))


def test_clocks_that_disagree_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time stamp counter against the monotonic clock, at both ends of a process."""
    sampler = made(Scenario("on-idle"))
    monkeypatch.setattr(sampler, "_rate_since", lambda began: sampler.ticks_per_ns * (1 + CLOCK_DRIFT / 2))
    sampler.check()
    monkeypatch.setattr(sampler, "_rate_since", lambda began: sampler.ticks_per_ns * (1 - CLOCK_DRIFT * 2))
    sampler.freed = int(memory_of(sampler).cpu["pgfree"])
    with pytest.raises(KernelReportError, match="time stamp counter"):
        sampler.check()


def test_cold_pages_are_of_their_kind_from_the_first_slice_on() -> None:
    """Beyond the warm set pages are restored when the array is used up; so also before its first use."""
    sampler = made(Scenario("on-idle", "anon", memory="l2"))
    one_slice(sampler, 0)
    anonymous = (memory_of(sampler).mem_map["mapping"][sampler.start.order_of_pages] & ANON) != 0
    chunk = sampler.cursor.chunk
    assert not anonymous[:chunk].any(), "freed pages have no owner"
    assert anonymous[chunk:].all(), "those to be freed next have one"


def test_cold_pages_that_arms_mark_differently_are_refused() -> None:
    """All arms walk through one array, and base's pages are not v1's."""
    scenario = Scenario("on-idle", "flagged", memory="l2")
    unlike = (Arm("base", "jump-label"), Arm("v1", "jump-label"))
    with pytest.raises(FreepathError, match="arms mark such pages differently"):
        made(scenario, unlike)
