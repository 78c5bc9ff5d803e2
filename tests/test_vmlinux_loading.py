"""A kernel in memory: relocated, patched as a booting kernel patches itself, its static keys set."""

import struct
from typing import Final

import numpy as np
import pytest

from model.common.errors import KernelFileError, UsageError
from model.vmlinux.boot import Boot, Cpu, as_booted, parse
from model.vmlinux.elf import LINK_BASE
from model.vmlinux.loading import DEFAULT_BASE, LoadedKernel, load
from model.vmlinux.patches import Nops
from model.vmlinux.reading import read_bytes
from model.vmlinux.relocation import WORDS_32, relocate
from tests.small_kernel import FUNCTIONS, NOP_5, PER_CPU, SITES, TEXT, Small, kernel

DELTA: Final = DEFAULT_BASE - LINK_BASE
INTEL: Final = Cpu(frozenset({"fpu", "ibrs_enhanced"}), frozenset({"spectre_v2"}), "GenuineIntel", 6)
ZEN_4: Final = Cpu(
    frozenset({"fpu", "vme", "la57", "hypervisor"}), frozenset({"spectre_v2", "srso"}), "AuthenticAMD", 0x19
)


def loaded(boot: str = "", cpu: Cpu = INTEL, small: Small | None = None) -> LoadedKernel:
    """The small kernel, loaded."""
    read = read_bytes(kernel(small), "0" * 64)
    return load(read, as_booted(read, boot, cpu))


def code(of: LoadedKernel, site: str, size: int = 5) -> bytes:
    """Bytes at a site."""
    return of.memory.read(SITES[site] + DELTA, size)


def branch(opcode: int, site: str, target: int) -> bytes:
    """A call or a jump from a site."""
    return struct.pack("<Bi", opcode, target - SITES[site] - 5)


@pytest.mark.parametrize("flagged", [False, True])
def test_every_kind_of_patch(flagged: bool) -> None:
    """Each site holds what a booted kernel has there, on a CPU with the one feature that is asked for."""
    here = loaded(small=Small(flagged=flagged))
    assert code(here, "fentry") == NOP_5
    assert code(here, "static_call") == branch(0xE8, "static_call", FUNCTIONS["hook"])
    assert code(here, "tail") == b"\xc3" + b"\xcc" * 4  # a tail call of nothing returns
    assert code(here, "alternative") == branch(0xE8, "alternative", FUNCTIONS["target"])
    assert code(here, "static_cpu_has") == branch(0xE9, "static_cpu_has", TEXT + 0x780)
    assert code(here, "indirect") == b"\xff\xd1" + b"\x0f\x1f\x00"  # call *%rcx
    assert code(here, "indirect_r10", 6) == b"\x41\xff\xd2" + b"\x0f\x1f\x00"
    nops = b"\x0f\x1f\x84" + bytes(5)
    assert code(here, "padding", 19) == nops + nops + b"\x0f\x1f\x00"
    assert code(here, "return") == b"\xc3" + b"\xcc" * 4
    assert code(here, "endbr") == bytes.fromhex("0f1f40d6c3")
    kinds = {
        "fentry call": 1,
        "static call": 2,
        "alternative": 3,
        "indirect call": 2,
        "return": 1,
        "endbr": 1,
    }
    assert here.patches.counts() == kinds


def test_another_cpu() -> None:
    """With retpolines, a return thunk, and both features: the last alternative that applies stands."""
    here = loaded("retpoline=on", ZEN_4)
    assert code(here, "indirect") == branch(0xE8, "indirect", FUNCTIONS["__x86_indirect_thunk_array"] + 32)
    assert code(here, "return") == branch(0xE9, "return", FUNCTIONS["srso_alias_return_thunk"])
    assert code(here, "tail") == branch(0xE9, "tail", FUNCTIONS["srso_alias_return_thunk"])
    assert code(here, "static_cpu_has") == NOP_5
    assert code(here, "padding") == branch(0xE8, "padding", FUNCTIONS["target"])


