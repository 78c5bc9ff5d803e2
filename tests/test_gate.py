"""The gate: what the emulator refuses of a kernel file's code never runs natively, in any of its builds."""

import ctypes
import mmap
import re
import struct
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.cases import Case
from benchmarks.gate import Candidate, run_first
from benchmarks.recorder import Recorder
from benchmarks.timing.cpu_threads import CpuThreads
from benchmarks.timing.sampler import Sampler
from benchmarks.timing.schedule import Walker
from benchmarks.timing.scheme import Scheme
from model.common.errors import KernelFileError, KernelReportError
from model.kernels.arrays import address_of, aligned
from model.kernels.kernel_file.cutting import Change
from model.kernels.kernel_file.known import KnownFile
from model.kernels.kernel_file.machine import FileMachine
from model.kernels.kernel_file.path import FilePath
from model.kernels.kernel_file.start import FileStart
from model.kernels.lay_out.image import LAY_OUT
from model.kernels.store import Store
from model.machine_code.builds import Builds
from model.machine_code.region import Region
from model.vocabulary.scenario import Arm
from tests.code import lay_out
from tests.kernels import paths
from tests.test_kernel_file import USUAL, changed, known_file
from tests.test_kernel_file import forgotten as forgotten


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


def test_each_value_is_gated(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value's builds, of every arm in one call; with the first ones base as it was compiled."""
    seen: list[dict[str, int]] = []

    def noted(candidates: Sequence[Candidate]) -> None:
        seen.append({arm.what.rpartition(": ")[2]: len(arm.addresses) for arm in candidates})
        run_first(candidates)

    monkeypatch.setattr("benchmarks.gate.run_first", noted)
    for _ in range(2):
        sampler(96)
    sampler.check()
    each = {"base/none": 24, "base-twin/none": 24}
    assert seen == [{**each, "base/none as compiled": 1}, each]


def test_files_side_by_side_are_gated_for_each_value(oldest: KnownFile) -> None:
    """Each in its own memory, whose pages are restored before a later value's builds are emulated."""
    other = known_file(paths()[-1])
    oldest.beside[:] = [other]
    case = Case(oldest.usual, (Arm("base", "none"), Arm(other.name, "none")))
    store = Store()
    store.ensure(case.images())
    try:
        sampler = Sampler(case, store, [1], Scheme())
        assert sampler.arms[1].start is not sampler.start
        for _ in range(2):
            assert sampler(96) > 0
        sampler.check()
    finally:
        oldest.beside.clear()


@pytest.fixture(scope="module")
def oldest() -> KnownFile:
    """A real kernel."""
    if not paths():
        pytest.skip("NO REAL KERNEL IS RUN: sh tests/set_up_kernels.sh .venv/kernels")
    return known_file(paths()[0])


def gate(file: KnownFile, change: Change, spoil: Callable[[Candidate], None] | None = None) -> FileStart:
    """What a worker does with an arm before it runs natively; returns the start state."""
    scenario, rng = file.usual, np.random.default_rng(0)
    start = FilePath(file).start(scenario, rng)
    start.machine.activate()
    run = start.loop_record("base")
    run.record["n"] = FilePath(file).pages_per_pass(scenario)
    run.record["passes"], run.record["restore"] = 2, 1
    loop = FilePath(file).loop(scenario, Arm("base", "none"))
    builds = Builds(changed(file, change), loop, Scheme().draw(rng, 1).plan, rng, lay_out())
    arm = Candidate("base", start, run, builds.addresses, builds.begins, builds.ends)
    if spoil:
        with builds._region.writable():
            spoil(arm)
    before = start.machine.memory.arena.copy(), start.machine.memory.mem_map.copy()
    told = run.record.copy()
    try:
        run_first([arm])
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
    "ebfe": "did not return within 8,192 blocks and stores",
    "c3": "is not on its list",
    "660fefc0": "vector or floating-point",
}
"""Bytes before the entry's first instruction -> why nothing of it runs."""


@pytest.mark.parametrize(("code", "why"), REFUSED.items(), ids=REFUSED)
def test_the_gate_refuses(oldest: KnownFile, code: str, why: str) -> None:
    """What user space cannot execute, what leads elsewhere, does not end, or has another result."""
    first = oldest.functions(USUAL)[0].start
    with pytest.raises(
        KernelFileError, match=r"^the emulator refuses base, build 0, so it is not run: "
    ) as caught:
        gate(oldest, Change(before={first: [bytes.fromhex(code)]}))
    assert re.search(f"{why}|the emulator stopped at|it leaves its own code for 0x", str(caught.value))
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


