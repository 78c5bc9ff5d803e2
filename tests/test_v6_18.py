"""v6.18: the compiled path against the oracle, what it reads and writes, what it refuses."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from benchmarks.cases import Case, SelectionError
from benchmarks.census.counting import trace_arm
from benchmarks.emulator import Trace
from benchmarks.selection import along, select, swept
from benchmarks.timing.sampler import Sampler
from benchmarks.timing.scheme import Scheme
from model.common.errors import FreepathError
from model.kernels import kernel_called, path_of
from model.kernels.store import Store
from model.kernels.v6_18.modelled import VALUES
from model.kernels.v6_18.page import PAGE_TYPE, STRUCT_PAGE
from model.kernels.v6_18.path import FreePath
from model.kernels.v6_18.scenarios import QUICK, SCENARIOS, USUAL
from model.kernels.v6_18.variants import VARIANTS
from model.kernels.v6_18.zone import BATCH, FREE_AREA_BYTES, STRUCT_PCP, STRUCT_ZONE
from model.vocabulary.scenario import AXES, Arm, Config, Scenario, name_of
from tests.command import refused, run
from tests.versions import V6_18, against_the_oracle, booted

COMPILED = [name for name, variant in VARIANTS.items() if not variant.exact]
CONFIGS = get_args(Config)
BASE = Arm("base", "jump-label")


BUILT = [
    ("default", False, "__free_pages"),
    ("distribution", True, "__free_pages"),
    ("default", True, "__free_pages"),
    ("distribution", True, "put_page"),
]
OFTEN = [
    *((name, *BUILT[1]) for name in COMPILED),
    *(("base", *built) for built in BUILT),
    *(("memcg-flag-first", *built) for built in (BUILT[0], BUILT[2])),
]
"""Every variant as it is timed, since all builds have its steps; in the others base, and a memcg test."""
SUBJECTS = [
    pytest.param(name, *built, marks=[pytest.mark.reliability] * ((name, *built) not in OFTEN))
    for built in BUILT
    for name in COMPILED
]


test_it_does_what_the_oracle_does = against_the_oracle(V6_18, SUBJECTS)


@pytest.mark.parametrize("free_count", [0, 2015, 2016, 2017])
def test_tuning_is_as_the_rules_say(free_count: int) -> None:
    """free_count stops at batch << 5; alloc_factor halves; the mark of a high order is taken away."""
    machine, free = booted(V6_18, "base", "distribution", True, False)
    pcp = machine.memory.pcp
    pcp["free_count"], pcp["alloc_factor"], pcp["flags"], pcp["high"] = free_count, 5, 3, 7
    machine.activate()
    free(machine.memory.page_address(0), 0)
    assert BATCH << 5 == 2016
    assert pcp["free_count"] == (free_count if free_count >= 2016 else free_count + 1)
    assert (pcp["alloc_factor"], pcp["flags"], pcp["high"]) == (2, 2, pcp["high_min"])


@pytest.mark.parametrize(
    "prepare",
    [
        lambda memory: memory.zone.__setitem__("trylock_free_pages", 1) or memory.pcp.__setitem__("lock", 1),
        lambda memory: (
            memory.arena["task"][0].__setitem__("capture_control", 1) or memory.pcp.__setitem__("lock", 1)
        ),
        lambda memory: memory.mem_map["memcg_data"].__setitem__(0, 3),
    ],
)
def test_what_is_not_modelled_is_said(prepare: Any) -> None:
    """Deferred frees, a compaction that waits, no such owner: counted, and no run is good with one."""
    machine, free = booted(V6_18, "base", "distribution", True, False)
    prepare(machine.memory)
    machine.activate()
    free(machine.memory.page_address(0), 0)
    machine.memory.pcp["lock"] = 0
    assert machine.report() is not None and "not modelled" in str(machine.report())


def accesses(scenario: Scenario, arm: Arm) -> Counter[tuple[str, str, str]]:
    """How often one free reads and writes each field, its stack left out."""
    (trace,) = trace_arm(scenario, arm, Store())
    found: Counter[tuple[str, str, str]] = Counter()
    for access, count in trace.accesses.items():
        if access.object != "stack":
            found[access.op, access.object, access.field] += count
    return found


OWN_LINE = {"_refcount": 1, "flags": 5, "compound_head": 3, "memcg_data": 1, "mapping": 1, "page_type": 1}
PCP = {
    **dict.fromkeys(("alloc_factor", "lists[1].next", "count", "batch", "flags", "free_count"), 1),
    "high": 1,
    "high_min": 1,
    "high_max": 1,
    "lock": 2,
}


@pytest.mark.parametrize(
    ("scenario", "loads", "stores"),
    [
        (USUAL, 38, 17),
        (USUAL.but(memcg="on-idle"), 36, 17),
        (USUAL.but(memcg="off", config="default"), 35, 17),
        (USUAL.but(checks="on"), 44, 17),
        (USUAL.but(memcg="off", config="default", checks="on"), 39, 17),
    ],
)
def test_loads_and_stores_are_the_kernels(scenario: Scenario, loads: int, stores: int) -> None:
    """As many as the kernel executes, without the stack: docs/kernel-facts/v6.18-path.md, section 3."""
    found = accesses(scenario, Arm("base", "none" if scenario.memcg == "off" else "jump-label"))
    counted = {op: sum(n for (what, *_), n in found.items() if what == op) for op in ("load", "store")}
    assert counted == {"load": loads, "store": stores}


def test_the_page_and_its_list_are_met_row_by_row() -> None:
    """A distribution's kernel, key on: 12 reads and 4 writes of the page's line, 11 and 7 of the pcp's."""
    found = accesses(USUAL, BASE)
    assert {field: n for (op, of, field), n in found.items() if (op, of) == ("load", "page")} == OWN_LINE
    written = {field: n for (op, of, field), n in found.items() if (op, of) == ("store", "page")}
    assert written == {"_refcount": 1, "flags": 1, "compound_head": 1, "lru_prev": 1}
    assert {field: n for (op, of, field), n in found.items() if (op, of) == ("load", "pcp")} == PCP
    assert sum(n for (op, of, _), n in found.items() if (op, of) == ("store", "pcp")) == 7
    assert found["store", "neighbour", "lru_prev"] == 1
    assert found["load", "zone", "flags"] == 2 and found["load", "zone", "per_cpu_pageset"] == 1
    assert found["load", "cpu", "preempt_count"] == found["store", "cpu", "preempt_count"] == 4


