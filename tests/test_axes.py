"""Axes beyond the headline: shares, blocks, levels, threads, sizes by the caches, code just changed."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.cases import Case, SelectionError
from benchmarks.selection import along, swept
from benchmarks.timing.cpu_threads import CpuThreads
from benchmarks.timing.sampler import Sampler
from benchmarks.timing.scheme import Scheme
from model.common.errors import FreepathError
from model.common.limits import usable_cpus
from model.kernels import path_of
from model.kernels.arrays import huge_share
from model.kernels.mix import pattern
from model.kernels.store import Store
from model.kernels.v4_3.page import PG, Mapcount
from model.kernels.v4_3.scenarios import CHARGED, USUAL
from model.machine_code.cpu_caches import struct_pages
from model.vocabulary.scenario import AXES, Arm, Scenario
from tests.command import refused, run
from tests.waiting import until_it_ran

BASE, V1 = Arm("base", "none"), Arm("v1", "jump-label")
TWO_CPUS = pytest.mark.skipif(usable_cpus() < 2, reason="needs two CPUs")


@pytest.fixture(autouse=True)
def _every_cpu() -> Iterator[None]:
    """CpuThreads pins the thread that it is made in; in a worker that is for good."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def sampler(scenario: Scenario, *arms: Arm) -> Sampler:
    """Two builds of each arm, and one value of each."""
    made = Sampler(Case(scenario, arms), Store(), [1], Scheme(2))
    made(1)
    made.check()
    return made


@pytest.mark.parametrize("share", AXES["share"])
def test_a_share_is_a_share(share: str) -> None:
    """Evenly spread, so of any hundred pages in a row that many; none at 0, three of four at 75."""
    scenario = USUAL.but(page_kind="flagged", share=share)
    assert pattern(scenario, 400, np.random.default_rng(0)).sum() == (0 if share == "100" else 4 * int(share))


@pytest.mark.parametrize("share", ["0", "75"])
def test_a_share_is_freed(share: str) -> None:
    """By base through its old helper, by v1 with its test."""
    sampler(USUAL.but(page_kind="flagged", share=share), Arm("base", "jump-label"), V1)


@pytest.mark.parametrize("block", AXES["block"][1:])
@pytest.mark.parametrize("memcg", ["on-idle", "on-charged"])
def test_blocks_go_to_the_buddy_whole(block: str, memcg: Any) -> None:
    """Freed, merged into the largest blocks that they fill, flags and charges gone; then given back."""
    kind = "charged" if memcg == "on-charged" else "plain"
    scenario = Scenario(memcg, kind, depth="full", block=block)  # type: ignore[arg-type]
    path = path_of(scenario)
    start: Any = path.start(scenario, np.random.default_rng(0))
    machine = start.machine
    (placement,) = machine.place(Store().load(path.image(scenario, V1)))
    told = start.loop_record("v1")
    told.record["restore"] = 0
    placement.function("restore", 1)(told.address)
    machine.activate()
    order, pages = scenario.block_order, path.pages(scenario)
    heads = machine.memory.mem_map["flags"][0 : pages : 1 << order]
    assert bool(heads[0] & int(PG.HEAD)) == scenario.compound
    placement.function(path.loop(scenario, V1), 1)(told.address)
    machine.check()
    assert machine.free_pages_counted() == pages and start.freed() == pages >> order
    assert sum(len(blocks) << size for (size, _), blocks in machine.memory.free_blocks().items()) == pages
    freed = machine.memory.mem_map[:pages]
    assert not freed["_count"][start.order_of_pages].any()
    assert not (freed["flags"] & int(PG.HEAD | PG.TAIL)).any() and not freed["mem_cgroup"].any()
    assert set(freed["_mapcount"].tolist()) <= {int(Mapcount.IDLE), int(Mapcount.BUDDY)}
    assert machine.memory.memcg[1]["kmem"]["count"] == machine.memory.css_refs[1] == 0


@pytest.mark.parametrize("levels", AXES["levels"])
@pytest.mark.parametrize("memsw", AXES["memsw"])
def test_a_charge_is_taken_off_every_level(levels: str, memsw: str) -> None:
    """And off no other; memsw only where it is counted."""
    scenario = CHARGED.but(levels=levels, memsw=memsw)
    made = sampler(scenario, Arm("base", "jump-label"), V1)
    path = path_of(scenario)
    machine: Any = made.machine
    told = made.start.loop_record("v1")
    made.arms[1].restore(told.address)
    pages, group = path.pages(scenario), machine.charged
    touched = [group] if levels == "1" else list(range(group + 1))
    counters = {
        name: [int(machine.memory.memcg[level][name]["count"]) for level in range(4)]
        for name in ("memory", "memsw", "kmem")
    }
    full = [pages if level in touched else 0 for level in range(4)]
    assert counters == {"memory": full, "kmem": full, "memsw": full if memsw == "on" else [0] * 4}
    told.record["restore"] = 0
    made.arms[1].run.record["restore"] = 0
    (placement,) = machine.place(Store().load(path.image(scenario, V1)))
    placement.function(path.loop(scenario, V1), 1)(told.address)
    assert not any(machine.memory.memcg[level]["memory"]["count"] for level in range(4))


