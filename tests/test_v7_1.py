"""v7.1: where it differs from v6.18, against the oracle, by its counts, and in what it refuses."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from benchmarks.cases import Case
from benchmarks.census.counting import trace_arm
from benchmarks.census.document import as_json, census
from benchmarks.emulator import Emulator
from benchmarks.selection import select
from benchmarks.timing.sampler import Sampler
from benchmarks.timing.scheme import Scheme
from model.common.errors import FreepathError
from model.kernels import kernel_called, path_of
from model.kernels.arrays import address_of
from model.kernels.kit.ladder import SHARED
from model.kernels.store import Store
from model.kernels.v6_18.scenarios import USUAL as USUAL_V6_18
from model.kernels.v6_18.zone import PREEMPT_OFFSET
from model.kernels.v7_1.oracle import OracleStock
from model.kernels.v7_1.path import OF_THE_STOCK, FreePath
from model.kernels.v7_1.scenarios import CHARGED, DRAINS, QUICK, SCENARIOS, USUAL
from model.kernels.v7_1.variants import BORROWED, VARIANTS
from model.vocabulary.scenario import Arm, Scenario
from results.analysis.fidelity import KEPT_CENSUS, columns_of
from results.reading.load import read_json
from tests.command import refused, run
from tests.versions import PAGES, V6_18, V7_1, against_the_oracle, booted

BASE = Arm("base", "jump-label")
OWN = [name for name in VARIANTS if name not in {*BORROWED, *SHARED}]
SUBJECTS = [
    *((name, "distribution", True, "__free_pages") for name in OWN),
    ("base", "default", False, "__free_pages"),
    ("base", "distribution", True, "put_page"),
]


test_it_does_what_the_oracle_does = against_the_oracle(V7_1, SUBJECTS)
"""Variants of v6.18 that hold here are its own tests' subject."""


@pytest.mark.parametrize("variant", ["base", "stable"])
def test_private_is_cleared_by_stable_releases_only(variant: str) -> None:
    """v6.18.2 leaves it, a current v6.18 clears it."""
    machine, free = booted(V6_18, variant, "distribution", True, False)
    machine.memory.mem_map["private"][:2] = 7
    machine.activate()
    free(machine.memory.page_address(0), 0)
    assert machine.memory.mem_map["private"][:2].tolist() == [7 if variant == "base" else 0, 7]


def counted(scenario: Scenario, arm: Arm) -> Counter[tuple[str, str, str]]:
    """How often one free reads and writes each field, its stack left out; and its instructions."""
    (trace,) = trace_arm(scenario, arm, Store())
    found = Counter({("all", "instructions", ""): round(trace.instructions)})
    for access, count in trace.accesses.items():
        if access.object != "stack":
            found[access.op, access.object, access.field] += count
    return found


def over(found: Counter[tuple[str, str, str]], base: Counter[tuple[str, str, str]]) -> dict[Any, int]:
    """What is more, or less, than in the other."""
    difference = Counter(found)
    difference.subtract(base)
    return {key: count for key, count in difference.items() if count}


@pytest.mark.parametrize("memcg", ["on-active", "on-idle"])
def test_a_free_is_v6_18s_and_three_accesses(memcg: Any) -> None:
    """The store to private, and what the slices need: the CPU's number, and the count once more."""
    old, new = counted(USUAL_V6_18.but(memcg=memcg), BASE), counted(USUAL.but(memcg=memcg), BASE)
    names = {"compound_head": "compound_info"}
    more = over(new, Counter({(op, of, names.get(at, at)): n for (op, of, at), n in old.items()}))
    assert 3 <= more.pop(("all", "instructions", "")) <= 10
    accesses = ("store", "page", "private"), ("load", "cpu", "cpu_number"), ("load", "pcp", "count")
    assert more == dict.fromkeys(accesses, 1)


