"""Builds: the image's own instructions in its own order, with NOPs between them, at every phase and place."""

import ctypes
from itertools import pairwise

import capstone
import numpy as np
import pytest
from capstone import x86
from hypothesis import given
from hypothesis import strategies as st

from model.kernels.v4_3.image import Image
from model.kernels.v4_3.keys import KEYS
from model.machine_code.builds import NOPS, Builds, Plan
from model.machine_code.image import LINE, Code
from model.machine_code.placement import STACK_PLACES, STACK_STEP, Trampoline
from model.machine_code.region import Region
from model.machine_code.x86 import NOP5
from tests.code import code_of, lay_out

ENTRY = "time_free_pages"
IMAGES = [
    Image("base", "none", memcg=True),
    Image("v1", "jump-label", memcg=True),
    Image("v1-series", "memory-flag", memcg=True),
    Image("keyfirst", "jump-label", memcg=True, checks="deferred"),
    Image("load-compare", "none", memcg=False),
    Image("load-compare-store", "none", memcg=True),
]
DECODER = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
DECODER.detail = True


def plan(seed: int, phases: list[int], share: float = 0.15) -> Plan:
    """Builds of these phases, each at a place of its own."""
    rng = np.random.default_rng(seed)
    seeds = rng.integers(0, 2**63, len(phases)).astype(np.uint64)
    return Plan(np.array(phases), seeds, 4 * rng.integers(0, 16, len(phases)), share)


def follow(read: bytes, base: int, entry: int) -> list[tuple[str, int]]:
    """Every instruction that can be reached, in the order of a walk, and where it lies, without padding.

    A jump is followed where it leads only after the straight way, so two codes that differ in NOPs and in
    the length of jumps give the same walk.
    """
    seen: set[int] = set()
    wanted, walk = [entry], []
    while wanted:
        at = wanted.pop()
        while at not in seen:
            seen.add(at)
            (instruction,) = DECODER.disasm(read[at - base : at - base + 15], at, 1)
            leads = instruction.group(capstone.CS_GRP_JUMP) or instruction.group(capstone.CS_GRP_CALL)
            if leads and instruction.operands[0].type == x86.X86_OP_IMM:
                walk.append((instruction.mnemonic, at))
                wanted.append(instruction.operands[0].imm)
                if instruction.mnemonic == "jmp":
                    break
            elif instruction.bytes not in NOPS[1:] or instruction.bytes == NOP5:
                walk.append((f"{instruction.mnemonic} {instruction.op_str}", at))
            if instruction.group(capstone.CS_GRP_RET):
                break
            at = instruction.address + instruction.size
    return walk


def names(walk: list[tuple[str, int]]) -> list[str]:
    """The instructions without their places; five-byte NOPs may be a jump label or padding."""
    return [name for name, _ in walk if not name.startswith("nop")]


def original(code: Code) -> list[str]:
    """The image's own walk."""
    return names(follow(code.code + bytes(16), 0, code.functions[ENTRY][0]))


def walks(builds: Builds) -> list[list[tuple[str, int]]]:
    """Each build's walk, from the memory it lies in."""
    memory = builds._region.bytes().tobytes() + bytes(16)
    return [follow(memory, builds._region.start, int(address)) for address in builds.addresses]


@given(st.sampled_from(IMAGES), st.integers(0, 2**31), st.lists(st.integers(0, 24), min_size=1, max_size=4))
def test_a_build_is_the_image_with_nops(image: Image, seed: int, phases: list[int]) -> None:
    """Whatever is drawn: the same instructions, and every branch leads to the same one."""
    code = code_of(image)
    builds = Builds(code, ENTRY, plan(seed, phases), np.random.default_rng(seed), lay_out())
    for walk in walks(builds):
        assert names(walk) == original(code)


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_short_jumps_become_long_where_they_must(share: float) -> None:
    """With NOPs nearly everywhere many jumps no longer reach; without any none changes."""
    code = code_of(IMAGES[1])
    builds = Builds(code, ENTRY, plan(3, [0, 24], share), np.random.default_rng(3), lay_out())
    for walk in walks(builds):
        assert names(walk) == original(code)


def test_the_phase_is_so_many_nops_at_the_entry() -> None:
    """One byte each, in front of the first instruction of the function that holds the patch point."""
    code = code_of(IMAGES[0])
    first = code.code[code.functions[code.spec.patched][0] :][:12]
    phases = [0, 7, 24]
    builds = Builds(code, ENTRY, plan(1, phases, 0.0), np.random.default_rng(1), lay_out())
    start, memory = builds._region.start, builds._region.bytes().tobytes()
    for phase, walk in zip(phases, walks(builds), strict=True):
        called = {
            instruction.operands[0].imm
            for name, at in walk
            if name == "call"
            for instruction in DECODER.disasm(memory[at - start : at - start + 5], at)
        }
        assert any(memory[at - start :].startswith(NOPS[1] * phase + first) for at in called)


