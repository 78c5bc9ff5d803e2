"""Real kernels: what moved code does, what each arm changes, what the gate lets through."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

import capstone
import numpy as np
import pytest
from capstone import x86

from benchmarks import file_survey
from benchmarks.cases import case_of
from benchmarks.census.counting import WARM_FREES, count_case, traced
from benchmarks.emulator import Emulator, Trace
from model.kernels.kernel_file import known
from model.kernels.kernel_file.arms import NUMBERS, Insert
from model.kernels.kernel_file.cutting import Change, Cut
from model.kernels.kernel_file.given import FILES, known_files
from model.kernels.kernel_file.image import joined
from model.kernels.kernel_file.known import KnownFile
from model.kernels.kernel_file.path import FilePath
from model.kernels.kernel_file.places import places
from model.kernels.kernel_file.survey import way_of
from model.kernels.store import Store
from model.machine_code.image import Code
from model.machine_code.placement import Placement
from model.vmlinux.boot import as_booted
from model.vocabulary.scenario import Arm
from tests.kernels import parameters

BOOT = "thunk=none,retpoline=off"
ENTRY = "__free_pages"
USUAL = "__free_pages.page.plain"
TYPES = {
    "page": "struct page",
    "neighbour": "struct page",
    "pcp": "struct per_cpu_pages",
    "zone": "struct zone",
    "node": "struct pglist_data",
    "mem_section": "struct mem_section",
    "mem_section_usage": "struct mem_section_usage",
    "task": "struct task_struct",
}


@cache
def known_file(path: Path) -> KnownFile:
    """A real kernel, read, booted and surveyed; once for all tests."""
    file = known.add(str(path), BOOT)
    for other in known_files():
        other.beside.clear()
    surveyed(file)
    return file


def surveyed(file: KnownFile, **axes: str) -> str:
    """Let a file know what a free executes, in its usual scenario but for these axes; returns the way."""
    scenario = file.usual.but(**axes)
    way = way_of(scenario)
    if way not in file.surveys:
        file.surveys[way] = file_survey.survey(file, scenario)
    return way


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """Later tests of this process know the modelled kernels alone."""
    yield
    FILES.clear()
    known_file.cache_clear()


def shapes(trace: Trace) -> list[str]:
    """What ran, in order: the address that each instruction refers to, not the distance to it."""
    return [_shape(trace.decoded[at]) for at in trace.path]


def _shape(instruction: Any) -> str:
    if instruction.group(capstone.CS_GRP_JUMP) or instruction.group(capstone.CS_GRP_CALL):
        return str(instruction.mnemonic)  # where it led is the next instruction
    for operand in instruction.operands:
        if operand.type == x86.X86_OP_MEM and operand.mem.base == x86.X86_REG_RIP:
            refers = instruction.address + instruction.size + operand.mem.disp
            text = re.sub(r"rip [+-] 0x[0-9a-f]+", f"{refers:#x}", instruction.op_str)
            return f"{instruction.mnemonic} {text}"
    return f"{instruction.mnemonic} {instruction.op_str}"


def at_its_place(file: KnownFile, **axes: str) -> Trace:
    """A free by the kernel's own code, where it has it; as many frees before as when arms are counted."""
    scenario = file.usual.but(**axes)
    start = FilePath(file).start(scenario, np.random.default_rng(0), counting=Arm("base", "none"))
    emulator, address = Emulator(start.machine, []), file.loaded().symbol(file.entry_name(scenario.entry))
    for number in range(WARM_FREES + 1):
        trace = file_survey.run(emulator, start, address, number)
    return trace


def moved(file: KnownFile, variant: str, **axes: str) -> tuple[Placement, Trace]:
    """The same by an arm's code."""
    surveyed(file, **axes)
    placement, (trace,) = traced(file.usual.but(**axes), Arm(variant, "none"), Store())
    return placement, trace


def changed(file: KnownFile, change: Change) -> Code:
    """An image with any bytes of the kernel's changed."""
    store = Store()
    made = joined(store.load(known.LOOPS), Cut(file.functions(USUAL), change), file.entry_name(ENTRY))
    tables: Any = {name: tuple(map(tuple, made[name])) for name in ("points", "branches", "references")}
    return replace(
        store.load(file.image(USUAL, "base")),
        code=bytes.fromhex(made["code"]),
        functions={name: tuple(span) for name, span in made["functions"].items()},
        **tables,
    )


@pytest.mark.parametrize("path", parameters())
def test_a_key_the_other_way_round_is_as_booted_so(path: Path) -> None:
    """The arm executes what the kernel does that boots with the key in that state, by its own tables."""
    file = known_file(path)
    arms = [name for name in file.arms(USUAL) if name.endswith(("-on", "-off"))]
    assert "memcg-off" in arms
    for name in arms:
        key, _, state = name.rpartition("-")
        boot = as_booted(file.kernel_file, f"{BOOT},{key.replace('-', '_')}={state}")
        other = KnownFile(file.kernel_file, boot, file.number)
        _, trace = moved(file, name)
        assert shapes(trace) == shapes(at_its_place(other)), name


