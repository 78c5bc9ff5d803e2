"""No time is believed for the wrong machine code: what each image must and must not contain."""

import difflib

import capstone
import pytest

from benchmarks.cases import case_of
from model.kernels.v4_3.image import Image
from model.kernels.v4_3.keys import KEYS
from model.kernels.v4_3.page import LRU, STRUCT_PAGE
from model.kernels.v4_3.scenarios import SCENARIOS
from model.kernels.v4_3.variants import VARIANTS
from model.machine_code.x86 import NOP5
from tests.code import Memory, code_of, disassemble, memory_operands, text
from tests.images import images

MAPCOUNT = STRUCT_PAGE.fields["_mapcount"][1]  # type: ignore[index]
BASE = Image("base", "none", memcg=True)
BASE_OFF = Image("base", "none", memcg=False)
V1 = Image("v1", "jump-label", memcg=True)
PREPARE = "free_pages_prepare"
FOUND = {
    image
    for s in SCENARIOS
    if s.memory == "warm"
    for image in case_of(s).images()
    if isinstance(image, Image)
}
COMPILED = set(images(every=False))
IMAGES = [
    pytest.param(
        image,
        marks=[pytest.mark.reliability] * (image.checks != "on" or image not in COMPILED),
        id=image.name,
    )
    for image in sorted(FOUND, key=lambda image: image.name)
]
"""Without the checks on, or with them deferred, an image has less code and no other. Of every variant and of
every gate there is an image that other tests need, too."""


def mapcount(image: Image, *, written: bool) -> int:
    """Loads or stores of `_mapcount` in free_pages_prepare."""
    return memory_operands(image, PREPARE).count(Memory(MAPCOUNT, 4, written))


@pytest.mark.parametrize("image", IMAGES)
def test_general_registers_and_direct_calls_only(image: Image) -> None:
    """The kernel has no vector code on this path and calls directly; Python left no trace."""
    starts = {start for start, _ in code_of(image).functions.values()}
    for function in code_of(image).functions:
        for instruction in disassemble(image, function):
            names = [instruction.reg_name(r) for registers in instruction.regs_access() for r in registers]
            assert not any(name.startswith(("xmm", "ymm", "zmm", "st(", "mm")) for name in names), instruction
            if instruction.group(capstone.CS_GRP_CALL):
                assert instruction.operands[0].type == capstone.x86.X86_OP_IMM, instruction
                assert instruction.operands[0].imm in starts, instruction
            if instruction.group(capstone.CS_GRP_JUMP):
                assert instruction.operands[0].type == capstone.x86.X86_OP_IMM, "jump through a register"


@pytest.mark.parametrize("image", [BASE, V1, BASE_OFF], ids=lambda image: image.name)
def test_four_real_calls_per_page(image: Image) -> None:
    """A page passes the kernel's functions; none was inlined into the loop."""
    called = {
        i.operands[0].imm
        for name in ("time_free_pages", "__free_pages", "free_hot_cold_page")
        for i in disassemble(image, name)
        if i.operands and i.operands[0].type == capstone.x86.X86_OP_IMM
    }
    for name in ("__free_pages", "free_hot_cold_page", PREPARE, "get_pfnblock_flags_mask"):
        assert code_of(image).functions[name][0] in called, name


def test_the_refcount_drop_is_one_locked_decrement() -> None:
    """A plain decrement would make the path, and the test's share of it, something else."""
    locked = [line for line in text(BASE, "__free_pages") if line.startswith("lock")]
    assert locked == ["lock dec dword ptr [rdi + 0x1c]"]


def test_v1_loads_mapcount_once_more_and_stores_once() -> None:
    """LLVM may merge plain loads of one address; the kernel's are volatile."""
    assert mapcount(V1, written=False) == mapcount(BASE, written=False) + 1
    assert mapcount(V1, written=True) == mapcount(BASE, written=True) + 1


def test_v1_keeps_its_branch() -> None:
    """The store stays behind a branch: load, comparison with -512, conditional jump."""
    lines = text(V1, PREPARE)
    at = next(i for i, line in enumerate(lines) if line.startswith("cmp") and line.endswith("0xfffffe00"))
    assert lines[at - 1].startswith("mov") and lines[at - 1].endswith("dword ptr [rdi + 0x18]")
    assert lines[at + 1] in ("jne", "je")


def test_v1_compiled_without_memcg_still_tests() -> None:
    """The reviewer's point: a kernel without memcg pays as well."""
    off = Image("v1", "none", memcg=False)
    assert mapcount(off, written=False) == mapcount(BASE_OFF, written=False) + 1
    assert text(off, PREPARE) != text(BASE_OFF, PREPARE)


@pytest.mark.parametrize("variant", ["v1-ifdef", "keyfirst", "memcg-data", "base-twin"])
def test_compiled_out_means_identical(variant: str) -> None:
    """Under CONFIG_MEMCG_KMEM=n these are base, byte for byte."""
    assert code_of(Image(variant, "none", memcg=False)).code == code_of(BASE_OFF).code


