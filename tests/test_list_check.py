"""The list check of CONFIG_DEBUG_LIST on v6.18: what it executes, and what it finds."""

from collections import Counter
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from benchmarks.census.counting import trace_arm
from model.common.errors import KernelReportError
from model.kernels import kernel_called, path_of
from model.kernels.store import Store
from model.kernels.user_variants.vetting import VariantError, vet_values
from model.kernels.v6_18.image import Image
from model.kernels.v6_18.machine import Machine
from model.kernels.v6_18.page import LIST_POISON1, LIST_POISON2, LRU
from model.kernels.v6_18.scenarios import DRAINS, SCENARIOS, USUAL
from model.vocabulary.scenario import Arm, Scenario

BASE, CHECKED = Arm("base", "jump-label"), Arm("list-check", "jump-label")
PAGES = 40
LONGEST = 30


def memory_accesses(scenario: Scenario, arm: Arm) -> Counter[tuple[str, str, str]]:
    """How often one free loads and stores each field, its stack left out."""
    trace = trace_arm(scenario, arm, Store())[-1]
    found: Counter[tuple[str, str, str]] = Counter()
    for access, count in trace.accesses.items():
        if access.object != "stack":
            found[access.op, access.object, access.field] += count
    return found


def test_it_loads_the_former_head_page_and_the_list_head() -> None:
    """Two loads more, no store, and a call."""
    (base,), (checked,) = trace_arm(USUAL, BASE, Store()), trace_arm(USUAL, CHECKED, Store())
    more = memory_accesses(USUAL, CHECKED)
    more.subtract(memory_accesses(USUAL, BASE))
    assert {access: count for access, count in more.items() if count} == {
        ("load", "neighbour", "lru_prev"): 1,
        ("load", "pcp", "lists[1].next"): 1,
    }
    # Six conditions and the test of what was returned, none of them taken.
    assert (checked.branches - base.branches, checked.taken - base.taken) == (7, 0)
    assert checked.locked == base.locked


def test_a_drain_checks_every_page_twice() -> None:
    """Off its list, and on the buddy's: four loads and more for each of 2016 pages, and no store."""
    base, checked = (sum(memory_accesses(DRAINS, arm).values()) for arm in (BASE, CHECKED))
    assert checked - base > 2016 * 4


def test_every_scenario_has_it() -> None:
    """Whatever is freed comes on a list."""
    for scenario in SCENARIOS:
        arms = [arm.variant for arm in path_of(scenario).arms(scenario)]
        assert "list-check" in arms, scenario.name


def freed(variant: str, pages: int) -> tuple[Machine, Any]:
    """A machine with some pages on its list, and the function that frees another."""
    machine = Machine(PAGES, "on-active", "distribution")
    image = Image(variant, "jump-label", memcg=True, config="distribution")
    (placement,) = machine.place(Store().load(image))
    free = placement.function("__free_pages", 2)
    machine.activate()
    for number in range(pages):
        free(machine.memory.page_address(number), 0)
    return machine, free


@given(pages=st.integers(1, LONGEST), value=st.sampled_from([0, 8, LIST_POISON2]))
@settings(max_examples=20, deadline=None)
def test_a_page_that_lost_its_list_is_found(pages: int, value: int) -> None:
    """The first page's `lru.prev` is not the head: the next one is not linked. Without the check it is."""
    for variant in ("list-check", "base"):
        machine, free = freed(variant, pages)
        memory = machine.memory
        memory.mem_map["lru_prev"][pages - 1] = value
        before = memory.pcp["lists"].tobytes()
        free(memory.page_address(PAGES - 1), 0)
        if variant == "base":
            assert machine.report() is None and machine.walk(memory.pcp_list(1))[0] == PAGES - 1
        else:
            assert memory.pcp["lists"].tobytes() == before
            with pytest.raises(KernelReportError, match="not modelled"):
                machine.check()


@pytest.mark.parametrize("pages", [1, LONGEST])
def test_a_page_that_is_freed_twice_is_found(pages: int) -> None:
    """It is the first of the list already."""
    machine, free = freed("list-check", pages)
    memory = machine.memory
    memory.mem_map["_refcount"][pages - 1] = 1
    free(memory.page_address(pages - 1), 0)
    assert memory.cpu["beyond"] == 1


@pytest.mark.parametrize(
    ("field", "value"), [("compound_head", LIST_POISON1), ("lru_prev", LIST_POISON2), ("lru_prev", 0)]
)
def test_a_page_that_is_off_its_list_is_found_by_a_drain(field: str, value: int) -> None:
    """The coldest page is looked at before it is taken off."""
    machine, free = freed("list-check", LONGEST)
    memory = machine.memory
    memory.mem_map[field][0] = value
    memory.pcp["high_min"], memory.pcp["high_max"], memory.pcp["high"] = 0, 1, 0
    free(memory.page_address(LONGEST), 0)
    assert memory.cpu["beyond"] >= 1
    assert memory.mem_map["compound_head"][1] == memory.page_address(0) + LRU  # not unlinked


@pytest.mark.parametrize("value", ["on", 1, None])
def test_a_switch_of_another_kind_is_refused(value: object) -> None:
    """What is neither True nor False would be True."""
    with pytest.raises(VariantError, match=r"DEBUG_LIST is .*: give True or False"):
        vet_values({"SUMMARY": "x", "DEBUG_LIST": value}, "mine.py", kernel_called("v6.18").offer)