def test_what_was_patched_has_a_name() -> None:
    """By address, in order, with what a reader would want to know of each."""
    here = loaded(cpu=ZEN_4)
    found = here.patches.within(SITES["fentry"] + DELTA, SITES["endbr"] + DELTA)
    assert [(each.address - DELTA, each.kind, each.what) for each in found] == [
        (SITES["fentry"], "fentry call", "nop"),
        (SITES["static_call"], "static call", "hook"),
        (SITES["alternative"], "alternative", "fpu"),
        (SITES["static_cpu_has"], "alternative", "vme"),
        (SITES["padding"], "alternative", "vme"),
        (SITES["return"], "return", "srso_alias_return_thunk"),
    ]
    assert here.patches.at(SITES["label"] + DELTA) is None


def test_every_address_moves() -> None:
    """64-bit words, 32-bit words, and nothing else: the rest of the data is as in the file."""
    here, there = loaded(), read_bytes(kernel(), "0" * 64)
    symbol = there.symbols.one
    names = here.memory.u64(symbol("x86_cap_flags") + DELTA)
    assert here.memory.text(names) == "fpu"
    last = here.memory.read(FUNCTIONS["_text"] + DELTA + 0x40000 + 0x10000 - 4 - 0x1000000 + 0x1000000, 4)
    assert struct.unpack("<I", last)[0] == TEXT + DELTA
    assert here.name(FUNCTIONS["hook"] + DELTA + 3).name == "hook"  # type: ignore[union-attr]
    assert here.name(0x1000) is None


@pytest.mark.parametrize(("each", "good"), [(128, True), (64, False)])
def test_relocations_that_lead_to_other_words(each: int, good: bool) -> None:
    """One in a hundred may be no address in the kernel: code that runs before paging has physical ones."""
    read = read_bytes(kernel(), "0" * 64)
    memory, places = read.memory(), read.relocations[WORDS_32]
    stray = places[::each] - (memory.start - (1 << 64))
    memory.set_words(stray, np.full(len(stray), 0x100_0000, "<u4"))
    if good:
        relocate(memory, read.relocations, DELTA)
        assert set(memory.words_at(stray, "<u4").tolist()) == {(0x100_0000 + DELTA) & 0xFFFFFFFF}
        return
    with pytest.raises(KernelFileError, match="are no addresses in it"):
        relocate(memory, read.relocations, DELTA)


@pytest.mark.parametrize("at_zero", [False, True])
def test_per_cpu_variables(at_zero: bool) -> None:
    """Both forms: linked at 0, and at an address of their own."""
    here = loaded(small=Small(per_cpu_at_zero=at_zero))
    area = here.per_cpu
    assert (area.template, area.size) == (PER_CPU + DELTA, 64)
    assert here.memory.u64(area.template + 8) == 0x1234
    copy = 0x7000_0000
    assert here.per_cpu_address("__preempt_count", copy) == copy + 8
    linked = here.kernel.symbols.one("__preempt_count")
    # The code adds to the base what it was relocated to.
    assert area.gs_base(copy) + (linked if at_zero else linked + DELTA) == copy + 8


def test_static_keys() -> None:
    """A key's value and all its sites change together, to and fro."""
    here = loaded("memcg=off")
    key, plain = here.key("memcg_kmem_online_key"), bytes(here.memory.data)
    assert code(here, "label") == NOP_5 and not here.key_is_on(key)
    (label,) = here.set_key(key, True)
    assert here.key_is_on(key) and here.labels_of(key) == (label,)
    assert code(here, "label") == branch(0xE9, "label", FUNCTIONS["target"])
    here.set_key(key, False)
    assert bytes(here.memory.data) == plain
    labels = here.labels_in(SITES["fentry"] + DELTA, SITES["endbr"] + DELTA)
    assert [(each.code - DELTA, each.size) for each in labels] == [
        (SITES["label"], 5),
        (SITES["short_label"], 2),
        (SITES["init_label"], 5),
        (SITES["check_label"], 5),
    ]
    with pytest.raises(KernelFileError, match="no static key hook"):
        here.key("hook")


def test_short_labels_and_inverse_ones() -> None:
    """A label of two bytes whose key, when it is on, does not jump."""
    on, off = loaded("deferred_pages=on"), loaded()
    assert code(on, "short_label", 2) == b"\x66\x90"
    assert code(off, "short_label", 2) == b"\xeb\x04"


def test_another_base() -> None:
    """Anywhere below 2 GiB."""
    read = read_bytes(kernel(), "0" * 64)
    boot = as_booted(read, "", INTEL)
    here = load(read, boot, 0x1000_0000)
    assert here.symbol("hook") == FUNCTIONS["hook"] - LINK_BASE + 0x1000_0000
    with pytest.raises(KernelFileError, match="below 2 GiB"):
        load(read, boot, 0x7F00_0000)


