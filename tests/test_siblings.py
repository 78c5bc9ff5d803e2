"""Runs whose sibling was busy in part of the time, at another true cost: both costs come out again.

Simulated at the level of slices' means and of the reference beside them, sorted by the worker's own code and
read by the reader's.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.timing.levels import busier_sides, calm_of, parts_of
from benchmarks.timing.worker import part_means
from model.vocabulary.margin import Margin
from results.analysis.conditions import CONDITIONS, MOST_SHARED, QUIET, SHARED, Condition, Levels, level_of
from results.analysis.groups import Cell, Group, analyse
from results.analysis.machines import FOLDER, RUN
from results.reading.cpus import core_of
from results.reading.load import Arm, MeasuredScenario, Process, Run, _process, load
from results.reading.quiet import ALONE, own_level, quiet_level
from tests.runfile import CYCLE_NS

Floats = npt.NDArray[np.float64]
BASE, TWIN, V1, RARE = (Arm(name, "none") for name in ("base", "base-twin", "v1", "rare"))
ARMS = (BASE, TWIN, V1, RARE)
LEVEL = {"alone": 15.0, "shared": 24.0}
COST = {
    "alone": {BASE: 0.0, TWIN: 0.0, V1: 0.02, RARE: 1.0},
    "shared": {BASE: 0.0, TWIN: 0.0, V1: 0.40, RARE: 1.0},
}
"""Truth, ns per page; `rare` pays 10 ns in a tenth of the builds, in either condition."""
VALUES, BUILDS, PLACES = 8, 24, 4
STEPS = 5
"""Moments at which the sibling is looked at: the reference before a cell, three within, the one after it."""
ONE_PERCENT = Margin(1.0, percent=True)


@dataclass(frozen=True)
class Neighbour:
    """A sibling that comes and goes.

    Attributes
    ----------
    share
        Of the time in which it is busy, on the mean.
    stays
        Cells for which it stays so, on the mean.
    slot
        NOPs take so many times as long beside it; of Golden Cove 1.9 to 2.6.
    """

    share: float
    stays: float = 60.0
    slot: float = 2.0


def busy(neighbour: Neighbour, cells: int, rng: np.random.Generator) -> Floats:
    """float64[cells, STEPS], 1 at moments when it was busy, else 0; the last one is the next cell's first."""
    steps = cells * (STEPS - 1) + 1
    leave = 1 / (neighbour.stays * (STEPS - 1))
    come = leave * neighbour.share / (1 - neighbour.share) if neighbour.share < 1 else 1.0
    leave = 0.0 if neighbour.share >= 1 else leave
    states = [int(rng.random() < neighbour.share)]
    for chance in rng.random(steps - 1).tolist():
        states.append(states[-1] if chance >= (leave if states[-1] else come) else 1 - states[-1])
    state = np.array(states, np.float64)
    return np.asarray(state[np.arange(cells)[:, None] * (STEPS - 1) + np.arange(STEPS)])