SPOILED = {
    "cli": ("fa", "does not execute the instructions of the first build"),
    "syscall": ("0f05", "stopped at|does not execute the instructions of the first build"),
    "the preempt count": ("65ff0425{preempt}", "does not store what the first build does"),
    "the build before": ("e9{before}", "leaves its own code for 0x"),
    "no end": ("ebfe", "did not return"),
}
"""What stands for executed NOPs of a later build -> why it does not run."""


@pytest.mark.parametrize(("code", "why"), SPOILED.values(), ids=SPOILED)
def test_the_gate_refuses_a_later_build(oldest: KnownFile, code: str, why: str) -> None:
    """Each build is emulated from its own bytes, not the first one for all."""
    last = 20  # with as many NOPs before the entry

    def spoil(arm: Candidate) -> None:
        memory: Any = arm.start.machine.memory
        before = memory.arena.copy(), memory.mem_map.copy()
        arm.run.record["passes"], arm.run.record["n"], arm.run.record["restore"] = 1, 1, 0
        done = Recorder(arm.start.machine, arm.shown, arm.code).call(
            int(arm.addresses[last]), arm.run.address
        )
        memory.arena[:], memory.mem_map[:] = before
        arm.run.record["passes"], arm.run.record["n"], arm.run.record["restore"] = 2, 64, 1
        runs = ((at, ctypes.string_at(at, size)) for at, size in done.blocks.tolist())
        at = next(at + run.find(b"\x90" * last) for at, run in runs if b"\x90" * last in run)
        known = {
            "preempt": struct.pack("<i", memory.preempt_count - memory.gs_base).hex(),
            "before": struct.pack("<i", int(arm.addresses[last - 1]) - at - 5).hex(),
        }
        written = bytes.fromhex(code.format(**known))
        ctypes.memmove(at, written, len(written))

    with pytest.raises(KernelFileError, match=rf"refuses base, build {last}, so it is not run: .*({why})"):
        gate(oldest, Change(), spoil)


def test_nothing_runs_that_the_gate_refuses(oldest: KnownFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker ends before its first call of placed code."""
    case = Case(oldest.usual, tuple(Arm(name, "none") for name in ("base", "base-twin")))
    store, first = Store(), oldest.functions(USUAL)[0].start
    store.ensure(case.images())
    damaged = changed(oldest, Change(before={first: [b"\xfa"]}))
    load = store.load
    monkeypatch.setattr(store, "load", lambda spec: load(spec) if spec == LAY_OUT else damaged)
    for room, name in ((CpuThreads, "call"), (CpuThreads, "restore"), (Walker, "run")):
        monkeypatch.setattr(room, name, lambda *_: pytest.fail("placed code was called"))
    subject = Sampler(case, store, [1], Scheme())
    with pytest.raises(KernelFileError, match="executes cli, which user space cannot"):
        subject(96)


STORES = bytes.fromhex(
    "4889 8424 0ffe ffff"  # mov %rax, -0x1f1(%rsp): not aligned, at the place in its page where the code is
    "4889 07"  # mov %rax, (%rdi)
    "4889 4708 c3"  # mov %rax, 8(%rdi); ret
)
CODE_PAGES, OFFSET = 16, 0xE00


@pytest.mark.parametrize("pages", [1, 2, 3, 5])
def test_stores_are_told_wherever_code_and_stack_lie(pages: int) -> None:
    """Whichever page of the code runs: Unicorn 2.1.4 may take a page of the stack for it, and fall silent."""
    code, data = Region(CODE_PAGES * mmap.PAGESIZE), aligned(np.uint8, pages * mmap.PAGESIZE)
    places = [page * mmap.PAGESIZE + OFFSET for page in range(CODE_PAGES)]
    for at in places:
        code.bytes()[at : at + len(STORES)] = np.frombuffer(STORES, np.uint8)
    code.seal()
    memory = SimpleNamespace(regions=lambda: {"data": (address_of(data), data.nbytes)})
    machine: Any = SimpleNamespace(memory=memory, gs_base=address_of(data))
    recorder = Recorder(machine, [], (code.start, code.size))
    told = [recorder.call(code.start + at, address_of(data)).stores[:, 0].tolist() for at in places]
    assert told == [[address_of(data), address_of(data) + 8]] * CODE_PAGES
