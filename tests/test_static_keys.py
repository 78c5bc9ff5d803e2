"""Jump labels: real patches, reference counted, in every copy, never beside a call, whole or not at all."""

import ctypes
import gc
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import FrameType, SimpleNamespace

import pytest

from model.common.errors import CompileError, FreepathError, KeysBusyError, OutOfMemoryError
from model.kernels.v4_3.image import Image
from model.kernels.v4_3.keys import KEYS
from model.kernels.v4_3.machine import Machine
from model.machine_code import region
from model.machine_code.placement import Placement, Trampoline
from model.machine_code.region import Region
from model.machine_code.running import RUNNING
from model.machine_code.x86 import NOP5
from tests.booted import Booted
from tests.code import code_of
from tests.command import run

V1 = Image("v1", "jump-label", memcg=True)
KEY = "memcg_kmem_enabled"
ROOT = Path(__file__).parent.parent


@pytest.fixture
def machine() -> Machine:
    """Key off."""
    return Machine(1024, "on-idle")


def bytes_at_sites(machine: Machine, placement: Placement, key: str = KEY) -> list[bytes]:
    """The five bytes of each of the key's sites as they stand in memory."""
    return [ctypes.string_at(site.code, 5) for site in placement.sites if site.key == KEYS[key]]


def test_off_is_nop_on_is_jump_and_back(machine: Machine) -> None:
    """`0f 1f 44 00 00`, then `e9 rel32` to the target of the jump table, then the NOP again."""
    (placement,) = machine.place(code_of(V1))
    jumps = [site.jump for site in placement.sites if site.key == KEYS[KEY]]
    assert jumps and all(jump[0] == 0xE9 for jump in jumps)
    before = placement.read("free_pages_prepare")
    assert set(bytes_at_sites(machine, placement)) == {NOP5}
    machine.keys.inc(KEY)
    assert bytes_at_sites(machine, placement) == jumps
    machine.keys.dec(KEY)
    assert placement.read("free_pages_prepare") == before


def test_only_the_first_and_the_last_reference_patch(machine: Machine) -> None:
    """static_key_slow_inc and _dec: 0 -> 1 and 1 -> 0 patch, other changes only count."""
    (placement,) = machine.place(code_of(V1))
    machine.keys.inc(KEY)
    machine.keys.inc(KEY)
    assert machine.memory.cpu[KEY] == 2
    machine.keys.dec(KEY)
    assert machine.keys.enabled(KEY)
    assert set(bytes_at_sites(machine, placement)) != {NOP5}
    machine.keys.dec(KEY)
    assert not machine.keys.enabled(KEY)
    assert set(bytes_at_sites(machine, placement)) == {NOP5}
    with pytest.raises(ValueError, match="more decrements"):
        machine.keys.dec(KEY)


def test_every_copy_follows_also_one_placed_later(machine: Machine) -> None:
    """A copy that is placed while the key is on starts with the jump."""
    early = machine.place(code_of(V1), (0, 20, 1236))
    machine.keys.inc(KEY)
    late = machine.place(code_of(V1), (8,))
    for placement in (*early, *late):
        jumps = [site.jump for site in placement.sites if site.key == KEYS[KEY]]
        assert bytes_at_sites(machine, placement) == jumps
    machine.keys.dec(KEY)
    for placement in (*early, *late):
        assert set(bytes_at_sites(machine, placement)) == {NOP5}


def test_code_is_never_writable(machine: Machine) -> None:
    """Its pages are r-x after placing and after every flip."""
    (placement,) = machine.place(code_of(V1))
    assert protection(placement.base) == "r-xp"
    machine.keys.inc(KEY)
    assert protection(placement.base) == "r-xp"
    machine.keys.dec(KEY)
    assert protection(placement.base) == "r-xp"