def test_a_real_kernel_reads_and_writes_the_same() -> None:
    """Debian's 7.1.13, its page checks and list check on: every access to every field, step by step."""
    fields = "memcg=on-active,page_kind=plain,checks=on,depth=pcp,block=page,config=distribution"
    (case,) = select(f"kernel=v7.1,entry=__free_pages,list-check,{fields}")
    (model,) = columns_of(json.loads(as_json(census([case], ordered=True))), "the model")
    (real,) = (column for column in columns_of(read_json(KEPT_CENSUS)) if column.kernel.startswith("7.1"))
    for name, step in model.steps.items():
        assert (name, step.loads, step.stores) == (name, real.steps[name].loads, real.steps[name].stores)


PRICES = {
    # variant: (loads, stores, least and most instructions) over base with the key on, by
    # docs/kernel-facts/after-v6.18.md: a store; a load and a branch in its place; a branch and a key in the
    # place of arithmetic, twice; no look-up at all, twice.
    "no-private": (0, -1, -1, -1),
    "private-conditional": (1, -1, 1, 2),
    "head-branch": (0, 0, -6, 1),
    "head-direct": (-2, 0, -12, -8),
    "whole-drain": (0, 0, 0, 0),
    "memcg-off": (-2, 0, -9, -7),
    "memcg-direct": (-1, 0, -7, -4),
    "no-type-test": (-1, 0, -3, -2),
    "nop": (0, 0, 1, 1),
    "load-compare-store": (1, 1, 4, 4),
}


@pytest.mark.parametrize("variant", PRICES)
def test_each_step_has_its_price(variant: str) -> None:
    """Loads and stores exactly; instructions within what compilers differ by."""
    arm = Arm(variant, "none" if VARIANTS[variant].exact else "jump-label")
    more = over(counted(USUAL, arm), counted(USUAL, BASE))
    loads, stores, least, most = PRICES[variant]
    assert least <= more.get(("all", "instructions", ""), 0) <= most
    of_an_op = {op: sum(n for (what, *_), n in more.items() if what == op) for op in ("load", "store")}
    assert of_an_op == {"load": loads, "store": stores}


def test_the_mask_is_no_branch() -> None:
    """v6.18's look-up is a branch and a key; the mask is neither, so the path has no such site."""
    names = ("base", "head-branch")
    mask, branch = (Store().load(V7_1.image(name, "jump-label", memcg=True)) for name in names)
    key = kernel_called("v7.1").keys["hugetlb_optimize_vmemmap"]
    assert not any(site.key == key for site in mask.sites)
    assert sum(site.key == key for site in branch.sites) >= 2
    traces = [trace_arm(USUAL, Arm(name, "jump-label"), Store())[0] for name in names]
    assert traces[1].branches - traces[0].branches == 2


def test_a_drain_gives_the_locks_up_between_slices() -> None:
    """252 pages are 4 slices, so 3 pairs of locks more than one drain takes."""
    locked = []
    for arm in (Arm(name, "jump-label") for name in ("base", "whole-drain")):
        start = FreePath().start(DRAINS, np.random.default_rng(0), counting=arm)
        memory = start.machine.memory
        waiting = int(memory.pcp["count"])
        memory.pcp["high"] = memory.pcp["high_min"] = waiting + 1
        memory.pcp["free_count"] = 4 * 63 - 1
        (placement,) = start.machine.place(Store().load(FreePath().image(DRAINS, arm)))
        start.machine.activate()
        emulator, page = Emulator(start.machine, [placement]), memory.page_address(0)
        locked.append(emulator.call(placement.address("__free_pages"), page, 0, page=page).locked)
        assert memory.pcp["count"] == waiting + 1 - 4 * 63 and start.machine.report() is None
    assert locked[0] - locked[1] == 2 * 3