@TWO_CPUS
@pytest.mark.parametrize(
    ("scenario", "arms"),
    [
        (USUAL, (BASE, V1)),
        (USUAL.but(depth="full"), (BASE, V1)),
        (CHARGED, (Arm("base", "jump-label"), V1)),
    ],
)
def test_two_threads_free_everything(scenario: Scenario, arms: tuple[Arm, ...]) -> None:
    """Each its own pages, as often as the other; nothing is bad and no counter is off."""
    made = sampler(scenario.but(threads="2"), *arms)
    memory: Any = made.machine.memory
    counted = [int(cpu["pgfree"]) for cpu in memory.cpus]
    assert len(counted) == 2 and counted[0] == counted[1] > 0
    lists = [memory.pcp_list(2, cpu) for cpu in range(2)]
    assert lists[0] != lists[1]


@TWO_CPUS
def test_the_lock_is_waited_for() -> None:
    """Held by nobody else here; set by hand, a drain waits until it is free again."""
    scenario = USUAL.but(depth="full", threads="2")
    path = path_of(scenario)
    start: Any = path.start(scenario, np.random.default_rng(0))
    machine = start.machine
    (placement,) = machine.place(Store().load(path.image(scenario, BASE)))
    told = start.loop_record("base")
    for record in (told, *told.others):
        placement.function("restore", 1)(record.address)
    machine.memory.zone["lock"] = 1
    free, ended = placement.function("__free_pages", 2), threading.Event()

    def drain() -> None:
        machine.activate()
        for page in range(31):
            free(machine.memory.page_address(page), 0)
        ended.set()

    threading.Thread(target=drain, daemon=True).start()
    until_it_ran(os.getpid(), 0.1)  # in which the other thread asks for the lock
    waiting = not ended.is_set()
    machine.memory.zone["lock"] = 0
    assert waiting and ended.wait(10) and machine.memory.zone["lock"] == 0
    assert machine.free_pages_counted() == 31


def test_more_threads_than_cpus_are_refused() -> None:
    """Before anything is measured, and by the threads as well."""
    refused_by = f"{usable_cpus()} CPUs may be used here"
    refused(run("benchmarks", "--sweep", "threads=128"), refused_by)
    with pytest.raises(SelectionError, match="CPUs may be used"):
        along("threads=1,128")
    assert max(int(case.scenario.threads) for case in swept(along("threads"))) <= usable_cpus()
    start: Any = path_of(USUAL).start(USUAL.but(threads="16"), np.random.default_rng(0))
    if usable_cpus() < 16:
        with pytest.raises(FreepathError, match="threads=16"):
            CpuThreads(start.machine)


def test_values_of_a_sweep_are_chosen() -> None:
    """By name; others are refused with what there is."""
    assert [case.scenario.share for case in swept(along("share=0,75"))] == ["0", "0", "75", "75"]
    for wrong in ("share=101", "share=-1", "share=half"):
        with pytest.raises(SelectionError, match="does not exist; there are 100, 0, 1"):
            along(wrong)
    assert along("entry") == "entry=__free_pages,put_page,release_pages"


def test_sizes_follow_the_caches(tmp_path: Path) -> None:
    """Warm is the same everywhere; the others lie between the caches of the machine."""
    for number, (level, size) in enumerate((("2", "1280K"), ("3", "30M"))):
        (tmp_path / f"index{number}").mkdir()
        for name, fact in (("level", level), ("type", "Unified"), ("size", size)):
            (tmp_path / f"index{number}" / name).write_text(f"{fact}\n")
    sizes = {memory: 64 * struct_pages(memory, tmp_path) for memory in AXES["memory"]}
    assert sizes["warm"] == 32 << 10
    assert sizes["l2"] <= 640 << 10 < sizes["l3"] <= 15 << 20 < 60 << 20 < sizes["dram"]
    assert all(size % (4096 * 64) == 0 for memory, size in sizes.items() if memory != "warm")


def test_what_was_got_is_read_from_the_system(tmp_path: Path) -> None:
    """Only the mapping that the array lies in; nothing where the system does not say."""
    array = np.zeros(1 << 20, np.uint8)
    at = array.ctypes.data
    smaps = tmp_path / "smaps"
    smaps.write_text(
        f"1000-2000 rw-p 0\nRss: 4 kB\nAnonHugePages: 0 kB\n"
        f"{at:x}-{at + len(array):x} rw-p 0\nRss: 1024 kB\nAnonHugePages: 512 kB\n"
        f"{at + len(array):x}-{at + 2 * len(array):x} rw-p 0\nRss: 1024 kB\nAnonHugePages: 1024 kB\n"
    )
    assert huge_share(array, smaps) == 0.5
    assert huge_share(array, tmp_path / "nowhere") is None


def test_small_pages_are_small() -> None:
    """Asked for none, the page array has none."""
    scenario = USUAL.but(memory="l2", backing="small")
    start: Any = path_of(scenario).start(scenario, np.random.default_rng(0))
    assert huge_share(start.machine.memory.mem_map) == 0.0


def test_code_is_met_just_changed() -> None:
    """Each site was written and is what it was; every free is the first one after."""
    made = sampler(USUAL.but(between="flip"), BASE, V1)
    builds = made.arms[1].builds
    before = builds._region.bytes().copy()
    builds.rewrite(0)
    assert (builds._region.bytes() == before).all()
    assert made.pages_per_slice == 1