def protection(address: int) -> str:
    """Protection of the mapping that holds an address."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, flags = line.split()[:2]
        start, end = (int(part, 16) for part in span.split("-"))
        if start <= address < end:
            return flags
    raise AssertionError(f"{address:#x} is not mapped")


def test_the_key_decides_whether_a_charged_page_is_uncharged() -> None:
    """With the key off a charged page keeps its charge, and the check calls it bad."""
    kernel = Booted(V1, "on-charged")
    first, second = kernel.alloc_kmem_pages(), kernel.alloc_kmem_pages()
    assert first is not None and second is not None
    kernel.free_pages(first)
    assert kernel.machine.report() is None
    kernel.machine.keys.dec(KEY)
    kernel.free_pages(second)
    assert "still charged" in (kernel.machine.report() or "")


def test_the_tracepoint_has_a_key_of_its_own() -> None:
    """trace_mm_page_free counts frees while it is on, and only then."""
    kernel = Booted(V1, "on-idle")
    cpu = kernel.machine.memory.cpu
    for expected in (0, 1, 1):
        page = kernel.alloc_pages()
        assert page is not None
        kernel.free_pages(page)
        assert cpu["traced"] == expected
        if not expected:
            kernel.machine.keys.inc("trace_mm_page_free")
        elif kernel.machine.keys.enabled("trace_mm_page_free"):
            kernel.machine.keys.dec("trace_mm_page_free")


def test_many_flips_leave_no_site_behind() -> None:
    """Between calls every copy follows; beside a thread that runs the code every flip is refused.

    In a process of its own: what goes wrong here is a crash.
    """
    done = run("tests.key_flips", "5000", "1000")
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
    assert "5000 flips between calls" in done.stdout and "1000 refused" in done.stdout


def agrees(machine: Machine, placements: list[Placement], counts: dict[str, int]) -> None:
    """Every site, the counts and their copies in memory; and the pages are executable, not writable."""
    for name, count in counts.items():
        assert machine.keys.enabled(name) == (count > 0) and machine.memory.cpu[name] == count
        for placement in placements:
            jumps = [site.jump for site in placement.sites if site.key == KEYS[name]]
            assert bytes_at_sites(machine, placement, name) == (jumps if count else [NOP5] * len(jumps))
    assert {protection(placement.base) for placement in placements} == {"r-xp"}


def test_a_refused_flip_changes_nothing(machine: Machine) -> None:
    """Whichever machine's code the other thread runs, through whichever call; counting alone is no flip."""
    placements = machine.place(code_of(V1), (0, 20))
    inside, out = threading.Event(), threading.Event()

    def call(*_: int) -> int:
        inside.set()
        return int(out.wait(10))

    thread = threading.Thread(target=RUNNING.call, args=(call, 1))
    thread.start()
    inside.wait(10)
    with pytest.raises(KeysBusyError, match="change keys between calls"):
        machine.keys.inc(KEY)
    agrees(machine, placements, {KEY: 0})
    out.set()
    thread.join()
    machine.keys.inc(KEY)
    agrees(machine, placements, {KEY: 1})
    inside.clear()
    out.clear()
    thread = threading.Thread(target=RUNNING.call, args=(call, 1))
    thread.start()
    inside.wait(10)
    machine.keys.inc(KEY)
    with pytest.raises(KeysBusyError):
        machine.place(code_of(V1))  # the new copy would have to be patched
    machine.keys.dec(KEY)
    with pytest.raises(KeysBusyError):
        machine.keys.dec(KEY)
    out.set()
    thread.join()
    agrees(machine, placements, {KEY: 1})


def test_a_call_waits_for_a_change(machine: Machine) -> None:
    """And finds it complete."""
    (placement,) = machine.place(code_of(V1))
    began, ended = threading.Event(), threading.Event()
    seen: list[bool] = []

    class Slow:
        def patch(self, key: int, enabled: bool) -> None:
            thread.start()
            assert began.wait(10)
            assert not ended.wait(0.05)

    def look() -> int:
        seen.append(machine.keys.enabled(KEY))
        return 0

    def other() -> None:
        began.set()
        RUNNING.call(look)
        ended.set()

    thread = threading.Thread(target=other)
    machine.keys.register([Slow()])
    machine.keys.inc(KEY)
    thread.join()
    assert seen == [True] and ended.is_set()
    agrees(machine, [placement], {KEY: 1})


class Failing:
    """A follower that fails, always or once."""

    def __init__(self, error: BaseException, *, always: bool) -> None:
        self.error, self.always, self.failed = error, always, 0

    def patch(self, key: int, enabled: bool) -> None:
        """Raise."""
        self.failed += 1
        if self.always or self.failed == 1:
            raise self.error


@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("error", [RuntimeError(), MemoryError(), KeyboardInterrupt()], ids=repr)
def test_a_flip_that_fails_is_taken_back(machine: Machine, error: BaseException, always: bool) -> None:
    """In the copies that were patched already; later flips and calls are not affected."""
    placements = machine.place(code_of(V1), (0, 20))
    failing = Failing(error, always=always and isinstance(error, Exception))
    machine.keys.register([failing])
    placements += machine.place(code_of(V1), (8,))
    with pytest.raises(type(error)):
        machine.keys.inc(KEY)
    agrees(machine, placements, {KEY: 0})
    machine.activate()
    assert placements[0].function("ticks", 0)()
    failing.always, failing.failed = False, 1
    machine.keys.inc(KEY)
    agrees(machine, placements, {KEY: 1})
    failing.failed = 0
    with pytest.raises(type(error)):
        machine.keys.dec(KEY)
    agrees(machine, placements, {KEY: 1})