def off_stack(trace: Trace, op: str) -> int:
    """Accesses that are the path's, not the compiler's."""
    return sum(count for a, count in trace.accesses.items() if a.op == op and a.object != "stack")


PRICES = {
    # variant: (instructions, loads, stores) over base with the key on, as docs/kernel-facts/v6.18-costs.md,
    # section 9, has them.
    "no-type-test": (-2, -1, 0),
    "type-store": (-1, -1, 1),
    "memcg-off": (-8, -2, 0),
    "memcg-direct": (-4, -1, 0),
    "memcg-flag-first": (-1, 0, 0),
    "no-wipe": (-2, 0, 0),
    "no-cpupid": (-2, 0, 0),
    "check-pages": (22, 6, 0),
    "list-check": (30, 2, 0),
    "load": (1, 1, 0),
    "load-compare": (3, 1, 0),
    "load-compare-store": (4, 1, 1),
    "nop": (1, 0, 0),
}


@pytest.mark.parametrize("variant", PRICES)
def test_each_step_has_the_price_of_the_facts(variant: str) -> None:
    """Loads and stores exactly; instructions to two, what two compilers may differ by."""
    arm = Arm(variant, "none" if VARIANTS[variant].exact else "jump-label")
    (trace,), (base,) = trace_arm(USUAL, arm, Store()), trace_arm(USUAL, BASE, Store())
    instructions, loads, stores = PRICES[variant]
    assert off_stack(trace, "load") - off_stack(base, "load") == loads
    assert off_stack(trace, "store") - off_stack(base, "store") == stores
    compilers = {"check-pages": 8, "list-check": 8}.get(variant, 2)  # a call: registers are spilled there
    assert abs(trace.instructions - base.instructions - instructions) <= compilers


