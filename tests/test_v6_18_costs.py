"""v6.18 beyond its fast path: counts beside the kernel's, timing, and what it refuses."""

from typing import Any

import numpy as np
import pytest

from benchmarks.cases import Case
from benchmarks.census.counting import trace_arm
from benchmarks.emulator import Emulator, Trace
from benchmarks.timing.sampler import Sampler
from benchmarks.timing.scheme import Scheme
from model.common.errors import FreepathError
from model.kernels import path_of
from model.kernels.arrays import address_of
from model.kernels.store import Store
from model.kernels.v6_18.memcg import CHARGE_BATCH
from model.kernels.v6_18.path import FreePath
from model.kernels.v6_18.scenarios import CHARGED, USUAL
from model.vocabulary.scenario import Arm, Config, Scenario

BASE = Arm("base", "jump-label")


def arm_of(scenario: Scenario) -> Arm:
    """Base, with the gate that it has there."""
    return Arm("base", "none" if scenario.memcg == "off" else "jump-label")


def off_stack(trace: Trace, op: str) -> int:
    """Accesses that are the path's, not the compiler's."""
    return sum(count for a, count in trace.accesses.items() if a.op == op and a.object != "stack")


STOCK = {
    # (state, hierarchy): (instructions, locked) over a plain page, as docs/kernel-facts/v6.18-costs.md,
    # section 6, has them.
    ("hit", "v2"): (281, 0),
    ("overflow", "v2"): (412, 2),
    ("miss", "v2"): (383, 0),
    ("taken", "v2"): (510, 2),
    ("hit", "v1"): (335, 2),
    ("overflow", "v1"): (517, 6),
}


@pytest.mark.parametrize(("stock", "cgroup"), STOCK)
def test_an_uncharge_costs_what_the_facts_say(stock: str, cgroup: str) -> None:
    """Locked operations exactly; instructions to three tenths, which gcc's stack frames are here."""
    (plain,) = trace_arm(USUAL, BASE, Store())
    (charged,) = trace_arm(CHARGED.but(stock=stock, cgroup=cgroup), BASE, Store())
    instructions, locked = STOCK[stock, cgroup]
    assert charged.locked - plain.locked == locked
    assert 0.7 < (charged.instructions - plain.instructions) / instructions < 1.05


@pytest.mark.parametrize("levels", ["3", "4"])
@pytest.mark.parametrize(("stock", "cgroup"), STOCK)
def test_each_level_costs_what_the_facts_say(levels: str, stock: str, cgroup: str) -> None:
    """A hit 16 instructions on v2, 35 on v1; a drained slot a locked operation more."""
    two, more = (
        trace_arm(CHARGED.but(stock=stock, cgroup=cgroup, levels=depth), BASE, Store())[0]
        for depth in ("2", levels)
    )
    drains = stock in ("overflow",)
    each = (1 + drains + drains if cgroup == "v1" else drains) if stock != "taken" else 0
    assert more.locked - two.locked == each * (int(levels) - 2)


BLOCK_COUNTS = {
    # (configuration, block): instructions, and stores beyond one page's: section 7 there.
    ("distribution", "order-1"): (306, 2),
    ("distribution", "order-2"): (326, 4),
    ("distribution", "order-3"): (366, 8),
    ("distribution", "compound-2"): (368, 12),
    ("distribution", "compound-3"): (464, 24),
    ("distribution", "order-9"): (5399, 511),
    ("distribution", "compound-9"): (12553, 1535),
    ("default", "order-2"): (294, 4),
    ("default", "compound-2"): (333, 11),
}


@pytest.mark.parametrize(("config", "block"), BLOCK_COUNTS)
def test_blocks_cost_what_the_facts_say(config: str, block: str) -> None:
    """One store per plain tail page, three of a compound one; instructions below gcc's, which are indexed."""
    memcg = "on-active" if config == "distribution" else "off"
    scenario = USUAL.but(memcg=memcg, config=config, block=block)
    arm = arm_of(scenario)
    (single,), (whole,) = (trace_arm(s, arm, Store()) for s in (scenario.but(block="page"), scenario))
    instructions, _ = BLOCK_COUNTS[config, block]
    tails = (1 << scenario.block_order) - 1
    stored = off_stack(whole, "store") - off_stack(single, "store")
    # The first tail page's flags and, with memcg, the number of pages; the mark of large blocks.
    extra = (2 if config == "distribution" else 1) if scenario.compound else 0
    marked = scenario.block_order <= 3
    assert stored == (3 if scenario.compound else 1) * tails + extra + marked
    assert 0.45 < whole.instructions / instructions < 1.02


def emulated(scenario: Scenario, frees: int) -> list[Trace]:
    """So many frees of one page each from a start state, one after the other."""
    path = path_of(scenario)
    start: Any = path.start(scenario, np.random.default_rng(0), counting=arm_of(scenario))
    (placement,) = start.machine.place(Store().load(path.image(scenario, arm_of(scenario))))
    start.machine.activate()
    emulator = Emulator(start.machine, [placement])
    address = placement.address("__free_pages")
    pages = [start.machine.memory.page_address(page) for page in range(frees)]
    return [emulator.call(address, page, 0, page=page) for page in pages]