def failing_mprotect(monkeypatch: pytest.MonkeyPatch, fails: Callable[[int, int], bool]) -> None:
    """Let mprotect fail with ENOMEM where this says so of the call's number and the protection."""
    real, calls = region._libc.mprotect, iter(range(1 << 30))

    def mprotect(start: int, size: int, protection: int) -> int:
        if fails(next(calls), protection):
            ctypes.set_errno(12)
            return -1
        return int(real(start, size, protection))

    monkeypatch.setattr(region, "_libc", SimpleNamespace(mprotect=mprotect))


@pytest.mark.parametrize("number", range(6))
def test_a_page_that_cannot_be_changed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whichever of the calls to mprotect fails, once."""
    placements = machine.place(code_of(V1), (0, 20, 1236))
    with monkeypatch.context() as patch:
        failing_mprotect(patch, lambda call, _: call == number)
        with pytest.raises(OutOfMemoryError, match=r"Cannot allocate memory.*vm\.max_map_count"):
            machine.keys.inc(KEY)
    agrees(machine, placements, {KEY: 0})
    machine.keys.inc(KEY)
    agrees(machine, placements, {KEY: 1})


def test_code_that_cannot_be_made_executable_again_is_not_called(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would crash. Calls and flips are refused until it can."""
    placements = machine.place(code_of(V1), (0, 20))
    trampoline, ticks = Trampoline(), placements[0].function("ticks", 0)
    # First what would do no harm if it were called.
    ways = [(RUNNING.call, (int,)), (ticks, ()), (trampoline.call, (0, 0, placements[0].address("ticks")))]
    with monkeypatch.context() as patch:
        failing_mprotect(patch, lambda _, protection: protection == region.PROT_RX)
        with pytest.raises(OutOfMemoryError):
            machine.keys.inc(KEY)
        assert not machine.keys.enabled(KEY)
        for call, arguments in ways:
            with pytest.raises(CompileError, match="cannot be made executable again") as caught:
                call(*arguments)
            assert "\n" not in str(caught.value)
        with pytest.raises(FreepathError):
            machine.keys.inc(KEY)
    assert ticks() and not Region.torn
    agrees(machine, placements, {KEY: 0})


def test_interrupts_at_any_moment_leave_whole_flips(machine: Machine) -> None:
    """A signal's exception may come between any two steps of a patch."""
    placements = machine.place(code_of(V1), (0, 20))

    class Interrupt(BaseException):
        pass

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupt

    before, rng, hit = signal.signal(signal.SIGALRM, interrupt), Random(0), 0
    try:
        for _ in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 3e-4))
                while True:
                    machine.keys.inc(KEY)
                    machine.keys.dec(KEY)
            except Interrupt:
                hit += 1
            agrees(machine, placements, {KEY: int(machine.keys.enabled(KEY))})
            if machine.keys.enabled(KEY):
                machine.keys.dec(KEY)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert hit == 300


def test_a_function_keeps_its_code_in_memory() -> None:
    """Machine and copy may be gone; in a process of its own, for without its memory it would crash."""
    script = (
        "import gc\nfrom tests import test_static_keys as t\n"
        "functions = t.orphans()\ngc.collect()\nprint(all(function() > 0 for function in functions))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def orphans() -> list[Callable[[], int]]:
    """Functions of copies, and of a trampoline, that nobody else holds."""
    (placement, other) = Machine(1024, "on-idle").place(code_of(V1), (0, 20))
    ticks, call, start = placement.function("ticks", 0), Trampoline().call, other.address("ticks")
    kept = other.function("ticks", 0)
    gc.collect()
    return [ticks, kept, lambda: call(0, 8, start)]


SCRIPT = """
import sys
from pathlib import Path
from tests.booted import Booted
from model.kernels.v4_3.image import Image
from model.kernels.store import Store
from tests import compilers
compilers.install()
store = Store(Path(sys.argv[1]))
image = Image("v1", "jump-label", memcg=True)
print("cached" if not store.missing([image]) else "fresh")
kernel = Booted(image, "on-idle", store=store)
off = kernel.free_path.read("free_pages_prepare")
kernel.machine.keys.inc("memcg_kmem_enabled")
on = kernel.free_path.read("free_pages_prepare")
page = kernel.alloc_pages()
kernel.free_pages(page)
kernel.machine.keys.dec("memcg_kmem_enabled")
kernel.machine.check()
print(off.hex(), off != on, off == kernel.free_path.read("free_pages_prepare"), "numba" in sys.modules)
"""


def test_fresh_and_cached_processes_flip_the_same_code(tmp_path: Path) -> None:
    """Compiled in this run or loaded from disk: same bytes, same patches, and no Numba in the process."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "cache")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for _ in range(2)
    ]
    assert [run[0] for run in runs] == ["fresh", "cached"]
    assert runs[0][1] == runs[1][1]
    assert runs[1][1].split()[1:] == ["True", "True", "False"]