def test_the_order_of_2015_is_dearer_with_the_key_off() -> None:
    """Six instructions and two loads, as the facts have it."""
    arms = Arm("memcg-flag-first", "jump-label"), BASE
    (first,), (base,) = (trace_arm(USUAL.but(memcg="on-idle"), arm, Store()) for arm in arms)
    assert (first.instructions - base.instructions, first.loads - base.loads) == (6, 2)


def test_the_layouts_are_the_kernels() -> None:
    """Sizes and offsets by debug info."""
    assert STRUCT_PAGE.itemsize == 64 and STRUCT_PAGE.fields["page_type"][1] == PAGE_TYPE == 48  # type: ignore[index]
    assert STRUCT_PCP.itemsize == 256 and STRUCT_PCP.fields["lists"][1] == 32  # type: ignore[index]
    at: dict[Config, dict[str, int]] = {}
    for config in CONFIGS:
        fields: Any = STRUCT_ZONE[config].fields
        at[config] = {name: int(place[1]) for name, place in fields.items()}
    names = (
        "per_cpu_pageset",
        "per_cpu_zonestats",
        "free_area",
        "flags",
        "lock",
        "trylock_free_pages",
        "vm_stat",
    )
    assert [at["default"][name] for name in names] == [104, 112, 192, 984, 992, 1000, 1088]
    assert [at["distribution"][name] for name in names] == [112, 120, 256, 1400, 1408, 1416, 1536]
    assert [FREE_AREA_BYTES[config] for config in CONFIGS] == [72, 104]
    lines = {config: (at[config]["flags"] // 64, at[config]["lock"] // 64) for config in CONFIGS}
    assert lines["default"] == (15, 15) and lines["distribution"] == (21, 22)


def timed() -> Iterator[Any]:
    """The headline with its arms; without memcg base alone, since every other has its own code there."""
    for scenario in QUICK:
        arms = tuple(path_of(scenario).arms(scenario))
        without = scenario.memcg == "off"
        if without:
            yield pytest.param(scenario, arms[:1], id=f"{scenario.name}: {arms[0].name}")
        yield pytest.param(scenario, arms, id=scenario.name, marks=[pytest.mark.reliability] * without)


@pytest.mark.parametrize(("scenario", "arms"), [*timed()])
def test_it_is_timed(scenario: Scenario, arms: tuple[Arm, ...]) -> None:
    """Every arm frees every page, and nothing is bad."""
    made = Sampler(Case(scenario, arms), Store(), [1], Scheme(2))
    made(1)
    made.check()
    assert (made.values[0].levels > 0).all()


def test_what_it_has_not_is_refused() -> None:
    """With what it has; the value exists, on another kernel."""
    path = FreePath()
    for axis, there in VALUES.items():
        other = next((value for value in AXES[axis] if value not in there), None)
        if other is None:
            continue
        with pytest.raises(FreepathError, match=f"v6.18 has no {axis}={other}; it has"):
            path.start(USUAL.but(**{axis: other}), np.random.default_rng(0))
    refused(run("benchmarks", "--only", "kernel=v6.18,v1", "-o", "never.json"), "selects nothing")
    unknown = run("benchmarks", "--only", "kernel=v7.0", "-o", "never.json")
    refused(unknown, "no kernel matches 'v7.0'", "v6.18", "v7.1")


def test_names_say_what_is_unusual_today() -> None:
    """Checks off and a distribution's configuration are what is usual on v6.18, and go without saying."""
    assert USUAL.name == "on-active/plain/warm/sequential/pcp/v6.18"
    bare = USUAL.but(memcg="off", config="default")
    assert bare.name == "off/plain/warm/sequential/pcp/default-config/v6.18"
    assert name_of(USUAL.but(checks="on").axes) == "on-active/plain/warm/sequential/pcp/on/v6.18"
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_both_kernels_side_by_side() -> None:
    """A sweep along the kernel measures the same exact arms on each one's usual state."""
    cases = swept(along("kernel"))
    assert [case.scenario.kernel for case in cases] == list(AXES["kernel"])
    exact = [{a.variant for a in case.arms if a.gate == "none"} for case in cases]
    assert {"nop", "load", "load-compare", "load-compare-store"} <= exact[0] & exact[1]
    assert [case.scenario.between for case in swept(along("v6.18/between"))] == list(AXES["between"])
    with pytest.raises(SelectionError, match="no kernel is called 'v7'"):
        along("v7/between")
    with pytest.raises(SelectionError, match=r"axis 'threads' cannot vary on v6\.18"):
        along("v6.18/threads")


def test_every_variant_says_which_way_it_goes() -> None:
    """Its summary begins with what it does to the kernel as it is."""
    for name, variant in VARIANTS.items():
        if name not in ("base", "base-twin"):
            assert variant.summary.startswith(("removes:", "replaces:", "adds:", "exact, adds:")), name
    listed = json.loads(run("benchmarks", "--list", "--json", "--only", "kernel=v6.18").stdout)
    assert {scenario["kernel"] for scenario in listed["scenarios"]} == {"v6.18"}
    assert kernel_called("v6.18").usual == USUAL
    assert {case.scenario.kernel for case in select(quick=True)} == set(AXES["kernel"])


STEP = '''"""No memcg test where the key is on.

Kernel: v6.18.
Expect: what that test costs.
"""

SUMMARY = "removes: the memcg test"
KERNEL = "v6.18"


def memcg_step(kernel):
    def nothing(page, order):
        pass

    return nothing
'''


@pytest.mark.parametrize("made", ["template", "step"])
def test_a_check_of_ones_own_on_todays_path(tmp_path: Path, made: str) -> None:
    """The template runs as it is; a step may be replaced, too; both are tried before they are measured."""
    file = tmp_path / "my_check.py"
    if made == "template":
        assert (
            run("benchmarks", "--new-variant", "my-check", "--kernel", "v6.18", "-o", str(file)).returncode
            == 0
        )
    else:
        file.write_text(STEP)
    done = run("benchmarks", "--variant", str(file), "-p", "1", "-n", "1", "-o", str(tmp_path / "run.json"))
    assert done.returncode == 0 and "on-active/plain/warm/sequential/pcp/v6.18: my-check" in done.stdout, done


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("memcg_step", "memcg_stop", "nothing is called memcg_stop (did you mean memcg_step?)"),
        ("pass", "page._mapcount = 1", "struct page has no field _mapcount"),
        ("pass", "kernel.PageKmem(page)", "kernel has no helper PageKmem"),
        ("pass", "page.index = 7", "index"),
        ("pass", "while True:\n            kernel.rare()", "20,000"),
    ],
)
def test_wrong_steps_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Before anything is measured, with what is wrong."""
    file = tmp_path / "my_check.py"
    body = "        pass"
    file.write_text(STEP.replace(body, f"        {new}") if old == "pass" else STEP.replace(old, new, 1))
    refused(run("benchmarks", "--variant", str(file), "-o", str(tmp_path / "run.json")), said)


def test_an_insertion_goes_into_the_kernel_that_is_named(tmp_path: Path) -> None:
    """It is v6.18 with --kernel v6.18."""
    told = ("--insert", "movl 48($0), %edx", "-p", "1", "-n", "1", "-o", str(tmp_path / "run.json"))
    done = run("benchmarks", "--kernel", "v6.18", *told)
    assert done.returncode == 0 and "/v6.18: insert/none" in done.stdout, done
    shown = run("benchmarks.disasm", "no-wipe", "--kernel", "v6.18", "--function", "__free_pages")
    assert shown.returncode == 0 and "page.memcg_data" in shown.stdout
