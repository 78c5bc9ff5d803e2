"""Today's kernel beyond its fast path: blocks, drains and the buddy, batches, large kfree, charged pages."""

from collections import Counter
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from benchmarks.cases import Case
from benchmarks.census.counting import trace_arm
from benchmarks.census.emulator import Emulator, Trace
from benchmarks.timing.sampler import Sampler
from benchmarks.timing.scheme import Scheme
from model.common.errors import FreepathError
from model.kernels import path_of
from model.kernels.arrays import address_of
from model.kernels.store import Store
from model.kernels.v6_18.image import Image
from model.kernels.v6_18.machine import Machine
from model.kernels.v6_18.memcg import CHARGE_BATCH, SLOTS
from model.kernels.v6_18.memory import CPUS_ONLINE
from model.kernels.v6_18.oracle import Oracle, OracleGroup, OracleStock
from model.kernels.v6_18.page import LARGE_KMALLOC_TYPE, MEMCG_DATA_KMEM, ZSMALLOC
from model.kernels.v6_18.path import FreePath
from model.kernels.v6_18.scenarios import USUAL, scenario_of
from model.kernels.v6_18.start import StartState
from model.kernels.v6_18.zone import NR_FREE_PAGES, NR_FREE_PAGES_BLOCKS, PREEMPT_OFFSET
from model.vocabulary.scenario import Arm, Config, Scenario

BASE = Arm("base", "jump-label")
PAGES = 4096
CHARGED = USUAL.but(memcg="on-charged", page_kind="charged")
ORDERS = (0, 1, 2, 3, 4, 9)


def arm_of(scenario: Scenario) -> Arm:
    """Base, with the gate that it has there."""
    return Arm("base", "none" if scenario.memcg == "off" else "jump-label")


def function_of(machine: Machine, image: Image, entry: str) -> Any:
    """A function of an image, on a machine."""
    (placement,) = machine.place(Store().load(image))
    machine.activate()
    return placement.function(entry, 2)


def check_zone(machine: Machine, oracle: Oracle) -> None:
    """Lists, counters and every page as the oracle has them; nothing held, nothing beyond the model."""
    memory, pcp = machine.memory, machine.memory.pcp
    assert machine.report() is None or oracle.bad
    for index in range(14 if oracle.thp else 12):
        head = memory.pcp_list(0) + 16 * index
        assert machine.walk(head) == oracle.pcp.lists.get(index, []), index
    assert memory.free_blocks() == {kind: blocks for kind, blocks in oracle.free.items() if blocks}
    for (order, _), blocks in oracle.free.items():
        assert memory.nr_free(order) == len(blocks)
    assert memory.counted(NR_FREE_PAGES) == oracle.nr_free_pages
    assert memory.counted(NR_FREE_PAGES_BLOCKS) == oracle.nr_free_in_blocks
    known = oracle.pcp
    assert (pcp["count"], pcp["high"], pcp["free_count"]) == (known.count, known.high, known.free_count)
    assert bool(pcp["flags"] & 1) == known.was_high_order and pcp["lock"] == memory.zone["lock"] == 0
    assert memory.cpu["pgfree"] == oracle.pgfree and memory.cpu["bad_pages"] == len(oracle.bad)
    assert memory.cpu["preempt_count"] == PREEMPT_OFFSET and memory.cpu["beyond"] == 0
    fields = ("flags", "page_type", "_refcount", "mapping", "memcg_data", "private")
    found = [memory.mem_map[name].tolist() for name in fields]
    for number, page in enumerate(oracle.pages):
        wanted = (
            page.flags | memory.plain_flags,
            page.type,
            page.count,
            page.mapping,
            page.memcg,
            page.private,
        )
        assert tuple(column[number] for column in found) == wanted, number