def test_base_and_an_exact_arm_have_the_same_nops() -> None:
    """Taking the inserted instructions out of the arm gives base, NOPs and their lengths included."""
    listings = []
    for image in (IMAGES[0], Image("load", "none", memcg=True)):
        builds = Builds(code_of(image), ENTRY, plan(5, [3]), np.random.default_rng(5), lay_out())
        memory = builds._region.bytes().tobytes()
        walk = walks(builds)[0]
        places = sorted(at for _, at in walk)
        sizes = [b - a for a, b in pairwise(places)]
        text = [name for name, _ in sorted(walk, key=lambda pair: pair[1])]
        listings.append((text, sizes, memory))
    base, load = listings
    inserted = next(i for i, (a, b) in enumerate(zip(*(x[0] for x in listings), strict=False)) if a != b)
    assert load[0][inserted] == "mov edx, dword ptr [rdi + 0x18]"
    assert load[0][:inserted] + load[0][inserted + 1 :] == base[0]
    behind = base[1][inserted - 1 : inserted + 20]
    assert load[1][inserted - 1] + load[1][inserted] - 3 == behind[0]
    assert load[1][inserted + 1 : inserted + 21] == behind[1:]


def test_the_same_seed_gives_the_same_build_and_another_seed_another() -> None:
    """So that a run can be repeated; and two builds differ."""
    code = code_of(IMAGES[0])

    def made(seed: int) -> bytes:
        builds = Builds(code, ENTRY, plan(seed, [3, 3]), np.random.default_rng(0), lay_out())
        return builds._region.bytes().tobytes()

    assert made(1) == made(1) != made(2)


def test_builds_lie_where_they_are_told() -> None:
    """At the offsets of the plan, from a line's start; functions keep their alignment to 16 from there."""
    asked = plan(2, list(range(16)))
    code = code_of(IMAGES[0])
    builds = Builds(code, ENTRY, asked, np.random.default_rng(2), lay_out())
    assert ((builds.addresses - asked.offsets) % 16 == 0).all()
    assert len(set((builds.addresses - asked.offsets) // LINE)) == 16


def test_every_build_follows_the_key() -> None:
    """NOP5 becomes a jump to the jump table's target in each build, and back."""
    code = code_of(IMAGES[1])
    builds = Builds(code, ENTRY, plan(4, [0, 5, 11]), np.random.default_rng(4), lay_out())
    before = builds._region.bytes().tobytes()
    off = [[at for name, at in walk if name == "nop dword ptr [rax + rax]"] for walk in walks(builds)]
    builds.patch(KEYS["memcg_kmem_enabled"], True)
    on = builds._region.bytes().tobytes()
    for nops, walk in zip(off, walks(builds), strict=True):
        jumps = {at for name, at in walk if name == "jmp"} & set(nops)
        assert len(jumps) == sum(site.key == KEYS["memcg_kmem_enabled"] for site in code.sites)
    assert on != before
    patched = bytearray(code.code + bytes(16))
    for site in code.sites:
        if site.key == KEYS["memcg_kmem_enabled"]:
            patched[site.code : site.code + 5] = site.jump
    way = names(follow(bytes(patched), 0, code.functions[ENTRY][0]))
    assert way != original(code) and all(names(walk) == way for walk in walks(builds))
    builds.patch(KEYS["memcg_kmem_enabled"], False)
    assert builds._region.bytes().tobytes() == before


def placed(code: str) -> Region:
    """A piece of machine code that can be called."""
    region = Region(64)
    written = bytes.fromhex(code)
    region.bytes()[: len(written)] = np.frombuffer(written, np.uint8)
    region.seal()
    return region


def test_the_stack_is_moved_down() -> None:
    """By so many bytes as told, in steps of 8; the argument arrives and the result comes back."""
    trampoline = Trampoline()
    pointer = placed("4889e0 c3")  # mov rax,rsp; ret
    moves = [STACK_STEP * place for place in range(STACK_PLACES)]
    addresses = [trampoline.call(0, move, pointer.start) for move in moves]
    assert [addresses[0] - at for at in addresses] == moves == [0, 8, 16, 24, 32, 40, 48, 56]
    argument = placed("4889f8 c3")  # mov rax,rdi; ret
    assert [trampoline.call(number, 24, argument.start) for number in (0, 7, -1)] == [0, 7, -1]


SAVED = {
    "rbx": ("53", "bb", "4889d8", "5b"),
    "rbp": ("55", "bd", "4889e8", "5d"),
    "r12": ("4154", "41bc", "4c89e0", "415c"),
    "r13": ("4155", "41bd", "4c89e8", "415d"),
    "r14": ("4156", "41be", "4c89f0", "415e"),
    "r15": ("4157", "41bf", "4c89f8", "415f"),
}
"""push, mov of 32 bits, mov to rax, pop."""


@pytest.mark.parametrize("register", SAVED)
@pytest.mark.parametrize("move", [0, 56])
def test_the_trampoline_keeps_what_its_caller_keeps(register: str, move: int) -> None:
    """The ABI's callee-saved registers hold what they held before the call."""
    push, load, store, pop = SAVED[register]
    caller = placed(f"{push} {load}78563412 ffd1 {store} {pop} c3")  # ... call rcx ...
    callee = placed("31c0 c3")  # xor eax,eax; ret
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)
    trampoline = Trampoline()
    assert kind(caller.start)(0, move, callee.start, trampoline._region.start) == 0x12345678