@pytest.mark.parametrize("path", parameters())
def test_every_access_has_a_name_by_btf(path: Path) -> None:
    """And lies where BTF says that the field lies; variables lie at their symbols."""
    file = known_file(path)
    btf, loaded, seen = file.kernel_file.btf, file.loaded(), set()
    for variant in file.arms(USUAL):
        for access in moved(file, variant)[1].accesses:
            kind = TYPES.get(access.object)
            seen.add(access.object)
            if kind:
                found = btf.field(kind, access.field)
                assert found.offset == access.offset, access
                assert btf.size(found.type) >= access.size, access
            elif access.object == "global":
                start = loaded.symbol(access.field) - loaded.memory.start
                assert 0 <= access.offset - start < 4096, access
            elif access.object == "percpu":
                name, _, inside = access.field.partition("+")
                copy = loaded.per_cpu_address(name, 1 << 32) - (1 << 32)
                assert copy + int(inside or 0) == access.offset, access
            else:
                assert access.object in ("stack", "section_roots"), access
    assert {"page", "neighbour", "pcp", "zone", "percpu", "global", "stack"} <= seen


@pytest.mark.parametrize("path", parameters())
def test_a_return_thunk_is_cut_out_alone(path: Path) -> None:
    """Behind those for SRSO lies a megabyte of padding, which was cut out, too: 2 GiB and a minute."""
    file = known_file(path)
    for thunk in ("retbleed", "srso-alias"):
        other = KnownFile(file.kernel_file, as_booted(file.kernel_file, f"thunk={thunk}"), file.number)
        surveyed(other)
        functions = other.functions(USUAL)
        assert any(thunk.replace("-", "_") in function.name for function in functions)
        assert sum(len(function.instructions) for function in functions) < 5_000


@pytest.mark.parametrize("path", parameters())
def test_what_is_put_in_disturbs_nothing(path: Path) -> None:
    """At all places at once: the free register and the flags are overwritten, and the path does the same."""
    file = known_file(path)
    found = list(places(file.loaded(), file.surveys[USUAL]))
    assert len({place.name for place in found}) == len(found) > 20
    assert len({place.page for place in found}) > 1 and len({place.free for place in found}) > 1
    spoil = {}
    for place in found:
        number = NUMBERS[place.free]
        move = (b"\x41" if number > 7 else b"") + bytes([0xB8 + number % 8]) + b"\xff" * 4
        add = (b"\x45" if number > 7 else b"") + bytes([0x01, 0xC0 + 9 * (number % 8)])
        spoil[place.address] = [move, add]
    code = changed(file, Change(before=spoil))
    start = FilePath(file).start(file.usual, np.random.default_rng(0), counting=Arm("base", "none"))
    (placement,) = start.machine.place(code)
    emulator = Emulator(start.machine, [placement])
    for number in range(WARM_FREES + 1):
        page = start.machine.memory.page_address(number)
        trace = emulator.call(placement.address(file.entry_name(ENTRY)), page, 0, page=page)
    _, plain = moved(file, "base")
    put_in = sum(map({place.address: 2 for place in found}.get, file.surveys[USUAL].executed, repeat(0)))
    assert trace.instructions == plain.instructions + put_in
    assert trace.accesses == plain.accesses
    assert start.machine.memory.listed() == [3, 2, 1, 0] and start.machine.report() is None


@pytest.mark.parametrize("path", parameters())
def test_places_are_where_the_page_is(path: Path) -> None:
    """A user's check reads the page's fields at any of them: one load of that field more, nothing else."""
    file = known_file(path)
    found = list(places(file.loaded(), file.surveys[USUAL]))
    offset = file.kernel_file.btf.offset("struct page", "_mapcount")
    _, plain = moved(file, "base")
    for place in (found[0], found[len(found) // 2], found[-1]):
        file.inserts[:] = [Insert("mine", f"movl {offset}($0), %edx; testl %edx, %edx; js 2f", place.name)]
        file.__dict__.pop("_arms", None)
        try:
            _, trace = moved(file, "mine")
        finally:
            file.inserts.clear()
            file.__dict__.pop("_arms", None)
        more = trace.accesses - plain.accesses
        assert [(a.op, a.object, a.offset, a.size, n) for a, n in more.items()] == [
            ("load", "page", offset, 4, 1)
        ], place
        assert trace.instructions == plain.instructions + 3 and not plain.accesses - trace.accesses


@pytest.mark.parametrize("path", parameters())
def test_each_arm_counts_what_it_changes(path: Path) -> None:
    """A key the other way round, a call and a store left out, a test put in."""
    file = known_file(path)
    case = case_of(file.usual)
    store = Store()
    store.ensure(case.images())
    counted = {arm.variant: counts["plain"].figures for arm, counts in count_case(case, store).items()}
    base = counted["base"]
    assert counted["base-twin"] == base
    assert counted["memcg-off"]["instructions"] < base["instructions"]
    assert counted["memcg-off"]["loads"] == base["loads"] - 2
    assert counted["no-list-check"]["loads"] < base["loads"]
    assert counted["v1"]["instructions"] == base["instructions"] + 2
    assert (counted["v1"]["loads"], counted["v1"]["stores"]) == (base["loads"] + 1, base["stores"])
    assert counted["nop"]["instructions"] == base["instructions"] + 1
    if "no-private" in counted:
        assert counted["no-private"]["stores"] == base["stores"] - 1
