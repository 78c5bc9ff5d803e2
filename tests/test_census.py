"""Exact counts: the mail's claims to the byte, the same in every run, and as the real processor counts."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cases import Case, SelectionError
from benchmarks.census.counting import traced
from benchmarks.census.document import as_json, census, census_cases
from benchmarks.emulator import RETURN, EmulationError, Emulator
from benchmarks.selection import select
from model.kernels import kernel_called
from model.kernels.store import Store
from model.kernels.v4_3.image import Image
from model.kernels.v4_3.machine import Machine
from model.vocabulary.scenario import AXES, DEFAULTS, Arm, Scenario
from results.reading import formats
from tests import single_step
from tests.booted import Booted
from tests.command import ROOT, refused, run

REFERENCE = ROOT / "results" / "reference" / "census-x86-64-v3.json"


@cache
def arms() -> list[dict[str, Any]]:
    """The reference: compiled for x86-64-v3, checked below to be what this checkout gives."""
    return list(json.loads(REFERENCE.read_text())["arms"])


def chosen(**wanted: str) -> Iterator[dict[str, Any]]:
    """Arms of the reference with these values."""
    of_2015 = [arm for arm in arms() if "kernel" not in arm]
    matching = [arm for arm in of_2015 if all(arm[name] == value for name, value in wanted.items())]
    assert matching, wanted
    yield from matching


def added(arm: dict[str, Any]) -> list[tuple[str, str, int, int, int]]:
    """Accesses over base, the stack left out."""
    return [
        (a["op"], f"{a['object']}.{a['field']}", a["offset"], a["size"], a["count"])
        for a in arm["over_base"]["accesses"]
        if a["object"] != "stack"
    ]


LOAD = ("load", "page._mapcount", 24, 4, 1)
STORE = ("store", "page._mapcount", 24, 4, 1)


def compared(cases: Sequence[Case]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What this checkout counts, and what the reference says of the same arms.

    A variant that is not in the reference yet may stand between the others.
    """
    reference = json.loads(REFERENCE.read_text())
    assert as_json(reference) == REFERENCE.read_text()
    known = {arm["variant"] for arm in reference["arms"]}
    document = census(cases, "x86-64-v3")
    document["arms"] = [arm for arm in document["arms"] if arm["variant"] in known]
    names = ("variant", "gate", *AXES)
    counted = [{name: arm.get(name) for name in names} for arm in document["arms"]]
    arms = [arm for arm in reference["arms"] if {name: arm.get(name) for name in names} in counted]
    return document, reference | {"arms": arms}


def sample() -> Iterator[Case]:
    """Of each kernel scenarios in which every value of every axis occurs; base, in the usual one a check.

    The checks are the usual ones. Of v7.1 those that are built as usual: v6.18 has the other configurations.
    """
    seen: set[tuple[str, ...]] = set()
    for case in census_cases():
        kernel, axes = case.scenario.kernel, case.scenario.axes
        usual = kernel_called(kernel).usual
        values = {(kernel, *item) for item in axes.items()}
        if axes["checks"] != usual.checks or (kernel == "v7.1" and axes["config"] != usual.config):
            continue
        if not values <= seen:
            names = ("base", "v1", "check-pages") if case.scenario == usual else ("base",)
            yield replace(case, arms=tuple(arm for arm in case.arms if arm.variant in names))
            seen |= values


def test_this_checkout_gives_the_reference() -> None:
    """Byte for byte, on any machine; docs/fidelity.md has the command that makes it anew."""
    cases = list(sample())
    counted, kept = compared(cases)
    assert {case.scenario.kernel for case in cases} == {*AXES["kernel"]}
    assert len(kept["arms"]) > len(cases) and as_json(counted) == as_json(kept)


@pytest.mark.reliability
@pytest.mark.parametrize("kernel", AXES["kernel"])
def test_this_checkout_gives_the_whole_reference(kernel: str) -> None:
    """Every arm of every scenario, and no other is in the reference."""
    counted, kept = compared([case for case in census_cases() if case.scenario.kernel == kernel])
    of_kernel = [arm for arm in arms() if arm.get("kernel", DEFAULTS["kernel"]) == kernel]
    assert as_json(counted) == as_json(kept) and kept["arms"] == of_kernel


def test_the_totals_of_the_document() -> None:
    """docs/fidelity.md and docs/limits.md: for the target that is timed, in brackets for the reference's."""
    text = (ROOT / "docs" / "fidelity.md").read_text()
    limits = (ROOT / "docs" / "limits.md").read_text()
    for name, memcg in (("MEMCG=n", "off"), ("MEMCG=y, key off", "on-idle")):
        found = re.search(rf"^\| whole, {name} \| \d+ \| (\d+) \((\d+)\) \|", text, re.MULTILINE)
        assert found
        scenario: dict[str, Any] = {"memcg": memcg, "page_kind": "plain", "depth": "pcp", "checks": "on"}
        _, (timed,) = traced(Scenario(**scenario), Arm("base", "none"), Store())
        kept = next(chosen(**scenario, variant="base"))
        assert [timed.instructions, kept["instructions"]] == [int(number) for number in found.groups()]
        assert all(number in limits for number in found.groups())


