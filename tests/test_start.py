"""Start states: mixes have their share, and a restored machine is the machine it was."""

import numpy as np
import pytest

from benchmarks.cases import SCENARIOS, Arm, Case, Scenario
from benchmarks.sampler import Sampler
from model.start import PAGE_KINDS, mix_of, pattern
from model.store import Store

MIXES = [kind for kind in PAGE_KINDS if mix_of(kind)]


@pytest.mark.parametrize("kind", MIXES)
def test_a_mix_has_its_share(kind: str) -> None:
    """1, 10 or 50 % of the pages; a random one is longer than a pass, so that no pass repeats the last."""
    share, spread = mix_of(kind) or (0.0, "")  # type: ignore[arg-type]
    kinds = pattern(kind, 512, np.random.default_rng(1))  # type: ignore[arg-type]
    assert kinds.mean() == pytest.approx(share, abs=0.01)
    assert (len(kinds) > 512) == (spread == "random")
    if spread == "periodic":
        assert len(set(np.diff(np.flatnonzero(kinds)))) == 1


def test_every_kind_is_measured_somewhere() -> None:
    """A kind without a scenario could not be chosen."""
    assert {scenario.page_kind for scenario in SCENARIOS} == set(PAGE_KINDS)


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario("on-charged", "charged"),
        Scenario("on-idle", "flagged-10-random"),
        Scenario("on-idle", depth="full"),
        Scenario("off", "flagged"),
        Scenario("on-idle", entry="release_pages"),
        Scenario("on-idle", memory="l2", order="random", depth="full"),
    ],
    ids=lambda scenario: scenario.name,
)
def test_all_arms_free_what_they_should_and_leave_no_trace(scenario: Scenario) -> None:
    """After each slice of each arm: as many pages freed as asked, no bad page, counters as at the start."""
    case = Case(scenario, tuple(scenario.arms))
    sampler = Sampler(case, Store(), [1, 2, 3])
    start = sampler.machine.memory.memcg.copy()
    for _ in range(3):
        for index in range(len(case.arms)):
            sampler._slice(sampler.arms[index], 3)
    sampler.check()
    if scenario.memory == "warm":
        assert np.array_equal(sampler.machine.memory.memcg, start)


def test_a_skipped_page_would_be_noticed() -> None:
    """The check counts the frees, so a loop that did less work is no measurement."""
    from model.errors import KernelReportError

    sampler = Sampler(Case(Scenario("on-idle"), (Arm("base", "none"),)), Store(), [1])
    sampler._slice(sampler.arms[0], 0)
    sampler.machine.memory.cpu["pgfree"] -= 1
    with pytest.raises(KernelReportError, match="freed"):
        sampler.check()
