"""Real kernels of a distribution: read right, by everything that can be said twice."""

import random
from functools import cache
from pathlib import Path
from typing import Final

import capstone
import numpy as np
import pytest

from model.common.errors import KernelFileError
from model.vmlinux.boot import Cpu, as_booted
from model.vmlinux.elf import LINK_BASE
from model.vmlinux.kernel_file import KernelFile
from model.vmlinux.loading import LoadedKernel, load
from model.vmlinux.reading import read, read_bytes
from model.vmlinux.tables import wrong_labels
from tests.kernels import parameters

REAL: Final = pytest.mark.parametrize("path", parameters(every=True))
CPU: Final = Cpu(frozenset({"fpu", "fsrm", "erms"}), frozenset(), "GenuineIntel", 6)
PATH: Final = ("__free_pages", "__folio_put|__put_page", "free_unref_folios|free_unref_page_list")
FIELDS: Final = (
    "struct page.flags",
    "struct page._refcount.counter",
    "struct page.lru.next|struct page.pcp_list.next",
    "struct page.compound_head|struct page.compound_info",
    "struct page.memcg_data",
    "struct zone.per_cpu_pageset",
    "struct zone.free_area[3].nr_free",
    "struct per_cpu_pages.lists[11].next",
    "struct pglist_data.node_zones[1].name",
    "struct mem_section.section_mem_map",
)


@cache
def kernel(path: Path) -> KernelFile:
    """Read once for all tests."""
    return read(path)


@cache
def booted(path: Path) -> LoadedKernel:
    """Loaded once for the tests that change nothing."""
    return load(kernel(path), as_booted(kernel(path), "thunk=none", CPU))


@REAL
def test_symbols_and_banner(path: Path) -> None:
    """The file's name, its banner and its symbols agree."""
    found = kernel(path)
    assert found.release in path.name
    assert found.symbols.one("_text") == found.layout.sections[".text"].address
    assert len(found.symbols) > 50_000
    for names in PATH:
        assert LINK_BASE < found.symbols.one(*names.split("|")) < LINK_BASE + (1 << 30)
    assert found.origin.checksum == ("crc32" if found.version < (6, 15) else found.origin.compression)


@REAL
def test_structures(path: Path) -> None:
    """Every field that the free path touches; structures have the sizes that everybody knows."""
    found = kernel(path)
    found.btf.require(*FIELDS)
    assert found.btf.size("struct page") == 64
    assert found.btf.size("struct list_head") == 16
    assert found.btf.name_at("struct page", found.btf.offset("struct page", "_refcount.counter"), 4)


@REAL
def test_every_jump_label(path: Path) -> None:
    """In the file each is in the state that its key asks for, and after booting, too."""
    found, here = kernel(path), booted(path)
    assert len(found.labels) > 5_000 and not len(wrong_labels(found.image, found.labels))
    assert not len(wrong_labels(here.memory, here.labels))
    flipped = load(found, as_booted(found, "thunk=none,memcg=off", CPU))
    key = flipped.key("memcg_kmem_online_key", "memcg_kmem_enabled_key")
    assert not flipped.key_is_on(key) and booted(path).key_is_on(key)
    flipped.set_key(key, True)
    assert flipped.memory == here.memory


@REAL
def test_the_feature_of_every_cpu(path: Path) -> None:
    """Read from the file: cpufeatures.h gives it this number since v4.4."""
    features = booted(path).features
    assert features.always == 3 * 32 + 21
    assert features.retpoline == 11 * 32 + 12
    assert features.names[0] == "fpu" and features.name(16 * 32 + 16) == "la57"


@REAL
def test_what_a_booted_function_has(path: Path) -> None:
    """No call of the tracer, no jump to the return thunk, no retpoline is left in the path's functions."""
    here = booted(path)
    refused = {here.symbol("__fentry__"), here.symbol("__x86_return_thunk")}
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    for names in PATH:
        start = here.symbol(*names.split("|"))
        function = here.name(start)
        assert function is not None and function.start == start
        code = here.memory.read(start, function.end - start)
        decoded = list(decoder.disasm(code, start))
        targets = {int(each.op_str, 0) for each in decoded if each.op_str.startswith("0x")}
        assert not targets & refused
        kinds = {each.kind for each in here.patches.within(start, function.end)}
        assert "fentry call" in kinds and "indirect call" not in kinds


@REAL
def test_every_relocated_pointer_leads_somewhere(path: Path) -> None:
    """Words of 64 bits that led into the kernel lead to the same place of it; per-CPU data too."""
    found, here = kernel(path), booted(path)
    places = found.relocations["64"] - (found.image.start - (1 << 64))
    before, after = (memory.words_at(places, "<u8") for memory in (found.image, here.memory))
    moved = after - before == np.uint64(here.delta % (1 << 64))
    assert moved.mean() > 0.9  # the rest was patched: keys, and code that holds addresses
    assert here.per_cpu.size > 100_000
    assert here.memory.holds(here.per_cpu.template, here.per_cpu.size)
    assert found.symbols.one("__per_cpu_end") - found.symbols.one("__per_cpu_start") == here.per_cpu.size


@REAL
def test_a_damaged_kernel_is_refused(path: Path) -> None:
    """A flipped bit of the payload, a file that is cut off."""
    whole, draw = path.read_bytes(), random.Random(path.name)
    for _ in range(3):
        raw = bytearray(whole)
        raw[draw.randrange(len(whole) // 4, len(whole) // 2)] ^= 1 << draw.randrange(8)
        with pytest.raises(KernelFileError, match="damaged"):
            read_bytes(bytes(raw), "0" * 64)
    with pytest.raises(KernelFileError, match="cut off"):
        read_bytes(whole[: len(whole) // 2], "0" * 64)