@pytest.mark.parametrize(
    ("config", "cost"),
    [pytest.param("default", (230, 234), marks=pytest.mark.reliability), ("distribution", (256, 260))],
)
def test_a_drained_page_costs_what_the_facts_say(config: Config, cost: tuple[int, int]) -> None:
    """2016 pages whose neighbours all merge: instructions each, beside the facts' 230 to 260."""
    memcg = "on-active" if config == "distribution" else "off"
    scenario = USUAL.but(memcg=memcg, config=config, depth="full")
    traces = emulated(scenario, 2016)
    plain, drain = traces[1000].instructions, traces[-1].instructions
    assert max(trace.instructions for trace in traces[:-1]) - plain <= 2
    # Unicorn begins some stores twice here; they are counted once, and nothing is left of the other time.
    assert len({(trace.instructions, trace.loads, trace.stores) for trace in traces[1:-1]}) <= 3
    for trace in traces:
        assert min(trace.accesses.values()) > 0
        assert trace.accesses.total() == trace.loads + trace.stores == len(trace.sequence)
    assert 0.6 < (drain - plain) / 2016 / cost[0] < 1.05
    assert traces[-1].locked - traces[1000].locked >= 1


@pytest.mark.parametrize(
    ("scenario", "facts"),
    [(USUAL, 283), (USUAL.but(memcg="on-idle"), 276), (USUAL.but(memcg="off", config="default"), 214)],
)
def test_a_batch_costs_what_the_facts_say(scenario: Scenario, facts: int) -> None:
    """15 plain folios: one lock for all of them, and instructions per folio beside the facts'."""
    batch = scenario.but(entry="folios_put_refs")
    path = path_of(batch)
    start: Any = path.start(batch, np.random.default_rng(0), counting=arm_of(batch))
    (placement,) = start.machine.place(Store().load(path.image(batch, arm_of(batch))))
    start.machine.activate()
    emulator = Emulator(start.machine, [placement])
    # The emulator knows the machine's memory only: the batch lies in pages that nobody frees.
    batch_of = start.machine.memory.mem_map[-2:].view("i8")
    batch_of[:15] = start._addresses[:15]
    trace = emulator.call(placement.address("folios_put_refs"), address_of(batch_of), 15)
    assert trace.locked == 16
    assert 0.6 < trace.instructions / 15 / facts < 1.05


@pytest.mark.parametrize(
    "scenario",
    [
        USUAL.but(depth="full"),
        USUAL.but(block="order-3", depth="full"),
        USUAL.but(block="compound-9"),
        USUAL.but(block="compound-9", depth="full"),
        USUAL.but(block="order-4"),
        USUAL.but(block="compound-2", checks="on"),
        USUAL.but(block="compound-2", entry="kfree"),
        USUAL.but(entry="folios_put_refs"),
        CHARGED,
        CHARGED.but(stock="overflow"),
        CHARGED.but(stock="taken", cgroup="v1"),
        USUAL.but(memcg="off", config="default", depth="full"),
        USUAL.but(memcg="off", config="default", block="compound-9"),
    ],
    ids=lambda scenario: scenario.name,
)
def test_each_is_timed(scenario: Scenario) -> None:
    """Every page is freed and given back, pass after pass; nothing is bad, nothing beyond the model."""
    built_as_usual = (scenario.config, scenario.entry) == (USUAL.config, USUAL.entry)
    names = ("base", "base-twin", "nop") if built_as_usual else ("base",)
    arms = [arm for arm in path_of(scenario).arms(scenario) if arm.variant in names]
    made = Sampler(Case(scenario, tuple(arms)), Store(), [1], Scheme(2))
    made(3)
    made.check()
    assert (made.values[0].levels > 0).all()
    assert CHARGE_BATCH == 64


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"page_kind": "charged"}, "go together"),
        ({"memcg": "on-charged"}, "go together"),
        ({"stock": "hit"}, "go with page_kind=charged"),
        ({"levels": "3"}, "go with page_kind=charged"),
        ({"entry": "kfree"}, "compound"),
        ({"entry": "put_page", "block": "order-1"}, "block=page"),
        ({"block": "order-1", "memory": "dram"}, "memory=warm"),
        ({"memcg": "on-charged", "page_kind": "charged", "entry": "put_page"}, "entry=__free_pages"),
    ],
)
def test_what_does_not_go_together_is_refused(axes: dict[str, str], said: str) -> None:
    """In one line, before anything is measured."""
    with pytest.raises(FreepathError, match=said):
        FreePath().start(USUAL.but(**axes), np.random.default_rng(0))


@pytest.mark.parametrize("variant", ["no-trylock", "irq-off"])
def test_another_guard_is_one_for_a_batch(variant: str) -> None:
    """No locked compare-and-exchange is left, and interrupts are saved once for all of them."""
    batch = USUAL.but(entry="folios_put_refs")
    path = path_of(batch)
    counted = []
    for arm in (BASE, Arm(variant, "jump-label")):
        start: Any = path.start(batch, np.random.default_rng(0), counting=arm)
        (placement,) = start.machine.place(Store().load(path.image(batch, arm)))
        start.machine.activate()
        addresses = start.machine.memory.mem_map[-2:].view("i8")
        addresses[:15] = start._addresses[:15]
        emulator = Emulator(start.machine, [placement])
        counted.append(emulator.call(placement.address("folios_put_refs"), address_of(addresses), 15))
        assert start.machine.report() is None
    base, other = counted
    assert base.locked - other.locked == 1
    spared = [off_stack(base, op) - off_stack(other, op) for op in ("load", "store")]
    # The lock itself and both changes of the preemption count; with interrupts off that count is not kept.
    assert spared == ([4, 4] if variant == "no-trylock" else [6, 6])