def process(number: int, neighbour: Neighbour, rng: np.random.Generator, facts: dict[str, Any]) -> Process:
    """One worker process, as the reader sees it."""
    cells = VALUES * BUILDS * PLACES
    moments = busy(neighbour, cells, rng)
    inside = moments[:, 1:-1].mean(axis=1)
    rows = moments.reshape(VALUES, BUILDS, PLACES, STEPS)
    reference = np.concatenate([rows[..., 0], rows[:, :, -1:, -1]], axis=2)
    slots = CYCLE_NS * 0.17 * (1 + (neighbour.slot - 1) * reference)
    slots *= 1 + 0.01 * rng.standard_normal(slots.shape)
    slots = np.stack([slots[..., :-1], slots[..., 1:]], axis=-1)
    parts = parts_of(slots)
    pays = np.repeat(rng.permuted(np.arange(VALUES * BUILDS) < VALUES * BUILDS // 10), PLACES)
    own = 1 + 0.0005 * rng.standard_normal(len(ARMS))
    common = 1 + 0.02 * rng.standard_normal(cells)  # of a cell, of every arm
    rows_of_arms = []
    for arm, factor in zip(ARMS, own, strict=True):
        alone, shared = (LEVEL[c] + (COST[c][arm] if arm != RARE else 10.0 * pays) for c in CONDITIONS)
        times = (alone + (shared - alone) * inside) * factor * common
        times *= 1 + (0.01 + 0.02 * inside) * rng.standard_normal(cells)
        builds = times.reshape(-1, PLACES).mean(axis=1)
        own_facts = {
            "variant": arm.variant,
            "builds": BUILDS,
            "build_ns": " ".join(f"{ns:.3f}" for ns in builds),
            "part_ns": part_means(times, parts),
            "layout_ns": "",
        }
        rows_of_arms.append((arm, builds.reshape(VALUES, -1).mean(axis=1), own_facts))
    beside = {
        "cycle_ns": CYCLE_NS,
        "slot_ns": " ".join(f"{ns:.5f}" for ns in slots.mean(axis=(1, 2, 3))),
        "bare_ns": " ".join(["15.0"] * VALUES),
        "part_slot_ns": part_means(busier_sides(slots), parts),
        "part_calm_slot_ns": " ".join(f"{ns:.5f}" for ns in calm_of(slots, parts)),
        **facts,
    }
    return _process(f"{number:04x}", [(arm, values, beside | own) for arm, values, own in rows_of_arms])


def group_of(*neighbours: Neighbour, seed: int = 1, facts: dict[str, Any] | None = None) -> Group:
    """A scenario with a process beside each of these, judged."""
    rng = np.random.default_rng(seed)
    made = [process(number, each, rng, facts or {}) for number, each in enumerate(neighbours)]
    level = quiet_level(each.parts or each for each in made)
    scenario = MeasuredScenario("on-idle", {"memcg": "on-idle"}, list(ARMS), made, quiet_level=level)
    (group,) = analyse(Run("", {}, [scenario]), ONE_PERCENT)
    return group


def cell_of(group: Group, arm: Arm) -> Cell:
    """One arm."""
    return next(cell for cell in group.cells if cell.overhead.arm == arm)


def test_where_one_process_lacks_the_reference_all_go_by_base() -> None:
    """As files from before it: a file has one measure of how busy the core was."""
    rng = np.random.default_rng(1)
    made = [process(number, Neighbour(0.5), rng, {}) for number in range(4)]
    made[0] = replace(made[0], parts=None, slot_cycles=None)
    assert quiet_level(made) is None and made[1].slot_cycles is not None
    scenario = MeasuredScenario("on-idle", {"memcg": "on-idle"}, list(ARMS), made)
    assert made[1].bare is not None
    assert level_of(made[1], scenario).tolist() == made[1].bare.tolist()
    assert Levels(scenario).condition in ("alone", None)


def test_an_arm_of_busy_processes_alone_has_their_figure() -> None:
    """As --append leaves it: all that there is of the arm is used, where the others are alone on the core."""
    rng = np.random.default_rng(3)
    made = [process(number, Neighbour(float(number >= 6)), rng, {}) for number in range(9)]
    for each in made[:6]:
        assert each.parts is not None
        del each.ns[RARE], each.parts.ns[RARE]
    scenario = MeasuredScenario(
        "s", {"memcg": "on-idle"}, list(ARMS), made, quiet_level=quiet_level(made[:6])
    )
    (group,) = analyse(Run("", {}, [scenario]), ONE_PERCENT)
    assert group.condition == "alone" and cell_of(group, V1).overhead.processes == 6
    rare = cell_of(group, RARE).overhead
    assert rare.processes == 3 and rare.base_ns == pytest.approx(LEVEL["shared"], rel=0.02)


def test_both_costs_come_out() -> None:
    """Negligible alone, a cost beside a busy sibling: what a mean over both, or one of them, would hide."""
    group = group_of(*[Neighbour(0.5)] * 8)
    v1 = cell_of(group, V1)
    assert group.condition == "alone" and [*v1.conditions] == ["alone", "shared"]
    alone, shared = (v1.conditions[each] for each in CONDITIONS)
    assert alone.overhead.ns == pytest.approx(COST["alone"][V1], abs=0.03)
    assert shared.overhead.ns == pytest.approx(COST["shared"][V1], abs=0.06)
    assert (alone.judgement.verdict, shared.judgement.verdict) == ("negligible", "costs")
    assert alone.overhead.base_ns == pytest.approx(15.0, rel=0.01)
    assert shared.overhead.base_ns == pytest.approx(24.0, rel=0.01)
    assert group.floors["alone"] == group.floor_ns and (group.floors["shared"] or 0) > 0


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_an_arm_that_pays_in_a_tenth_of_the_builds_keeps_its_mean(share: float) -> None:
    """Parts are sorted by the reference, not by the arms: 10 ns in a tenth is 1 ns, in both conditions."""
    sessions = [group_of(*[Neighbour(share)] * 8, seed=seed) for seed in range(30)]
    for condition in CONDITIONS:
        found = [cell_of(group, RARE).conditions[condition].overhead.ns for group in sessions]
        assert np.mean(found) == pytest.approx(19 / 192 * 10, abs=0.08), condition


@pytest.mark.parametrize(
    ("shares", "headline", "conditions"),
    [
        ([0.0] * 8, "alone", ["alone"]),
        ([0.0] * 5 + [1.0] * 3, "alone", ["alone", "shared"]),
        ([0.0] * 6 + [1.0] * 2, "alone", ["alone"]),  # two processes are too few
        ([0.0] * 2 + [1.0] * 6, "shared", ["shared"]),
        ([0.0] * 3 + [1.0] * 3, "alone", ["alone", "shared"]),
    ],
)
def test_a_condition_needs_three_processes(
    shares: list[float], headline: Condition, conditions: list[Condition]
) -> None:
    """No figure and no verdict from fewer; the headline is of what there is, and says which."""
    group = group_of(*[Neighbour(share) for share in shares])
    v1 = cell_of(group, V1)
    assert group.condition == v1.condition == headline and [*v1.conditions] == conditions
    for condition in conditions:
        judged = v1.conditions[condition]
        assert judged.overhead.ns == pytest.approx(COST[condition][V1], abs=0.08)
        assert judged.overhead.processes == sum(share == (condition == "shared") for share in shares)
    assert v1.overhead == v1.conditions[headline].overhead


def test_a_sibling_that_does_little_is_in_neither_condition() -> None:
    """A tenth of the dispatch gone: not alone, and no busy sibling; where all is so, nothing is claimed."""
    light, none = Neighbour(1.0, slot=1.15), Neighbour(0.0)
    mixed = group_of(*[none] * 4, *[light] * 4)
    assert [*cell_of(mixed, V1).conditions] == ["alone"] and cell_of(mixed, V1).overhead.processes == 4
    group = group_of(*[none] * 2, *[light] * 10)
    assert group.busy and group.condition is None
    assert {cell.judgement.verdict for cell in group.cells} == {"undecided"}


def test_a_partner_on_a_known_core_and_on_an_unknown_one() -> None:
    """`--sibling busy`: shared throughout, though the file has no quiet part to compare with."""
    zen3 = {"cpu_vendor": "AuthenticAMD", "cpu_family": "25", "cpu_model": "1", "cpu_core_type": "only"}
    for facts in (zen3 | {"sibling": "busy"}, {"sibling": "busy"}, zen3):
        group = group_of(*[Neighbour(1.0)] * 6, facts=facts)
        assert group.condition == "shared" and cell_of(group, V1).overhead.processes == 6, facts
    assert group_of(*[Neighbour(1.0)] * 6).condition == "alone", "nothing tells on an unknown core"
    fooled = group_of(*[Neighbour(0.0)] * 6, facts=zen3 | {"sibling": "busy"})
    assert fooled.condition == "alone" and any("--sibling busy, but" in text for text in fooled.warnings)


@pytest.mark.soak
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_coverage_of_both(share: float) -> None:
    """95 % intervals of both costs hold the truth in 93 % of sessions, less twice the sampling error."""
    sessions, hits = 100, dict.fromkeys(CONDITIONS, 0)
    counts = dict.fromkeys(CONDITIONS, 0)
    for seed in range(sessions):
        group = group_of(*[Neighbour(share)] * 8, seed=100 + seed)
        for arm in (TWIN, V1):
            for condition, judged in cell_of(group, arm).conditions.items():
                low, high = judged.judgement.ci95 or (0.0, 0.0)
                hits[condition] += low <= COST[condition][arm] <= high
                counts[condition] += 1
    print(f"\nshare {share}: " + ", ".join(f"{c} {hits[c]} of {counts[c]}" for c in CONDITIONS))
    for condition in CONDITIONS:
        assert counts[condition] >= sessions
        least = 0.93 - 2 * np.sqrt(0.93 * 0.07 / counts[condition])
        assert hits[condition] / counts[condition] >= least, condition


def test_the_levels_of_known_cores_are_those_of_the_kept_runs() -> None:
    """Within 2 %, whatever else the host did; `pytest -s` prints where their blocks lie."""
    kept = [
        *FOLDER.glob(f"*/{RUN}"),
        *(FOLDER.parent / "reference").glob("kernel-6.1.*-zen1-*-seed1.json.gz"),
    ]
    seen = set()
    for file in kept:
        run = load(file)
        core, level = core_of(run.facts), run.scenarios[0].quiet_level
        assert core is not None and level is not None
        rows = [p.slot_cycles for s in run.scenarios for p in s.processes if p.slot_cycles is not None]
        ratios = np.concatenate(rows) / level
        bounds = (0.0, QUIET, SHARED, MOST_SHARED, np.inf)
        shares = [((ratios >= low) & (ratios < high)).mean() for low, high in pairwise(bounds)]
        texts = ", ".join(f"{share:.1%}" for share in shares)
        print(f"\n{core.name}: {level:.4f} cycles per NOP; alone, between, shared, beyond: {texts}")
        assert shares[3] < 0.001
        own = own_level([process.facts for scenario in run.scenarios for process in scenario.processes])
        if own is not None:
            assert level == pytest.approx(own, rel=0.02), core.name
            seen.add(core.name)
    assert seen == {*ALONE}