def test_the_twin_is_the_same_code() -> None:
    """The noise floor compares equal bytes."""
    assert code_of(Image("base-twin", "none", memcg=True)).code == code_of(BASE).code


@pytest.mark.parametrize("variant", ["v1", "keyfirst", "memcg-data"])
def test_the_jump_label_is_a_nop_in_the_code(variant: str) -> None:
    """Each site of each key holds the 5-byte NOP, and its target lies in the image."""
    code = code_of(Image(variant, "jump-label", memcg=True))
    assert {site.key for site in code.sites} == set(KEYS.values())
    for site in code.sites:
        assert code.code[site.code : site.code + 5] == NOP5
        assert 0 <= site.target < len(code.code)


@pytest.mark.parametrize("variant", ["v1", "keyfirst", "memcg-data"])
def test_the_memory_flag_is_no_jump_label(variant: str) -> None:
    """CONFIG_JUMP_LABEL=n: the key is loaded; only the tracepoint keeps its site."""
    code = code_of(Image(variant, "memory-flag", memcg=True))
    assert {site.key for site in code.sites} == {KEYS["trace_mm_page_free"]}


def test_keyfirst_asks_the_key_before_the_page() -> None:
    """With the key off the NOP falls through to the check: no access to `_mapcount` in between."""
    image = Image("keyfirst", "jump-label", memcg=True)
    (site,) = [s for s in code_of(image).sites if s.key == KEYS["memcg_kmem_enabled"]]
    before = [i for i in disassemble(image, PREPARE) if i.address < site.code]
    assert not any(f"+ {MAPCOUNT:#x}]" in i.op_str for i in before)
    assert mapcount(image, written=False) == mapcount(BASE, written=False) + 1, "out of line, behind the key"


@pytest.mark.parametrize(
    ("variant", "added"),
    [
        ("nop", ["nop dword ptr [rax + rax]"]),
        ("load", ["mov edx, dword ptr [rdi + 0x18]"]),
        ("load-compare", ["mov edx, dword ptr [rdi + 0x18]", "cmp edx, 0xfffffe00", "je"]),
        (
            "load-compare-store",
            [
                "mov edx, dword ptr [rdi + 0x18]",
                "cmp edx, -1",
                "jne",
                "mov dword ptr [rdi + 0x18], 0xffffffff",
            ],
        ),
    ],
)
@pytest.mark.parametrize("memcg", [True, False])
def test_exact_arms_insert_and_change_nothing_else(variant: str, added: list[str], memcg: bool) -> None:
    """Alignment padding aside, removing what was inserted gives base's instructions, in every function."""
    image, base = Image(variant, "none", memcg=memcg), Image("base", "none", memcg=memcg)
    assert VARIANTS[variant].exact
    for function in code_of(base).functions:
        inserted, reference = (text(i, function, padding=False) for i in (image, base))
        difference = [line for line in difflib.ndiff(reference, inserted) if line[0] in "+-"]
        assert difference == ([f"+ {line}" for line in added] if function == PREPARE else []), function


def test_deferred_checks_move_to_the_drain() -> None:
    """Since v4.7 the free itself reads no `_mapcount`; the drain does, by way of the page's `lru`."""
    deferred = Image("base", "none", memcg=True, checks="deferred")
    assert mapcount(deferred, written=False) == 0
    assert mapcount(BASE, written=False) > 0
    from_lru = Memory(MAPCOUNT - LRU, 4, written=False)
    drains = [memory_operands(image, "free_pcppages_bulk").count(from_lru) for image in (deferred, BASE)]
    assert drains == [1, 0]


def test_debug_build_asserts_and_the_usual_one_does_not() -> None:
    """VM_BUG_ON_PAGE is code only with CONFIG_DEBUG_VM."""
    debug = Image("v1", "jump-label", memcg=True, debug=True)
    assert "vm_bug" in code_of(debug).functions
    assert "vm_bug" not in code_of(V1).functions
    assert len(text(debug, PREPARE)) > len(text(V1, PREPARE))


@pytest.mark.soak
@pytest.mark.parametrize("cpu", ["x86-64", "x86-64-v3"])
@pytest.mark.parametrize("image", [V1, Image("keyfirst", "jump-label", memcg=True, checks="deferred")])
def test_marked_assembly_gives_what_llvm_emits_directly(image: Image, cpu: str) -> None:
    """The way over marked assembly finds the places for builds; it moves not one byte of what is counted."""
    from model.compiler.emit import assemble, assembly, gather, link_ir, optimised
    from model.compiler.insertion_points import mark
    from model.compiler.object_file import read_object
    from model.kernels.v4_3.source.link import link
    from model.kernels.v4_3.source.linkage import LINKAGE

    entries = link(image)
    functions = gather(LINKAGE, entries)
    marked, _ = mark(assembly(link_ir(LINKAGE, functions), entries, cpu))
    through = read_object(assemble(marked, cpu))
    module = link_ir(LINKAGE, functions)
    direct = read_object(bytes(optimised(module, entries, cpu).emit_object(module)))
    assert through.pop("marks") and not direct.pop("marks")
    assert through == direct and direct["jump_table"]