def test_the_reference_is_as_the_schema_says() -> None:
    """And the schema refuses something."""
    document = json.loads(REFERENCE.read_text())
    assert formats.fault(document, "census") is None
    document["arms"][0]["op"] = document["arms"][0].pop("gate")
    assert "arms[0]" in str(formats.fault(document, "census"))


@pytest.mark.parametrize(
    ("variant", "instructions", "accesses"),
    [
        ("nop", (1,), []),
        ("load", (1,), [LOAD]),
        ("load-compare", (2, 3), [LOAD]),
        ("load-compare-store", (3, 4), [LOAD, STORE]),
    ],
)
def test_exact_arms_add_their_operation(
    variant: str, instructions: tuple[int, ...], accesses: list[tuple[str, str, int, int, int]]
) -> None:
    """In every memcg state, at every depth; nothing on the stack, no other line."""
    for arm in chosen(variant=variant, page_kind="plain", free="plain"):
        assert arm["over_base"]["instructions"] in instructions
        assert added(arm) == accesses
        assert arm["over_base"]["lines"] == (0 if arm["checks"] == "on" or variant != "none" else 1)
        assert len(arm["over_base"]["accesses"]) == len(accesses)


@pytest.mark.parametrize("memcg", ["off", "disabled", "on-idle", "on-active"])
def test_v1_adds_one_load_to_a_plain_page(memcg: str) -> None:
    """C4: four bytes at `_mapcount`, and nothing else; whether memcg is compiled in or not (C1)."""
    for arm in chosen(variant="v1", memcg=memcg, page_kind="plain", depth="pcp", checks="on"):
        assert added(arm) == [LOAD]
        assert arm["over_base"]["instructions"] == 3
        assert arm["over_base"]["stores"] == 0 and arm["over_base"]["lines"] == 0


def test_v1_stores_for_a_flagged_page() -> None:
    """C3: at worst load, comparison, store; the base it is compared with tests the key in the old helper."""
    for arm in chosen(variant="v1", gate="jump-label", memcg="on-idle", page_kind="flagged", depth="pcp"):
        assert added(arm) == [LOAD, STORE]
    for arm in chosen(variant="v1", memcg="off", page_kind="flagged"):
        assert added(arm) == [LOAD, STORE]


@pytest.mark.parametrize("memcg", ["disabled", "on-idle"])
def test_keyfirst_with_the_key_off_reads_nothing_more(memcg: str) -> None:
    """One NOP, and no access to `_mapcount` but the check's."""
    for arm in chosen(
        variant="keyfirst", gate="jump-label", memcg=memcg, page_kind="plain", depth="pcp", checks="on"
    ):
        assert arm["over_base"]["instructions"] == 1 and added(arm) == []


@pytest.mark.parametrize("variant", ["v1-ifdef", "keyfirst", "memcg-data"])
def test_compiled_out_is_base(variant: str) -> None:
    """C6: with memcg off nothing is left of it; what remains is v1's (the reviewer's point)."""
    for arm in chosen(variant=variant, memcg="off"):
        assert not any(value for name, value in arm["over_base"].items() if name != "accesses")
        assert arm["over_base"]["accesses"] == []


def test_the_struct_page_is_touched_as_in_the_kernel() -> None:
    """Row by row as in v4.3 (docs/fidelity.md): base, order 0, memcg compiled in."""
    scenario = Scenario("on-idle")
    _, (trace,) = traced(scenario, Arm("base", "none"), Store())
    seen = [f"{a.op} {a.field}" for _, a in trace.sequence if a.object == "page"]
    assert seen == [
        *("load _count", "store _count"),  # 1 the locked decrement
        "load flags",  # 2 zone lookup
        "load mapping",  # 4 anonymous?
        "load _mapcount",  # 5
        "load mapping",  # 6
        "load _count",  # 7
        "load flags",  # 8
        "load mem_cgroup",  # 9
        "load flags",  # 11 any bit to wipe?
        "store index",  # 15
        *("store lru_next", "store lru_prev"),  # 20
    ]
    others = [f"{a.object}.{a.field}" for _, a in trace.sequence if a.object == "neighbour"]
    assert others == ["neighbour.lru_prev"]


@pytest.mark.parametrize(("swap", "locked"), [(False, 4), (True, 6)])
def test_a_charged_free_locks_at_every_level(swap: bool, locked: int) -> None:
    """Depth 2: memory and kmem at two levels, memsw too where swap is accounted."""
    kernel = Booted(Image("v1", "jump-label", memcg=True), "on-charged", swap_account=swap)
    page = kernel.alloc_kmem_pages()
    assert page is not None
    address = kernel.machine.memory.page_address(page)
    emulator = Emulator(kernel.machine, [kernel.free_path])
    trace = emulator.call(kernel.free_path.address("__free_pages"), address, 0, page=address)
    assert trace.locked == 1 + locked
    kernel.machine.check()