def test_long_nops_are_jumped_over_in_newer_kernels() -> None:
    """What is longer than the longest NOP, where that has more than eight bytes."""
    assert Nops().fill(19) == (b"\x0f\x1f\x84" + bytes(5)) * 2 + b"\x0f\x1f\x00"
    from model.vmlinux.memory import Memory

    texts = [bytes([size]) * size for size in range(12)]
    table = b"".join(struct.pack("<Q", 0x1000 + 96 + sum(range(size))) for size in range(12))
    nops = Nops(Memory(0x1000, bytearray(table + b"".join(texts))), 0x1000, 12)
    assert nops.fill(11) == bytes([11]) * 11
    assert nops.fill(19) == b"\xeb\x11" + b"\xcc" * 17
    assert nops.fill(200) == b"\xe9" + struct.pack("<i", 195) + b"\xcc" * 195


def boot(changes: str, cpu: Cpu = INTEL) -> Boot:
    """As the small kernel boots."""
    return as_booted(read_bytes(kernel(), "0" * 64), changes, cpu)


@pytest.mark.parametrize(
    ("cpu", "words"),
    [
        (INTEL, "guest=no,memcg=on,retpoline=off,thunk=none"),
        (ZEN_4, "guest=yes,memcg=on,retpoline=on,thunk=srso-alias"),
        (Cpu(frozenset(), frozenset({"its"}), "GenuineIntel", 6), "thunk=none"),  # has no such thunk
        (Cpu(frozenset(), frozenset({"retbleed"}), "AuthenticAMD", 0x17), "thunk=retbleed"),
        (Cpu(frozenset(), frozenset(), "AuthenticAMD", 0x1A), "thunk=none"),
        (Cpu(frozenset(), frozenset({"retbleed"}), "GenuineIntel", 6), "thunk=none"),
    ],
)
def test_what_is_assumed(cpu: Cpu, words: str) -> None:
    """Of the CPU and of the file, and it prints as it is asked for."""
    found = boot("", cpu)
    assert words in str(found)
    assert str(boot(str(found), cpu)) == str(found)
    assert found.flags == cpu.flags - {"la57"}
    by_name = {each.name: each for each in found.assumptions}
    assert by_name["check_pages"].value == "on" and by_name["check_pages"].source == "read from the file"
    assert "init_on_alloc" in by_name["check_pages"].why
    assert by_name["deferred_pages"].value == "off"
    assert "hvo" not in by_name  # this kernel has no such key
    assert all(each.why for each in found.assumptions)


def test_what_is_changed() -> None:
    """Each by its name, any other static key by its symbol."""
    found = boot("check_pages=off, guest=yes,init_on_alloc=off")
    assert found.keys == {
        "check_pages_enabled": False,
        "deferred_pages": False,
        "memcg_kmem_online_key": True,
        "init_on_alloc": False,
    }
    assert found.guest and "hypervisor" in found.flags
    assert {each.name for each in found.assumptions if each.source == "asked for"} == {
        "check_pages",
        "guest",
        "init_on_alloc",
    }
    assert parse("") == {}
    assert str(boot("check_pages_enabled=off")) == str(boot("check_pages=off"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ("check_pages", "write NAME=VALUE"),
        ("check_pages=", "write NAME=VALUE"),
        ("=on", "write NAME=VALUE"),
        ("memcg=on,memcg=off", "says memcg twice"),
        ("memcg=on,memcg_kmem_online_key=off", "says memcg twice"),
        ("memcg=yes", "memcg is one of on, off"),
        ("guest=on", "guest is one of yes, no"),
        ("thunk=fast", "thunk is one of none, retbleed"),
        ("thunk=its", "has no its_return_thunk"),
        ("hvo=on", "no static key hugetlb_optimize_vmemmap_key"),
        ("hook=on", "no static key hook"),
        ("nonsense=on", "there are check_pages"),
    ],
)
def test_changes_that_are_not_understood(changes: str, words: str) -> None:
    """One line, which names what there is."""
    with pytest.raises(UsageError, match="--boot") as caught:
        boot(changes)
    assert words in str(caught.value) and "\n" not in str(caught.value)
