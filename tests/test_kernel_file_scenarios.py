"""Real kernels: every way to free, its counts, and that the processor executes what the emulator does."""

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cases import case_of
from benchmarks.census.counting import WARM_FREES, count_case
from model.kernels.kernel_file.known import KnownFile
from model.kernels.kernel_file.path import FilePath
from model.kernels.store import Store
from model.vocabulary.scenario import Arm
from tests import single_step
from tests.kernels import parameters
from tests.test_kernel_file import ENTRY, USUAL, at_its_place, known_file, moved, shapes, surveyed
from tests.test_kernel_file import forgotten as forgotten

Axes = list[dict[str, str]]
CHARGED = {"memcg": "on-charged", "page_kind": "charged", "stock": "hit"}
WAYS: Axes = [
    {},
    {"entry": "put_page"},
    {"entry": "release_pages"},
    {"entry": "folios_put_refs"},
    {"block": "order-3"},
    {"block": "compound-3"},
    CHARGED,
]


def ways(file: KnownFile) -> Axes:
    """Those that a file has, surveyed: by the axes in which they differ from the usual one."""
    there = [axes for axes in WAYS if axes.get("entry", ENTRY) in file.entries]
    for axes in there:
        surveyed(file, **axes)
    assert len(there) >= len(WAYS) - 1
    return there


@pytest.mark.parametrize("path", parameters())
def test_moved_code_does_what_the_kernels_own_does(path: Path) -> None:
    """Instruction by instruction, and access by access, field by field; in every way to free."""
    file = known_file(path)
    for axes in ways(file):
        original, (_, trace) = at_its_place(file, **axes), moved(file, "base", **axes)
        assert shapes(trace) == shapes(original), axes
        assert trace.accesses == original.accesses, axes
        assert len(trace.path) > 200


@pytest.mark.parametrize("path", parameters())
def test_the_processor_executes_what_the_emulator_does(path: Path) -> None:
    """Single-stepped, one for one, at the same addresses; the pages are on the kernel's list then."""
    file = known_file(path)
    for axes in ways(file):
        if file.surveys[surveyed(file, **axes)].unfit:
            assert axes is CHARGED  # up to v6.14: a stock of one cgroup, with interrupts off
            continue
        placement, trace = moved(file, "base", **axes)
        scenario, arm = file.usual.but(**axes), Arm("base", "none")
        start = FilePath(file).start(scenario, np.random.default_rng(0), counting=arm)
        free = placement.function(file.entry_name(scenario.entry), 2)
        start.machine.activate()
        for number in range(WARM_FREES):
            free(*start.arguments(number))
        last = placement.base + len(placement.code.code)
        stepped = single_step.path(partial(free, *start.arguments(WARM_FREES)), placement.base, last)
        if stepped is None:
            pytest.skip("ptrace is not allowed here, so the processor could not be asked")
        assert stepped == trace.path, axes
        free(*start.arguments(WARM_FREES))
        assert start.fault(start.order_of_pages[: (WARM_FREES + 1) * start.at_once]) is None


KNOWN = {
    ("6.1.0-57", "order-3"): (401, 68, 23),
    ("6.1.0-57", "compound-3"): (421, 68, 38),
    ("6.12.117+deb12", "order-3"): (364, 47, 26),
    ("6.12.117+deb12", "compound-3"): (489, 47, 41),
}
"""Kernel and block -> instructions, loads and stores without the stack's, memcg key on and no page checks: as
another emulation of the same files counted them, but for 3 instructions and a load of v6.12's tuned list."""


@pytest.mark.parametrize("path", parameters())
def test_blocks_count_as_known(path: Path) -> None:
    """Of one compound page the tails cost more; they lead to its head by the kernel's own encoding."""
    file = known_file(path)
    for block in ("order-3", "compound-3"):
        variant = "check-pages-off" if "check-pages-off" in file.arms(USUAL) else "base"
        _, trace = moved(file, variant, block=block)
        counts = Counter(access.op for at, access in trace.sequence if access.object != "stack")
        known_counts = KNOWN.get((file.name.partition("-cloud")[0], block))
        assert known_counts in (None, (trace.instructions, counts["load"], counts["store"])), block
        tails = {access.offset for access in trace.accesses if access.object == "neighbour"}
        head = (
            "compound_info" if file.kernel_file.btf.has_field("struct page", "compound_info") else "lru.next"
        )
        assert (file.kernel_file.btf.offset("struct page", head) in tails) == (block == "compound-3")


@pytest.mark.parametrize("path", parameters())
def test_a_batch_counts_per_page(path: Path) -> None:
    """Less locked work than page by page; every page of it is a page, and each arm applies to every one."""
    file = known_file(path)
    surveyed(file, entry="release_pages")
    case = case_of(file.usual.but(entry="release_pages"))
    store = Store()
    store.ensure(case.images())
    counted = {arm.variant: counts["plain"] for arm, counts in count_case(case, store).items()}
    base = counted["base"].figures
    assert base["locked"] == 1 + 1 / 16
    assert counted["v1"].over(counted["base"])["instructions"] == 2
    assert counted["memcg-off"].over(counted["base"])["loads"] == -2
    assert "no-private" not in counted or counted["no-private"].figures["stores"] == base["stores"] - 1
    assert counted["no-list-check"].figures["instructions"] < base["instructions"] - 15


@pytest.mark.parametrize("path", parameters())
def test_a_charged_page_goes_to_the_stock(path: Path) -> None:
    """It is not charged any more, this CPU's stock has it, and no counter that CPUs share is written."""
    file = known_file(path)
    _, trace = moved(file, "base", **CHARGED)
    written = {(access.object, access.field) for access in trace.accesses if access.op == "store"}
    assert ("page", "memcg_data") in written
    assert not any("memory.usage" in field for _, field in written)
    assert trace.locked == moved(file, "base")[1].locked
    assert "memcg-off" not in {arm.variant for arm in case_of(file.usual.but(**CHARGED)).arms}
    start = FilePath(file).start(file.usual.but(**CHARGED), np.random.default_rng(0))
    assert start.fault([]) is None
    start.machine.memory.write(start.machine.memory.preempt_count, 1, 4)
    assert "preempt_count" in str(start.fault([]))