SAMPLE = [("base", "none"), ("v1", "jump-label"), ("keyfirst", "memory-flag"), ("load-compare-store", "none")]


@pytest.mark.parametrize("arm", SAMPLE, ids="/".join)
def test_the_real_processor_counts_the_same(arm: tuple[str, str]) -> None:
    """Single-stepped with ptrace, the same bytes in the same state execute as many instructions."""
    kernel = Booted(Image(arm[0], arm[1], memcg=True), "on-idle")
    pages = [kernel.alloc_pages() for _ in range(3)]
    kernel.free_pages(pages[0] or 0)
    code, memory = kernel.free_path, kernel.machine.memory
    function, address = code.function("__free_pages", 2), memory.page_address(pages[1] or 0)
    kernel.machine.activate()
    stepped = single_step.count(lambda: function(address, 0), code.base, code.base + len(code.code.code))
    if stepped is None:
        pytest.skip("ptrace is not allowed here, so the processor could not be asked")
    emulated = Emulator(kernel.machine, [code]).call(code.address("__free_pages"), address, 0, page=address)
    assert stepped == emulated.instructions


def test_what_the_emulator_cannot_do_is_an_error() -> None:
    """With the address and the instruction; never a partial count."""
    machine = Machine(1024, "on-idle")
    (placement,) = machine.place(Store().load(Image("base", "none", memcg=True)))
    emulator = Emulator(machine, [placement])
    with pytest.raises(EmulationError, match=r"stopped at 0x.*lock dec"):
        emulator.call(placement.address("__free_pages"), 64, 0)
    outside = RETURN + 4096
    assert not any(start <= outside < start + size for start, size in machine.memory.regions().values())
    with pytest.raises(EmulationError, match=r"in no memory of the model|stopped at"):
        emulator.call(placement.address("__free_pages"), outside, 0)


def test_the_command(tmp_path: Path) -> None:
    """Table, JSON, file; nothing overwritten; bad input."""
    only = "memcg=on-idle,page_kind=plain,depth=pcp,checks=on,v1"
    assert "page._mapcount" in run("benchmarks.census", "--only", only).stdout
    document = json.loads(run("benchmarks.census", "--only", only, "--json").stdout)
    assert formats.fault(document, "census") is None
    target = tmp_path / "census.json"
    assert run("benchmarks.census", "--only", only, "--json", "-o", str(target)).returncode == 0
    refused(run("benchmarks.census", "--only", only, "-o", str(target)), "exists", "--force")
    refused(run("benchmarks.census", "--only", "v9"), "v9")
    refused(run("benchmarks.census", "--only", only, "--cpu", "pentium99"), "pentium99")
    assert "llvm-mca" in run("benchmarks.census", "--only", only, "--mca").stdout


def test_drains_are_counted_apart() -> None:
    """A free without a drain, the one with it, and the mean over 31 of which one drains."""
    for variant in ("base", "v1"):
        plain, drain, mean = (
            next(chosen(variant=variant, memcg="on-idle", page_kind="plain", depth="full", free=free))[
                "instructions"
            ]
            for free in ("plain", "drain", "mean")
        )
        assert plain < mean < drain
        assert mean == pytest.approx((30 * plain + drain) / 31)


@pytest.mark.parametrize(
    ("arm", "words"), [("v1", "page._mapcount"), ("keyfirst", "memcg_kmem_enabled: NOP")]
)
def test_disasm(arm: str, words: str) -> None:
    """The patch point marked, accesses named, sites shown, what never ran told apart."""
    text = run("benchmarks.disasm", arm).stdout
    assert words in text and "free_pages_prepare:" in text
    assert any(line.startswith(">") for line in text.splitlines())
    assert any(line.startswith(" .") for line in text.splitlines())


def test_disasm_shows_the_jump_and_refuses_what_is_not_there() -> None:
    """With the key on the site is a JMP."""
    assert "memcg_kmem_enabled: JMP" in run("benchmarks.disasm", "keyfirst", "--memcg", "on-active").stdout
    refused(run("benchmarks.disasm", "v9"), "v9", "v1/jump-label")
    refused(run("benchmarks.disasm", "v1", "--function", "kmalloc"), "kmalloc", "free_pages_prepare")


def test_a_mix_is_not_traced_as_a_plain_page() -> None:
    """One page is traced; the message names the kinds of which a page can be."""
    mix = Scenario("on-idle", "flagged", share="10", spread="random")
    with pytest.raises(SelectionError, match=r"mix.*plain, anon, flagged, charged"):
        traced(mix, Arm("v1", "jump-label"), Store())
    refused(run("benchmarks.census", "--only", "page_kind=flagged-10-random"), "10", "nothing to count")


def test_selection_covers_every_arm() -> None:
    """The census leaves out only what counting cannot see: memory size, order, entry."""
    counted: list[Case] = census_cases()
    assert {a for c in counted for a in c.arms} == {a for c in select() for a in c.arms}
