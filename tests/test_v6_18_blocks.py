"""v6.18 and v7.1 beyond its fast path, against the oracle: blocks, drains, batches, kfree, charged pages."""

from collections import Counter
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from model.kernels.arrays import address_of
from model.kernels.store import Store
from model.kernels.v6_18.image import Image
from model.kernels.v6_18.machine import Machine
from model.kernels.v6_18.memcg import SLOTS
from model.kernels.v6_18.memory import CPUS_ONLINE
from model.kernels.v6_18.oracle import Oracle, OracleGroup
from model.kernels.v6_18.page import LARGE_KMALLOC_TYPE, MEMCG_DATA_KMEM, ZSMALLOC
from model.kernels.v6_18.zone import NR_FREE_PAGES, NR_FREE_PAGES_BLOCKS, PAGEBLOCK_ORDER, PREEMPT_OFFSET
from model.vocabulary.scenario import Config
from tests.versions import V6_18, V7_1, Version

PAGES = 4096
ORDERS = (0, 1, 2, 3, 4, 9)


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
    assert memory.counted(NR_FREE_PAGES) == oracle.nr_free()
    assert memory.counted(NR_FREE_PAGES_BLOCKS) == oracle.nr_free(PAGEBLOCK_ORDER)
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


def set_up(
    version: Version, oracle: Oracle, machine: Machine, start: int, order: int, compound: bool
) -> None:
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
    records[memory.info][1:] = version.tail_word(memory.page_address(start), order)
    if order > 1:
        records["lru_prev"][2] = records["mapping"][2] = memory.page_address(start + 2) + 16
    if oracle.memcg:
        records["memcg_data"][1] = pages[1].memcg = 1 << order
    for page, record in zip(pages[1:], records[1:], strict=True):
        page.tail, page.mapping = True, int(record["mapping"])


@pytest.mark.parametrize(
    ("version", "variant", "config", "memcg"),
    [
        (V6_18, "base", "default", False),
        (V6_18, "base", "default", True),
        (V6_18, "base", "distribution", True),
        (V6_18, "list-check", "distribution", True),
        (V7_1, "base", "default", False),
        (V7_1, "base", "distribution", True),
        (V7_1, "whole-drain", "distribution", True),
        (V7_1, "to-buddy", "distribution", True),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
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
    version: Version,
    variant: str,
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
    machine = version.machine(PAGES, "on-active" if memcg else "off", config, checks=checks)
    oracle = version.oracle(variant, config, PAGES, checks=checks, memcg=memcg)
    gate = "jump-label" if memcg else "none"
    image = version.image(variant, gate, memcg=memcg, config=config, direct=True)
    free = function_of(machine, image, "__free_pages")
    pcp, known = machine.memory.pcp, oracle.pcp
    known.batch, known.high_min, known.high_max = batch, high[0], high[0] + high[1]
    known.free_count, known.was_high_order, known.keeps_a_batch = free_count, bool(flags & 1), bool(flags & 2)
    pcp["batch"], pcp["high_min"], pcp["high_max"] = batch, known.high_min, known.high_max
    pcp["free_count"], pcp["flags"], machine.memory.zone["flags"] = free_count, flags, zone_flags
    oracle.reclaims = zone_flags == 2
    blocks, at = [], 0
    for size in sorted(orders, reverse=True):  # aligned to their size, the large ones first
        if at + (1 << size) <= PAGES:
            set_up(version, oracle, machine, at, size, compound)
            blocks.append((at, size))
            at += 1 << size
    if 0 <= typed < at:
        machine.memory.mem_map["page_type"][typed] = oracle.pages[typed].type = ZSMALLOC
    order.shuffle(blocks)
    for start, size in blocks:
        free(machine.memory.page_address(start), size)
        oracle.free_pages(start, size)
    check_zone(machine, oracle)


@pytest.mark.parametrize("version", [V6_18, V7_1], ids=lambda value: getattr(value, "name", str(value)))
@given(
    kept=st.lists(st.integers(1, 2), min_size=1, max_size=31), checks=st.booleans(), typed=st.integers(0, 40)
)
@settings(max_examples=40, deadline=None)
def test_a_batch_is_the_oracles(version: Version, kept: list[int], checks: bool, typed: int) -> None:
    """Up to 31 folios, some of them with another reference, one with a type: order of the list, fields."""
    machine = version.machine(PAGES, "on-active", "distribution", checks=checks)
    oracle = version.oracle("base", "distribution", PAGES, checks=checks)
    put = function_of(
        machine,
        version.image("base", "jump-label", memcg=True, config="distribution", entry="folios_put_refs"),
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
@pytest.mark.parametrize("version", [V6_18, V7_1], ids=lambda value: getattr(value, "name", str(value)))
def test_a_large_kfree_is_the_oracles(version: Version, order: int, config: Config, memcg: bool) -> None:
    """It finds its order by itself, and takes its type and its pages off the node's count."""
    machine = version.machine(PAGES, "on-active" if memcg else "off", config)
    oracle = version.oracle("base", config, PAGES, memcg=memcg)
    set_up(version, oracle, machine, 0, order, compound=True)
    machine.memory.mem_map["page_type"][0], machine.memory.mem_map["_refcount"][0] = LARGE_KMALLOC_TYPE, 0
    direct = order == 9 and config == "default"
    gate = "jump-label" if memcg else "none"
    image = version.image("base", gate, memcg=memcg, config=config, entry="kfree", direct=direct)
    function_of(machine, image, "kfree")(machine.memory.page_address(0), 77)
    oracle.kfree(0)
    if direct:
        oracle.pcp.high = int(machine.memory.pcp["high"])
    check_zone(machine, oracle)
    counted = machine.memory.arena["node"][0]["vm_stat"][0] + machine.memory.arena["nodestat"][0]["diff"][0]
    assert counted == -(1 << order)


@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize(
    ("version", "variant"),
    [(V6_18, "base"), (V7_1, "base"), (V7_1, "one-slot"), (V7_1, "random-victim")],
    ids=lambda value: getattr(value, "name", str(value)),
)
@given(
    pages=st.lists(st.tuples(st.integers(0, SLOTS), st.sampled_from([0, 0, 0, 1, 3, 4])), max_size=200),
    levels=st.integers(2, 4),
)
@settings(max_examples=30, deadline=None)
def test_uncharging_is_the_oracles(
    version: Version, variant: str, v1: bool, pages: list[tuple[int, int]], levels: int
) -> None:
    """Blocks of eight cgroups in any order: counters, references, statistics and the seven slots."""
    machine = version.machine(PAGES, "on-charged", "distribution", levels=levels, v1=v1)
    memory = machine.memory
    image = version.image(variant, "jump-label", memcg=True, config="distribution", direct=True)
    free = function_of(machine, image, "__free_pages")
    root = OracleGroup(None)
    groups = [root]
    for index in range(1, memory.groups):
        groups.append(OracleGroup(groups[index - 1] if index < levels else root))
    stock = version.stock(v1=v1, online=CPUS_ONLINE, variant=variant)
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