def set_up(oracle: Oracle, machine: Machine, start: int, order: int, compound: bool) -> None:
    """Make a block that somebody owns, on both sides."""
    memory = machine.memory
    records, pages = memory.mem_map[start : start + (1 << order)], oracle.pages[start : start + (1 << order)]
    records["_refcount"][1:] = 0
    for page in pages[1:]:
        page.count = 0
    if not compound or not order:
        return
    records["flags"][0] |= 1 << 6
    pages[0].flags |= 1 << 6
    records["flags"][1] |= order | 1 << 9
    pages[1].flags |= order | 1 << 9
    # Mapped nowhere, on no list, with the mark of a tail page; each leads to its head.
    records["mapping"][1:] = -0x2152FFFFFFFFFC00
    records["mapping"][1] = records["lru_prev"][1] = 0xFFFFFFFF
    records["compound_head"][1:] = memory.page_address(start) + 1
    if order > 1:
        records["lru_prev"][2] = records["mapping"][2] = memory.page_address(start + 2) + 16
    if oracle.memcg:
        records["memcg_data"][1] = pages[1].memcg = 1 << order
    for page, record in zip(pages[1:], records[1:], strict=True):
        page.tail, page.mapping = True, int(record["mapping"])


@pytest.mark.parametrize(("config", "memcg"), [("default", False), ("default", True), ("distribution", True)])
@given(
    orders=st.lists(st.sampled_from([*ORDERS[:-1], *ORDERS[:2] * 3, 9]), min_size=1, max_size=60),
    compound=st.booleans(),
    checks=st.booleans(),
    batch=st.sampled_from([1, 7, 63]),
    high=st.tuples(st.integers(0, 300), st.integers(0, 500)),
    free_count=st.integers(0, 500),
    flags=st.integers(0, 3),
    zone_flags=st.sampled_from([0, 0, 0, 2]),
    typed=st.integers(-1, 40),
    order=st.randoms(),
)
@settings(max_examples=40, deadline=None)
def test_blocks_drains_and_buddies_are_the_oracles(
    config: Config,
    memcg: bool,
    orders: list[int],
    compound: bool,
    checks: bool,
    batch: int,
    high: tuple[int, int],
    free_count: int,
    flags: int,
    zone_flags: int,
    typed: int,
    order: Any,
) -> None:
    """Blocks of every order, in any order, with any tuning: pages, lists, free blocks and counters."""
    machine = Machine(PAGES, "on-active" if memcg else "off", config, checks=checks)
    oracle = Oracle("base", config, PAGES, checks=checks, memcg=memcg)
    gate = "jump-label" if memcg else "none"
    free = function_of(machine, Image("base", gate, memcg=memcg, config=config, direct=True), "__free_pages")
    pcp, known = machine.memory.pcp, oracle.pcp
    known.batch, known.high_min, known.high_max = batch, high[0], high[0] + high[1]
    known.free_count, known.was_high_order, known.keeps_a_batch = free_count, bool(flags & 1), bool(flags & 2)
    pcp["batch"], pcp["high_min"], pcp["high_max"] = batch, known.high_min, known.high_max
    pcp["free_count"], pcp["flags"], machine.memory.zone["flags"] = free_count, flags, zone_flags
    oracle.reclaims = zone_flags == 2
    blocks, at = [], 0
    for size in sorted(orders, reverse=True):  # aligned to their size, the large ones first
        if at + (1 << size) <= PAGES:
            set_up(oracle, machine, at, size, compound)
            blocks.append((at, size))
            at += 1 << size
    if 0 <= typed < at:
        machine.memory.mem_map["page_type"][typed] = oracle.pages[typed].type = ZSMALLOC
    order.shuffle(blocks)
    for start, size in blocks:
        free(machine.memory.page_address(start), size)
        oracle.free_pages(start, size)
    check_zone(machine, oracle)


