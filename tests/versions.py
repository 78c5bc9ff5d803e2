"""The kernel versions since v6.18 for tests that hold for each of them, and their oracles' suite."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from model.kernels.store import Store
from model.kernels.v6_18.image import Image
from model.kernels.v6_18.machine import Machine
from model.kernels.v6_18.oracle import Oracle, OracleStock
from model.kernels.v6_18.page import LARGE_KMALLOC, SLAB, ZSMALLOC
from model.kernels.v6_18.zone import PREEMPT_OFFSET
from model.kernels.v7_1 import image as v7_1_image
from model.kernels.v7_1 import machine as v7_1_machine
from model.kernels.v7_1 import oracle as v7_1_oracle
from model.vocabulary.scenario import Config, Entry

PAGES: Final = 40
SLAB_TYPE, LARGE_TYPE = (kind - 256 << 24 for kind in (SLAB, LARGE_KMALLOC))


@dataclass(frozen=True)
class Version:
    """What a test needs of one.

    Attributes
    ----------
    tail_word
        By which a tail page names its head: from the head's address and the block's order.
    """

    name: str
    image: type[Image]
    machine: type[Machine]
    oracle: type[Oracle]
    stock: type[OracleStock]
    tail_word: Callable[[int, int], int]


def mask(head: int, order: int) -> int:
    """All bits above a block of 64-byte struct pages, and bit 0; not the model's own words."""
    return -(1 << (6 + order)) + 1


V6_18: Final = Version("v6.18", Image, Machine, Oracle, OracleStock, lambda head, order: head + 1)
V7_1: Final = Version(
    "v7.1", v7_1_image.Image, v7_1_machine.Machine, v7_1_oracle.Oracle, v7_1_oracle.OracleStock, mask
)
OWNED: Final = st.fixed_dictionaries(
    {},
    optional={
        "mlocked": st.just(1 << 20),
        "hwpoison": st.just(1 << 21),
        "referenced": st.just(1 << 2),
        "locked": st.just(1 << 0),
        "type": st.sampled_from([ZSMALLOC, SLAB_TYPE, LARGE_TYPE]),
        "anon": st.just(1),
        "shared": st.just(1),
        "charged": st.just(0x1000),
        "private": st.sampled_from([1, 9, -1]),
    },
)
"""What an owner may have left in a page."""


def booted(
    version: Version,
    variant: str,
    config: Config,
    memcg: bool,
    checks: bool,
    entry: Entry = "__free_pages",
) -> tuple[Machine, Any]:
    """A machine whose pages are all owned, and the function by which they are freed."""
    gate = "jump-label" if memcg else "none"
    machine = version.machine(PAGES, "on-active" if memcg else "off", config, checks=checks)
    image = version.image(variant, gate, memcg=memcg, config=config, entry=entry)
    (placement,) = machine.place(Store().load(image))
    return machine, placement.function(entry, 2)


def against_the_oracle(version: Version, subjects: Sequence[Any]) -> Callable[..., None]:
    """A test of some (variant, configuration, memcg, entry), with whatever pages, in whatever order."""

    @pytest.mark.parametrize(("variant", "config", "memcg", "entry"), subjects)
    @given(pages=st.lists(OWNED, max_size=PAGES), checks=st.booleans(), order=st.randoms())
    @settings(max_examples=15, deadline=None)
    def check(
        variant: str,
        config: Config,
        memcg: bool,
        entry: Entry,
        pages: list[dict[str, int]],
        checks: bool,
        order: Any,
    ) -> None:
        """Fields, list, counters and reports."""
        compare_frees(version, (variant, config, memcg, entry), pages, checks, order)

    made: Callable[..., None] = check
    return made


def compare_frees(
    version: Version,
    subject: tuple[str, Config, bool, Entry],
    pages: list[dict[str, int]],
    checks: bool,
    order: Any,
) -> None:
    """Free them in the model and in the oracle."""
    variant, config, memcg, entry = subject
    machine, free = booted(version, variant, config, memcg, checks, entry)
    oracle = version.oracle(variant, config, PAGES, checks=checks, memcg=memcg)
    memory = machine.memory
    for number, owned in enumerate(pages):
        record, known = memory.mem_map[number], oracle.pages[number]
        bits = sum(owned.get(name, 0) for name in ("mlocked", "hwpoison", "referenced", "locked"))
        record["flags"] |= bits
        known.flags |= bits
        record["page_type"] = known.type = owned.get("type", -1)
        record["mapping"] = known.mapping = owned.get("anon", 0)
        record["private"] = known.private = owned.get("private", 0)
        record["_refcount"] = known.count = 1 + owned.get("shared", 0)
        # Without the bit that says kmem: the check alone looks at it.
        # put_page uncharges whatever is charged, which is not modelled.
        record["memcg_data"] = known.memcg = owned.get("charged", 0) if entry == "__free_pages" else 0
    numbers = list(range(len(pages)))
    order.shuffle(numbers)
    machine.activate()
    for number in numbers:
        free(memory.page_address(number), 0)
        (oracle.free_pages if entry == "__free_pages" else oracle.put_page)(number)
    assert machine.walk(memory.pcp_list(1)) == oracle.pcp.lists.get(1, [])
    pcp, cpu = memory.pcp, memory.cpu
    assert (pcp["count"], pcp["free_count"], pcp["lock"]) == (oracle.pcp.count, oracle.pcp.free_count, 0)
    assert pcp["high"] == oracle.pcp.high and cpu["pgfree"] == oracle.pgfree
    assert cpu["bad_pages"] == len(oracle.bad) and cpu["beyond"] == 0
    assert cpu["preempt_count"] == PREEMPT_OFFSET and cpu["rescheduled"] == 0
    if oracle.bad:
        number, reason = oracle.bad[-1]
        assert (cpu["bad_page"], cpu["bad_reason"]) == (memory.page_address(number), int(reason))
    for number, known in enumerate(oracle.pages):
        record = memory.mem_map[number]
        assert int(record["flags"]) == known.flags | memory.plain_flags
        assert (record["page_type"], record["_refcount"]) == (known.type, known.count)
        assert (record["mapping"], record["memcg_data"]) == (known.mapping, known.memcg)
        assert record["private"] == known.private
