"""Kernel files: cutting by hand-made functions; census, moved code, gate and timing with real kernels."""

import struct
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import capstone
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import kernel_files
from benchmarks.cases import Case, case_of
from benchmarks.census.counting import count_case, traced
from benchmarks.emulator import Emulator
from benchmarks.gate import run_first
from benchmarks.timing.sampler import Sampler
from benchmarks.timing.scheme import Scheme
from model.code.builds import Builds
from model.common.errors import KernelFileError, KernelReportError
from model.kernels.kernel_file import known
from model.kernels.kernel_file.cutting import Change, Cut, Function, Instruction
from model.kernels.kernel_file.known import KnownFile
from model.kernels.kernel_file.places import places
from model.kernels.store import Store
from model.vocabulary.scenario import Arm
from tests import single_step
from tests.kernels import parameters, paths

BOOT = "thunk=none,retpoline=off"
RET = Instruction("f+end", b"\xc3", 0x9000)
FAR = 0x1234_5678


@cache
def known_file(path: Path) -> KnownFile:
    """A real kernel, read, booted and surveyed; once for all tests."""
    file = known.add(str(path), BOOT)
    for other in known.known_files():
        other.beside.clear()
    kernel_files.survey(file)
    return file


def nops(count: int) -> list[Instruction]:
    """One-byte instructions that can be told apart."""
    return [Instruction(f"f+{0x1000 + number:#x}", b"\x90", 0x1000 + number) for number in range(count)]


def decoded(code: bytes) -> list[tuple[int, str, str]]:
    """Address, name and operands of each instruction."""
    found = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64).disasm(code, 0)
    return [(each.address, each.mnemonic, each.op_str) for each in found]


@given(st.integers(0, 300))
def test_a_short_jump_that_does_not_reach_becomes_a_long_one(between: int) -> None:
    """And leads to the same instruction, whatever lies between."""
    jump = Instruction("f+j", b"\x74\x00", 0x800, target=0x9000)
    cut = Cut([Function("f", 0x800, (jump, *nops(between), RET))], Change())
    (at, name, operand), *_, (end, last, _) = decoded(cut.code)
    assert (at, name, last) == (0, "je", "ret") and int(operand, 16) == end
    assert cut.branches == ((0, end),) and cut.references == ()
    assert len(cut.code) == (2 if between <= 127 else 6) + between + 1


def test_what_lies_outside_is_a_reference() -> None:
    """A call of a function that is not cut out, and data relative to the instruction."""
    call = Instruction("f+0x0", b"\xe8\0\0\0\0", 0x800, target=FAR)
    load = Instruction("f+0x5", b"\x8b\x05\0\0\0\0", 0x805, distance=2, refers=FAR)
    cut = Cut([Function("f", 0x800, (call, load, RET))], Change())
    assert cut.references == ((1, 5, FAR), (7, 11, FAR)) and cut.branches == ()


def test_what_an_arm_changes() -> None:
    """A label that jumps, bytes instead of others, and code before an instruction that is jumped to."""
    jump = Instruction("f+0x0", b"\xeb\x00", 0x800, target=0x1001)
    label = Instruction("f+0x2", b"\x66\x90", 0x802)
    function = Function("f", 0x800, (jump, label, *nops(3), RET))
    change = Change(jumps={0x802: 0x9000}, instead={0x1002: b"\xf8"}, before={0x1001: [b"\xf5", b"\xf9"]})
    names = [name for _, name, _ in decoded(Cut([function], change).code)]
    assert names == ["jmp", "jmp", "nop", "cmc", "stc", "nop", "clc", "ret"]
    (_, _, first), *_ = decoded(Cut([function], change).code)
    assert int(first, 16) == 5  # a jump to the instruction meets what was put in before it
    with pytest.raises(KernelFileError, match="no instruction at 0x77"):
        Cut([function], Change(instead={0x77: b"\x90"}))


def mnemonics(addresses: Sequence[int], emulator: Emulator) -> Iterator[str]:
    """What ran, in order; the length of a jump may differ."""
    for at in addresses:
        yield str(emulator.decoded(at).mnemonic)


@pytest.mark.parametrize("path", parameters())
def test_moved_code_does_what_the_kernels_own_does(path: Path) -> None:
    """Instruction by instruction, and access by access, field by field; as does the processor."""
    file = known_file(path)
    case = case_of(file.usual)
    store = Store()
    store.ensure(case.images())
    placement, (trace,) = traced(case.scenario, Arm("base", "none"), store)
    machine = case.path.start(case.scenario, np.random.default_rng(0), counting=Arm("base", "none")).machine
    emulator = Emulator(machine, [placement])
    address = placement.address(case.path.free(case.scenario, Arm("base", "none")))
    pages = [machine.memory.page_address(number) for number in range(4)]
    for page in pages[:3]:
        moved = emulator.call(address, page, 0, page=page)
    original = Emulator(machine, [])
    again = original.call(file.loaded().symbol("__free_pages"), pages[3], 0, page=pages[3])
    assert list(mnemonics(moved.path, emulator)) == list(mnemonics(again.path, original))
    assert {a for a in moved.accesses if a.object != "stack"} == {
        a for a in again.accesses if a.object != "stack"
    }
    assert all(access.field for access in moved.accesses if access.object in ("page", "pcp", "zone"))
    machine.activate()
    page = machine.memory.page_address(5)
    first, last = placement.base, placement.base + len(placement.code.code)
    stepped = single_step.count(lambda: placement.function("__free_pages", 2)(page, 0), first, last)
    assert stepped in (None, trace.instructions)


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


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (b"\xfa\xc3", "cli"),
        (b"\xeb\xfe", "did not return"),
        (b"\xff\xe0", "jumps through|the emulator stopped|no memory"),
        (b"\xc3", "not on its list"),
    ],
)
def test_the_gate_refuses_damaged_code(sampler: Sampler, code: bytes, why: str) -> None:
    """Before a native run: privileged, endless, leading elsewhere, or without the right result."""
    arm = sampler.arms[0]
    builds: Builds = arm.builds
    at = int(builds.addresses[0]) - builds.start
    layout = bytes(builds._region.bytes()[at : at + 4096])
    call = next(
        at + each.address
        for each in capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64).disasm(layout, 0)
        if each.mnemonic == "call"
    )
    entry = call + 5 + struct.unpack("<i", bytes(builds._region.bytes()[call + 1 : call + 5]))[0]
    with builds._region.writable() as memory:
        memory[entry : entry + len(code)] = np.frombuffer(code, np.uint8)
    with pytest.raises(KernelFileError, match=why):
        run_first(arm.start, arm.run, builds, "the arm")


@pytest.mark.parametrize("path", parameters())
def test_a_test_can_be_put_in_at_many_places(path: Path) -> None:
    """The place before the memcg key is one of them, and each is named by its function."""
    file = known_file(path)
    found = list(places(file.loaded(), file.surveys["__free_pages"]))
    assert len({place.name for place in found}) == len(found) > 20
    assert all("+0x" in place.name and place.page != place.free for place in found)