@given(
    kept=st.lists(st.integers(1, 2), min_size=1, max_size=31), checks=st.booleans(), typed=st.integers(0, 40)
)
@settings(max_examples=40, deadline=None)
def test_a_batch_is_the_oracles(kept: list[int], checks: bool, typed: int) -> None:
    """Up to 31 folios, some of them with another reference, one with a type: order of the list, fields."""
    machine = Machine(PAGES, "on-active", "distribution", checks=checks)
    oracle = Oracle("base", "distribution", PAGES, checks=checks)
    put = function_of(
        machine,
        Image("base", "jump-label", memcg=True, config="distribution", entry="folios_put_refs"),
        "folios_put_refs",
    )
    for number, count in enumerate(kept):
        machine.memory.mem_map["_refcount"][number] = oracle.pages[number].count = count
    machine.memory.mem_map["page_type"][typed] = oracle.pages[typed].type = ZSMALLOC
    addresses = np.array([machine.memory.page_address(number) for number in range(len(kept))], np.int64)
    put(address_of(addresses), len(addresses))
    oracle.folios_put_refs(list(range(len(kept))))
    oracle.pcp.high = int(machine.memory.pcp["high"])  # of an empty batch it was not looked at
    check_zone(machine, oracle)


@pytest.mark.parametrize("order", [1, 2, 3, 9])
@pytest.mark.parametrize(("config", "memcg"), [("default", False), ("distribution", True)])
def test_a_large_kfree_is_the_oracles(order: int, config: Config, memcg: bool) -> None:
    """It finds its order by itself, and takes its type and its pages off the node's count."""
    machine = Machine(PAGES, "on-active" if memcg else "off", config)
    oracle = Oracle("base", config, PAGES, memcg=memcg)
    set_up(oracle, machine, 0, order, compound=True)
    machine.memory.mem_map["page_type"][0], machine.memory.mem_map["_refcount"][0] = LARGE_KMALLOC_TYPE, 0
    direct = order == 9 and config == "default"
    gate = "jump-label" if memcg else "none"
    image = Image("base", gate, memcg=memcg, config=config, entry="kfree", direct=direct)
    function_of(machine, image, "kfree")(machine.memory.page_address(0), 77)
    oracle.kfree(0)
    if direct:
        oracle.pcp.high = int(machine.memory.pcp["high"])
    check_zone(machine, oracle)
    counted = machine.memory.arena["node"][0]["vm_stat"][0] + machine.memory.arena["nodestat"][0]["diff"][0]
    assert counted == -(1 << order)


@pytest.mark.parametrize("v1", [False, True])
@given(
    pages=st.lists(st.tuples(st.integers(0, SLOTS), st.sampled_from([0, 0, 0, 1, 3, 4])), max_size=200),
    levels=st.integers(2, 4),
)
@settings(max_examples=30, deadline=None)
def test_uncharging_is_the_oracles(v1: bool, pages: list[tuple[int, int]], levels: int) -> None:
    """Blocks of eight cgroups in any order: counters, references, statistics and the seven slots."""
    machine = Machine(PAGES, "on-charged", "distribution", levels=levels, v1=v1)
    memory = machine.memory
    free = function_of(
        machine, Image("base", "jump-label", memcg=True, config="distribution", direct=True), "__free_pages"
    )
    root = OracleGroup(None)
    groups = [root]
    for index in range(1, memory.groups):
        groups.append(OracleGroup(groups[index - 1] if index < levels else root))
    stock = OracleStock(v1=v1, online=CPUS_ONLINE)
    for index in range(memory.groups):
        for name in ("memory", "memsw", "kmem"):
            memory.memcg[index][name]["usage"] = 10_000
    at, freed = 0, Counter[int]()
    for which, order in sorted(pages, key=lambda block: -block[1]):
        group = levels - 1 + which
        memory.mem_map["memcg_data"][at] = memory.objcg_address(group) | MEMCG_DATA_KMEM
        memory.mem_map["_refcount"][at + 1 : at + (1 << order)] = 0
        free(memory.page_address(at), order)
        stock.uncharge(groups[group], 1 << order)
        assert memory.mem_map["memcg_data"][at] == 0
        at += 1 << order
        freed[group] += 1
    assert machine.report() is None
    for index, group_ in enumerate(groups):
        usage = [int(memory.memcg[index][name]["usage"]) - 10_000 for name in ("memory", "memsw", "kmem")]
        part = memory.parts[index]
        assert usage == [group_.memory, group_.memsw, group_.kmem], index
        assert part["references"].tolist() == [group_.references, -freed[index]]
        assert (part["vmstats_percpu"]["stats_updates"], part["vmstats"]) == (
            group_.updates,
            group_.shared_updates,
        )
    kept = [(slot[0], slot[1]) if slot else None for slot in stock.slots]
    for slot, known in enumerate(kept):
        cached = memory.memcg_address(groups.index(known[0])) if known else 0
        assert (memory.stock["cached"][slot], memory.stock["nr_pages"][slot]) == (
            cached,
            known[1] if known else 0,
        )


