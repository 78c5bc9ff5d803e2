"""Jump labels: real patches of running code, reference counted, in every copy, never writable meanwhile."""

import subprocess
import sys
from pathlib import Path

import pytest

from model.booted import Booted
from model.image import Image
from model.keys import KEYS, NOP5
from model.machine import Machine
from model.text import Placement
from tests.code import code_of

V1 = Image("v1", "jump-label", memcg=True)
KEY = "memcg_kmem_enabled"
ROOT = Path(__file__).parent.parent


@pytest.fixture
def machine() -> Machine:
    """Key off."""
    return Machine(1024, "on-idle")


def bytes_at_sites(machine: Machine, placement: Placement, key: str = KEY) -> list[bytes]:
    """The five bytes of each of the key's sites as they stand in memory."""
    start = placement.read(next(iter(placement.code.functions)))  # the copy is alive
    assert start
    import ctypes

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


SCRIPT = """
import sys
from pathlib import Path
from model.booted import Booted
from model.image import Image
from model.store import Store
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