@pytest.mark.parametrize("lost", [False, True])
def test_a_lock_that_is_lost_between_slices(lost: bool) -> None:
    """The drain stops after its slice and says so; what another holds stays held."""
    machine = V7_1.machine(PAGES, "on-active", "distribution")
    (placement,) = machine.place(Store().load(V7_1.image("base", "jump-label", memcg=True)))
    memory = machine.memory
    memory.pcp["batch"], memory.pcp["lock"], memory.cpu["preempt_count"] = 16, 1, PREEMPT_OFFSET + 2
    # Where the lock is lost, other lists are drained than those that the zone leads to when it is retaken.
    drained = memory.arena["pcp"].copy() if lost else memory.arena["pcp"]
    lists = memory.pcp_list(1) - memory.field_address("pcp") + address_of(drained)
    drained["lists"][0][1], drained["count"] = memory.chain(lists, range(PAGES), 8), PAGES
    machine.activate()
    held = placement.function("drain_in_slices", 5)(memory.zone_address, address_of(drained), PAGES, 1, 0)
    assert (held, drained["count"][0]) == ((0, PAGES - 16) if lost else (1, 0))
    assert memory.pcp["lock"] == 1 and memory.zone["lock"] == 0
    assert memory.cpu["preempt_count"] - PREEMPT_OFFSET == (0 if lost else 2)


@pytest.mark.parametrize("stock", ["turn-2", "turn-12"])
def test_pages_of_several_cgroups_in_turn(stock: str) -> None:
    """Each is charged to its own; a pass takes them off, and the next one finds them charged again."""
    scenario = CHARGED.but(stock=stock)
    arms = tuple(Arm(name, "jump-label") for name in ("base", *OF_THE_STOCK))
    made = Sampler(Case(scenario, arms), Store(), [1], Scheme(1))
    made(1)
    made.check()
    start = FreePath().start(scenario, np.random.default_rng(0), counting=BASE)
    memory, pages = start.machine.memory, FreePath().pages(scenario)
    assert len(set(memory.mem_map["memcg_data"][:pages].tolist())) == scenario.turns
    usage = memory.memcg["memory"]["usage"]
    assert usage[0] == pages == usage[1:].sum() and set(usage[1 : 1 + scenario.turns]) == {
        pages // scenario.turns
    }


def test_the_victim_goes_round() -> None:
    """Of a stock whose slots are all of other cgroups, the next slot each time; v6.18's is drawn."""
    stock = OracleStock(v1=False, online=8)
    assert [stock._victim() for _ in range(9)] == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    with pytest.raises(FreepathError, match="stock=turn-8 goes with levels=2 and block=page"):
        FreePath().check(CHARGED.but(stock="turn-8", levels="3"))


@pytest.mark.parametrize("scenario", QUICK, ids=lambda s: s.name)
def test_it_is_timed(scenario: Scenario) -> None:
    """Base and arms of its own, without memcg base alone, free every page, and nothing is bad."""
    names = ("base",) if scenario.memcg == "off" else ("base", *OWN[2:4])
    arms = [arm for arm in path_of(scenario).arms(scenario) if arm.variant in names]
    made = Sampler(Case(scenario, tuple(arms)), Store(), [1], Scheme(2))
    made(1)
    made.check()
    assert (made.values[0].levels > 0).all()


def test_what_it_has_not_is_refused() -> None:
    """HVO has no key any more; a variant of another kernel selects nothing."""
    with pytest.raises(FreepathError, match=r"v7\.1 has no hvo=on; it has off"):
        FreePath().start(USUAL.but(hvo="on"), np.random.default_rng(0))
    refused(run("benchmarks", "--only", "kernel=v7.1,v1", "-o", "never.json"), "selects nothing")


def test_it_is_listed_and_in_the_headline() -> None:
    """By its name, with stories that name it; what v6.18 has, too, is v6.18's unless v7.1 is named."""
    listed = json.loads(run("benchmarks", "--list", "--json", "--only", "kernel=v7.1").stdout)
    assert {scenario["kernel"] for scenario in listed["scenarios"]} == {"v7.1"}
    stories = {variant["name"]: variant["story"] for variant in listed["variants"]}
    assert set(BORROWED) < set(stories) and all("Kernel: v6.18" not in story for story in stories.values())
    assert {case.scenario.kernel for case in select(quick=True)} == {"v4.3", "v6.18", "v7.1"}
    assert {case.scenario.kernel for case in select("no-private", quick=True)} == {"v7.1"}
    assert {case.scenario.kernel for case in select("memcg-off", quick=True)} == {"v6.18"}
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    assert USUAL.name == "on-active/plain/warm/sequential/pcp/v7.1"