def off_stack(trace: Trace, op: str) -> int:
    """Accesses that are the path's, not the compiler's."""
    return sum(count for a, count in trace.accesses.items() if a.op == op and a.object != "stack")


STOCK = {
    # (state, hierarchy): (instructions, locked) over a plain page, by the facts, section 6.
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
    # (configuration, block): the facts' instructions (section 7) and stores beyond one page's.
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
    scenario = scenario_of("on-active" if config == "distribution" else "off", config).but(block=block)  # type: ignore[arg-type]
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
    start: StartState = path.start(scenario, np.random.default_rng(0), counting=arm_of(scenario))
    (placement,) = start.machine.place(Store().load(path.image(scenario, arm_of(scenario))))
    start.machine.activate()
    emulator = Emulator(start.machine, [placement])
    address = placement.address("__free_pages")
    pages = [start.machine.memory.page_address(page) for page in range(frees)]
    return [emulator.call(address, page, 0, page=page) for page in pages]


@pytest.mark.parametrize(("config", "cost"), [("default", (230, 234)), ("distribution", (256, 260))])
def test_a_drained_page_costs_what_the_facts_say(config: Config, cost: tuple[int, int]) -> None:
    """2016 pages whose neighbours all merge: instructions each, beside the facts' 230 to 260."""
    scenario = scenario_of("on-active" if config == "distribution" else "off", config).but(depth="full")
    traces = emulated(scenario, 2016)
    plain, drain = traces[1000].instructions, traces[-1].instructions
    assert max(trace.instructions for trace in traces[:-1]) - plain <= 2
    assert 0.6 < (drain - plain) / 2016 / cost[0] < 1.05
    assert traces[-1].locked - traces[1000].locked >= 1


@pytest.mark.parametrize(
    ("scenario", "facts"),
    [(USUAL, 283), (scenario_of("on-idle"), 276), (scenario_of("off", "default"), 214)],
)
def test_a_batch_costs_what_the_facts_say(scenario: Scenario, facts: int) -> None:
    """15 plain folios: one lock for all of them, and instructions per folio beside the facts'."""
    batch = scenario.but(entry="folios_put_refs")
    path = path_of(batch)
    start: StartState = path.start(batch, np.random.default_rng(0), counting=arm_of(batch))
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
        scenario_of("off", "default").but(depth="full"),
        scenario_of("off", "default").but(block="compound-9"),
    ],
    ids=lambda scenario: scenario.name,
)
def test_each_is_timed(scenario: Scenario) -> None:
    """Every page is freed and given back, pass after pass; nothing is bad, nothing beyond the model."""
    arms = [arm for arm in path_of(scenario).arms(scenario) if arm.variant in ("base", "base-twin", "nop")]
    made = Sampler(Case(scenario, tuple(arms)), Store(), [1], Scheme(2, groups=1))
    made(3)
    made.check()
    assert (made.blocks[0] > 0).all()
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
