"""Compiled code and plain Python, side by side: after any sequence of operations all states agree."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.kernels.arrays import address_of
from model.kernels.v4_3.image import Image
from model.kernels.v4_3.oracle import Oracle
from model.kernels.v4_3.page import MEMCG_DATA_KMEM, PG, STRUCT_PAGE, Bad, Mapcount
from model.kernels.v4_3.path import FreePath
from model.kernels.v4_3.zone import MAX_ORDER, MIGRATE_PCPTYPES, MIGRATE_TYPES
from model.vocabulary.scenario import Checks, MemcgState, Scenario
from tests.booted import Booted

PAGES = 2048
MEMORY_LIMIT = 200
"""Low enough for allocations to hit it."""

Subject = tuple[str, str, MemcgState, Checks]
SUBJECTS: list[Subject] = [
    ("base", "none", "off", "on"),
    ("base", "jump-label", "on-active", "on"),
    ("base", "memory-flag", "on-charged", "on"),
    ("v1", "none", "off", "on"),
    ("v1", "jump-label", "disabled", "on"),
    ("v1", "jump-label", "on-idle", "deferred"),
    ("v1", "jump-label", "on-charged", "on"),
    ("v1", "memory-flag", "on-active", "on"),
    ("v1-ifdef", "jump-label", "on-charged", "on"),
    ("v1-series", "jump-label", "on-charged", "on"),
    ("keyfirst", "jump-label", "on-idle", "on"),
    ("keyfirst", "jump-label", "on-charged", "deferred"),
    ("keyfirst", "memory-flag", "on-charged", "on"),
    ("memcg-data", "jump-label", "on-charged", "on"),
    ("load-compare-store", "none", "on-idle", "on"),
]
NAMED = {variant for variant, *_ in SUBJECTS}
SUBJECTS += [
    (arm.variant, arm.gate, "on-charged", "on")
    for arm in FreePath().arms(Scenario("on-charged"))
    if arm.variant not in NAMED  # one that was added since, say
]

Block = tuple[int, int, bool, bool]
"""First page, order, from alloc_kmem_pages, compound."""


class Pair:
    """Both kernels, driven alike."""

    def __init__(self, subject: Subject, *, swap: bool = False, limit: bool = False) -> None:
        variant, gate, state, checks = subject
        image = Image(variant, gate, memcg=state != "off", checks=checks)
        self.kernel = Booted(image, state, pages=PAGES, swap_account=swap)
        self.oracle = Oracle(variant, state, PAGES, checks=checks, swap_account=swap)
        self.series = variant == "v1-series"
        if limit:
            self.kernel.machine.memory.memcg[1]["memory"]["limit"] = MEMORY_LIMIT
            self.oracle.groups[1].limit = MEMORY_LIMIT
        self.blocks: list[Block] = []

    def alloc(self, order: int, kmem: bool, compound: bool) -> None:
        """Allocate from both; both must give the same block."""
        if kmem:
            first = self.kernel.alloc_kmem_pages(order, compound=compound)
            assert first == self.oracle.alloc_kmem_pages(order, compound)
        else:
            first = self.kernel.alloc_pages(order, compound=compound)
            assert first == self.oracle.alloc_pages(order, compound=compound)
        if first is not None:
            self.blocks.append((first, order, kmem, compound and order > 0))

    def free(self, index: int) -> None:
        """Free a block the way it was allocated."""
        first, order, kmem, _ = self.blocks.pop(index % len(self.blocks))
        for side in (self.kernel, self.oracle):
            (side.free_kmem_pages if kmem else side.free_pages)(first, order)

    def put(self, index: int) -> None:
        """put_page of a compound page, or of a single one that is no kmem page (v1-series: any)."""
        first, order, kmem, compound = self.blocks[index % len(self.blocks)]
        if (not compound and (order or (kmem and not self.series))) or (
            kmem and self.oracle.marks == "never"
        ):
            return
        self.blocks.pop(index % len(self.blocks))
        tail = first + index % (1 << order) if compound else first
        self.kernel.put_page(tail)
        self.oracle.put_page(first, order)

    def get(self, index: int) -> None:
        """Take one more reference, so that the next put frees nothing."""
        first, order, _, _ = self.blocks[index % len(self.blocks)]
        if order == 0:
            self.kernel.machine.memory.mem_map["_count"][first] += 1
            self.oracle.pages[first].count += 1
            self.put_back(first)

    def put_back(self, first: int) -> None:
        """And drop it again."""
        self.kernel.free_pages(first)
        self.oracle.free_pages(first)

    def release(self, count: int) -> None:
        """release_pages of the last plain single pages."""
        chosen = [block for block in self.blocks if not block[1] and (not block[2] or self.series)][-count:]
        self.blocks = [block for block in self.blocks if block not in chosen]
        pages = [block[0] for block in chosen]
        self.kernel.release_pages(pages)
        self.oracle.release_pages(pages)

    def compare(self) -> None:
        """Every page, list, and counter."""
        memory, oracle = self.kernel.machine.memory, self.oracle
        expected = [(p.mapcount, p.count, p.mapping, p.flags) for p in oracle.pages]
        low = memory.mem_map["flags"] & ((1 << 56) - 1)
        pairs = zip(
            memory.mem_map["_mapcount"], memory.mem_map["_count"], memory.mem_map["mapping"], low, strict=True
        )
        assert [tuple(map(int, row)) for row in pairs] == expected
        groups = {level: memory.memcg_address(level) for level in range(2)}
        owners = [
            0 if p.memcg is None else groups[p.memcg] + p.kmem_bit * MEMCG_DATA_KMEM for p in oracle.pages
        ]
        assert memory.mem_map["mem_cgroup"].tolist() == owners
        self._compare_lists()
        assert int(memory.cpu["pgfree"]) == oracle.pgfree
        assert int(memory.cpu["stock_pages"]) == oracle.stock
        for level, group in enumerate(oracle.groups):
            for name in ("memory", "memsw", "kmem"):
                assert int(memory.memcg[level][name]["count"]) == group.counts[name], (level, name)
        assert memory.css_refs.tolist()[:2] == [0, oracle.groups[1].refs]
        assert int(memory.cpu["bad_pages"]) == len(oracle.bad)
        assert not memory.cpu["vm_bugs"] and not memory.cpu["counter_warnings"]

    def _compare_lists(self) -> None:
        machine, oracle = self.kernel.machine, self.oracle
        memory = machine.memory
        for kind in range(MIGRATE_PCPTYPES):
            assert machine.walk(memory.pcp_list(kind)) == oracle.pcp[kind]
        assert int(memory.pcp["count"]) == sum(map(len, oracle.pcp))
        for order in range(MAX_ORDER):
            lists = [machine.walk(memory.free_list(order, kind)) for kind in range(MIGRATE_TYPES)]
            assert lists == [oracle.free.get((order, kind), []) for kind in range(MIGRATE_TYPES)]
            assert memory.nr_free(order) == sum(map(len, lists))
            assert all(int(memory.mem_map["private"][page]) == order for blocks in lists for page in blocks)
        assert machine.free_pages_counted() == oracle.nr_free()

    def nothing_lost(self) -> None:
        """Every page is allocated, on a per-CPU list, or in a free block: exactly one of these."""
        owners = [page for first, order, _, _ in self.blocks for page in range(first, first + (1 << order))]
        owners += [page for pages in self.oracle.pcp for page in pages]
        owners += [
            page
            for (order, _), blocks in self.oracle.free.items()
            for first in blocks
            for page in range(first, first + (1 << order))
        ]
        assert sorted(owners) == list(range(PAGES))


OPERATIONS = st.one_of(
    st.tuples(st.just("alloc"), st.integers(0, 10), st.booleans(), st.booleans()),
    st.tuples(st.just("burst"), st.integers(1, 260), st.booleans(), st.just(False)),
    st.tuples(st.just("free"), st.integers(0, 1 << 16), st.just(False), st.just(False)),
    st.tuples(st.just("free many"), st.integers(1, 260), st.booleans(), st.just(False)),
    st.tuples(st.just("put"), st.integers(0, 1 << 16), st.just(False), st.just(False)),
    st.tuples(st.just("get"), st.integers(0, 1 << 16), st.just(False), st.just(False)),
    st.tuples(st.just("release"), st.integers(1, 40), st.just(False), st.just(False)),
    st.tuples(st.just("drain"), st.just(0), st.just(False), st.just(False)),
)
Operation = tuple[str, int, bool, bool]


def apply(pair: Pair, operation: Operation) -> None:
    """One operation on both kernels; those that need an allocated block do nothing without one."""
    name, number, first, second = operation
    if name == "alloc":
        pair.alloc(number, first, second)
    elif name == "burst":
        for _ in range(number):
            pair.alloc(0, first, False)
    elif name == "drain":
        pair.kernel.drain_stock()
        pair.oracle.drain_stock()
    elif name == "free many":
        for _ in range(min(number, len(pair.blocks))):
            pair.free(0 if first else -1)
    elif pair.blocks:
        getattr(pair, name)(number)


SEQUENCES = {"operations": st.lists(OPERATIONS, max_size=25), "swap": st.booleans(), "limit": st.booleans()}
every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: "/".join(s))


@every_subject
@settings(max_examples=12)
@given(**SEQUENCES)
def test_any_sequence_agrees(subject: Subject, operations: list[Operation], swap: bool, limit: bool) -> None:
    """Allocate, charge, free and put in any order: states, lists and counters agree, nothing is lost."""
    agree(subject, operations, swap, limit)


@pytest.mark.reliability
@every_subject
@settings(max_examples=100)
@given(**SEQUENCES)
def test_many_sequences_agree(subject: Subject, operations: list[Operation], swap: bool, limit: bool) -> None:
    """The same, more of it."""
    agree(subject, operations, swap, limit)


def agree(subject: Subject, operations: list[Operation], swap: bool, limit: bool) -> None:
    """After each operation, and when all is freed."""
    pair = Pair(subject, swap=swap, limit=limit)
    for operation in operations:
        apply(pair, operation)
        pair.compare()
        pair.nothing_lost()
    while pair.blocks:
        pair.free(-1)
    pair.kernel.drain_stock()
    pair.oracle.drain_stock()
    pair.compare()
    pair.nothing_lost()
    assert all(not any(group.counts.values()) and not group.refs for group in pair.oracle.groups)
    pair.kernel.machine.check()


SPOILED: dict[str, tuple[str, int, Bad]] = {
    "mapped": ("_mapcount", 0, Bad.MAPCOUNT),
    "in the buddy": ("_mapcount", Mapcount.BUDDY, Bad.MAPCOUNT),
    "has a mapping": ("mapping", 4096, Bad.MAPPING),
    "charged": ("mem_cgroup", 1, Bad.MEM_CGROUP),
    **{f"flag {flag.name}": ("flags", int(flag), Bad.FLAGS) for flag in PG if int(flag) & 0x313CE1},
}


@pytest.mark.parametrize("order", [0, 2])
@pytest.mark.parametrize("how", SPOILED)
def test_a_bad_page_is_reported_and_not_freed(how: str, order: int) -> None:
    """As bad_page(): counted, named, `_mapcount` reset, and on no list."""
    field, value, reason = SPOILED[how]
    kernel = Booted(Image("keyfirst", "jump-label", memcg=True), "on-idle")
    page = kernel.alloc_pages(order)
    assert page is not None
    memory = kernel.machine.memory
    memory.mem_map[field][page] |= value if field == "flags" else 0
    if field != "flags":
        memory.mem_map[field][page] = value
    kernel.free_pages(page, order)
    assert int(memory.cpu["bad_pages"]) == 1
    assert reason.text in (kernel.machine.report() or "")
    assert int(memory.mem_map["_mapcount"][page]) == Mapcount.IDLE
    assert page not in list(listed(kernel))


def listed(kernel: Booted) -> Iterator[int]:
    """Pages on any list, heads of free blocks only."""
    memory = kernel.machine.memory
    for kind in range(MIGRATE_PCPTYPES):
        yield from kernel.machine.walk(memory.pcp_list(kind))
    for blocks in kernel.machine.memory.free_blocks().values():
        yield from blocks


def test_a_referenced_page_is_not_freed() -> None:
    """The locked decrement leaves one reference, so nothing else happens."""
    kernel = Booted(Image("v1", "jump-label", memcg=True), "on-idle")
    page = kernel.alloc_pages()
    assert page is not None
    kernel.machine.memory.mem_map["_count"][page] = 2
    kernel.free_pages(page)
    assert page not in list(listed(kernel))
    kernel.free_pages(page)
    assert page in list(listed(kernel))


@pytest.mark.parametrize(("variant", "bad"), [("v1", 0), ("keyfirst", 1)])
def test_flag_set_and_key_off(variant: str, bad: int) -> None:
    """The bug of August 2016: key first leaves the flag on, and the check calls the page bad."""
    kernel = Booted(Image(variant, "jump-label", memcg=True), "on-idle")
    page = kernel.alloc_pages()
    assert page is not None
    kernel.machine.memory.mem_map["_mapcount"][page] = Mapcount.KMEM
    kernel.free_pages(page)
    assert int(kernel.machine.memory.cpu["bad_pages"]) == bad


def test_debug_build_asserts() -> None:
    """Freeing what nobody references fires VM_BUG_ON_PAGE."""
    kernel = Booted(Image("v1", "jump-label", memcg=True, debug=True), "on-idle")
    page = kernel.alloc_pages()
    assert page is not None
    kernel.free_pages(page)
    assert kernel.machine.report() is None
    kernel.free_pages(page)
    assert f"page number {page}" in (kernel.machine.report() or "")


def test_struct_page_is_one_aligned_line() -> None:
    """64 bytes, 64-aligned, at the kernel's offsets: else "the line is hot anyway" is not what is tested."""
    kernel = Booted(Image("base", "none", memcg=True), "on-idle")
    assert address_of(kernel.machine.memory.mem_map) % 64 == 0
    offsets = {name: STRUCT_PAGE.fields[name][1] for name in STRUCT_PAGE.names or ()}  # type: ignore[index]
    assert offsets == {
        "flags": 0, "mapping": 8, "index": 16, "_mapcount": 24, "_count": 28,
        "lru_next": 32, "lru_prev": 40, "private": 48, "mem_cgroup": 56,
    }  # fmt: skip


@pytest.mark.parametrize("order", range(1, 9))
def test_a_block_that_may_soon_merge_goes_to_the_tail(order: int) -> None:
    """Where the next larger buddy is free the block is best left alone, up to order 8; else it goes first."""
    pair = Pair(("base", "none", "on-idle", "on"))
    size = 1 << order
    while pair.oracle.nr_free():
        pair.alloc(order, kmem=False, compound=False)
    place = {first: at for at, (first, *_) in enumerate(pair.blocks)}

    def free(first: int) -> None:
        pair.blocks[place[first]] = (-1, 0, False, False)
        for side in (pair.kernel, pair.oracle):
            side.free_pages(first, order)

    # Two buddies become the larger block; a block elsewhere opens the list; then the one beside the larger.
    for first in (2 * size, 3 * size, 4 * size, 0):
        free(first)
    assert pair.kernel.machine.memory.free_blocks()[order, 2] == [4 * size, 0]
    pair.compare()
