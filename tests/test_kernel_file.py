"""Real kernels: what moved code does, what each arm changes, what the gate lets through."""

import re
import struct
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
from benchmarks.cases import Case, case_of
from benchmarks.census.counting import WARM_FREES, count_case, traced
from benchmarks.emulator import Emulator, Trace
from benchmarks.gate import run_first
from benchmarks.timing.crew import Crew
from benchmarks.timing.sampler import Sampler
from benchmarks.timing.schedule import Walker
from benchmarks.timing.scheme import Scheme
from model.code.builds import Builds
from model.code.image import Code
from model.code.placement import Placement
from model.common.errors import KernelFileError, KernelReportError
from model.kernels.kernel_file import known
from model.kernels.kernel_file.arms import NUMBERS, Insert
from model.kernels.kernel_file.cutting import Change, Cut
from model.kernels.kernel_file.image import joined
from model.kernels.kernel_file.known import KnownFile
from model.kernels.kernel_file.machine import FileMachine
from model.kernels.kernel_file.path import FilePath
from model.kernels.kernel_file.places import places
from model.kernels.kernel_file.start import FileStart
from model.kernels.kernel_file.survey import way_of
from model.kernels.store import Store
from model.vmlinux.boot import as_booted
from model.vocabulary.scenario import Arm
from tests.kernels import parameters, paths

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
    for other in known.known_files():
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
    known._files.clear()
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
                found = btf.field(kind, access.field.replace("[", ".["))
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


@pytest.fixture
def sampler() -> Sampler:
    """A worker's sampler of the first kernel, base and its copy; it has run the gate."""
    if not paths():
        pytest.skip("NO REAL KERNEL IS RUN: sh tests/set_up_kernels.sh .venv/kernels")
    file = known_file(paths()[0])
    case = Case(file.usual, tuple(Arm(name, "none") for name in ("base", "base-twin")))
    store = Store()
    store.ensure(case.images())
    return Sampler(case, store, [1], Scheme())


def test_a_worker_frees_and_checks(sampler: Sampler) -> None:
    """Every page is freed and counted by the kernel's own event counter."""
    assert sampler(96) > 0
    sampler.check()
    sampler.freed = (sampler.start.freed() or 0) + 1
    with pytest.raises(KernelReportError, match=r"\d+ pages were freed of \d+"):
        sampler.check()


@pytest.fixture(scope="module")
def oldest() -> KnownFile:
    """A real kernel."""
    if not paths():
        pytest.skip("NO REAL KERNEL IS RUN: sh tests/set_up_kernels.sh .venv/kernels")
    return known_file(paths()[0])


def gate(file: KnownFile, change: Change) -> FileStart:
    """What a worker does with an arm before it runs natively; returns the start state."""
    scenario, rng = file.usual, np.random.default_rng(0)
    start = FilePath(file).start(scenario, rng)
    start.machine.activate()
    run = start.loop_record("base")
    run.record["n"] = FilePath(file).pages_per_pass(scenario)
    run.record["passes"], run.record["restore"] = 2, 1
    loop = FilePath(file).loop(scenario, Arm("base", "none"))
    builds = Builds(changed(file, change), loop, Scheme().draw(rng).plan, rng)
    before = start.machine.memory.arena.copy(), start.machine.memory.mem_map.copy()
    told = run.record.copy()
    try:
        run_first(start, run, builds, "base")
    finally:
        assert (start.machine.memory.arena == before[0]).all()
        assert (start.machine.memory.mem_map == before[1]).all() and run.record == told
    return start


REFUSED = {
    "fa": "executes cli",
    "fb": "executes sti",
    "9c": "executes pushf",
    "9d": "executes popf",
    "f4": "did not return",
    "ec": "executes in",
    "ee": "executes out",
    "6c": "executes ins",
    "0f32": "executes rdmsr",
    "0f30": "executes wrmsr",
    "0f01f8": "executes swapgs",
    "0f09": "executes wbinvd",
    "0f08": "executes invd",
    "0f06": "executes clts",
    "0f22d8": "executes mov",
    "0f20c0": "executes mov",
    "0f23f8": "executes mov",
    "0f0117": "executes lgdt",
    "0f013f": "executes invlpg",
    "f3480faed8": "executes wrgsbase",
    "8ed8": "executes mov",
    "0f01ca": "executes clac",
    "0f05": "executes syscall",
    "cd80": "executes int",
    "cc": "executes int3",
    "48cf": "executes iretq",
    "cb": "executes ret",
    "0f0b": "does not know ud2",
    "ffe7": "jumps through rdi",
    "3effe7": "jumps through rdi",
    "ffd7": "jumps through rdi",
    "ff27": "jumps through",
    "48cb": "executes ret",
    "ebfe": "did not return within 20,000 instructions",
    "c3": "is not on its list",
    "660fefc0": "vector or floating-point",
}
"""Bytes before the entry's first instruction -> why nothing of it runs."""


@pytest.mark.parametrize(("code", "why"), REFUSED.items(), ids=REFUSED)
def test_the_gate_refuses(oldest: KnownFile, code: str, why: str) -> None:
    """What user space cannot execute, what leads elsewhere, does not end, or has another result."""
    first = oldest.functions(USUAL)[0].start
    with pytest.raises(KernelFileError, match=r"^the emulator refuses base, so it is not run: ") as caught:
        gate(oldest, Change(before={first: [bytes.fromhex(code)]}))
    assert re.search(f"{why}|the emulator stopped at", str(caught.value))
    assert "\n" not in str(caught.value)


def test_the_gate_refuses_what_is_left_undone(oldest: KnownFile) -> None:
    """Code that leaves the build for the kernel's own text, or the CPU otherwise than it was; base passes."""
    loaded, first = oldest.loaded(), oldest.functions(USUAL)[0].start
    with pytest.raises(KernelFileError, match="leaves its own code for 0x"):
        gate(oldest, Change(jumps={first: loaded.symbol("strlen")}))
    memory = FileMachine(loaded, 1).memory
    increment = b"\x65\xff\x04\x25" + struct.pack("<I", memory.preempt_count - memory.gs_base)
    with pytest.raises(KernelFileError, match="preempt_count 1 and pcp lock 0 between two frees"):
        gate(oldest, Change(before={first: [increment]}))
    assert gate(oldest, Change()).freed() == 0


def test_nothing_runs_that_the_gate_refuses(oldest: KnownFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker ends before its first call of placed code."""
    case = Case(oldest.usual, tuple(Arm(name, "none") for name in ("base", "base-twin")))
    store, first = Store(), oldest.functions(USUAL)[0].start
    store.ensure(case.images())
    damaged = changed(oldest, Change(before={first: [b"\xfa"]}))
    monkeypatch.setattr(store, "load", lambda spec: damaged)
    for room, name in ((Crew, "call"), (Crew, "restore"), (Walker, "run")):
        monkeypatch.setattr(room, name, lambda *_: pytest.fail("placed code was called"))
    subject = Sampler(case, store, [1], Scheme())
    with pytest.raises(KernelFileError, match="executes cli, which user space cannot"):
        subject(96)
