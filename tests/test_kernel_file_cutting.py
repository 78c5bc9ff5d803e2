"""Cutting functions out of a kernel: hand-made ones, whose instructions and targets are known."""

import struct
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

import capstone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.common.errors import KernelFileError
from model.kernels.kernel_file.arms import NOPS, RETURN_TRUE, compare, flipped, nop
from model.kernels.kernel_file.cutting import ALIGNMENT, Change, Cut, Function, decode
from model.kernels.kernel_file.places import Place, inserted
from model.kernels.kernel_file.survey import flags_dead
from model.kernels.user_variants.operation import OperationError
from model.vmlinux.loading import JumpLabel

START: Final = 0x4100_0000
SECOND: Final = START + 0x1000
DATA: Final = 0x4300_0010
ELSEWHERE: Final = 0x4200_0000
"""A function that never runs, so it is not cut out."""
MOVED: Final = 0x1234_0040
"""Where a build may lie."""


def function(code: bytes, start: int = START, name: str = "first") -> Function:
    """One function, of bytes."""
    loaded: Any = SimpleNamespace(memory=SimpleNamespace(read=lambda at, size: code[at - start :][:size]))
    return decode(loaded, start, start + len(code), name)


def rel(at: int, target: int) -> bytes:
    """A 32-bit distance whose field ends at an address."""
    return struct.pack("<i", target - at)


def placed(cut: Cut, base: int = MOVED) -> list[Any]:
    """The instructions of an image that lies at an address, its references filled in; padding left out."""
    code = bytearray(cut.code)
    for at, end, target in cut.references:
        code[at : at + 4] = rel(base + end, target)
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    found = list(decoder.disasm(bytes(code), base))
    assert sum(each.size for each in found) == len(code)
    return [each for each in found if each.mnemonic != "int3"]


def shape(instruction: Any) -> str:
    """What it does, wherever it lies: the address that it refers to, not the distance."""
    text = f"{instruction.mnemonic} {instruction.op_str}"
    for operand in instruction.operands:
        if operand.type == capstone.x86.X86_OP_MEM and operand.mem.base == capstone.x86.X86_REG_RIP:
            refers = instruction.address + instruction.size + operand.mem.disp
            return f"{instruction.mnemonic} [{refers:#x}] {operand.size}"
    leads = instruction.group(capstone.CS_GRP_JUMP) or instruction.group(capstone.CS_GRP_CALL)
    return str(instruction.mnemonic) if leads else text.strip()


BODY: Final = (
    b"\xf3\x0f\x1e\xfa"  # endbr64
    + b"\x48\x8b\x05"
    + rel(START + 11, DATA)  # mov DATA(%rip), %rax
    + b"\x74\x05"  # je +5
    + b"\xe8"
    + rel(START + 18, SECOND)  # call second
    + b"\xe8"
    + rel(START + 23, ELSEWHERE)  # call elsewhere
    + b"\xc3"
)


def test_nothing_changed_is_the_same_code() -> None:
    """But for the distances: those to data are references, those between the functions are branches."""
    first, second = function(BODY), function(b"\x31\xc0\xc3", SECOND, "second")
    cut = Cut([first, second], Change())
    assert cut.functions == {"first": (0, 24), "second": (32, 3)}
    assert cut.branches == ((11, 18), (13, 32))
    assert cut.references == ((7, 11, DATA), (19, 23, ELSEWHERE))
    wanted = bytearray(BODY)
    wanted[7:11], wanted[14:18], wanted[19:23] = bytes(4), struct.pack("<i", 32 - 18), bytes(4)
    assert cut.code == bytes(wanted).ljust(32, b"\xcc") + b"\x31\xc0\xc3"
    assert [shape(each) for each in placed(cut)] == [
        "endbr64",
        f"mov [{DATA:#x}] 8",
        "je",
        "call",
        "call",
        "ret",
        "xor eax, eax",
        "ret",
    ]
    calls = [int(each.op_str, 0) for each in placed(cut) if each.mnemonic == "call"]
    assert calls == [MOVED + 32, ELSEWHERE]


def test_builds_open_neither_before_a_conditional_jump_nor_inside_of_what_is_put_in() -> None:
    """A NOP between a comparison and its jump would undo their fusion; the keys are the same in every arm."""
    first = function(b"\x85\xc0\x74\x01\x90\xc3")  # test, je, nop, ret
    plain = Cut([first], Change())
    assert [at for at, _ in plain.points] == [0, 4, 5]
    test = [compare("rdi", 48, -512), b"\x74\xfe"]
    arm = Cut([first], Change(before={START + 4: test}))
    assert [key for _, key in arm.points] == [key for _, key in plain.points]
    assert [at for at, _ in arm.points] == [0, 4 + 7 + 2, 4 + 7 + 2 + 1]


def test_what_is_put_in_is_met_by_a_jump_to_its_place() -> None:
    """As if it had been compiled there."""
    first = function(b"\xeb\x01\x90\xc3")  # jmp to ret, over a nop
    cut = Cut([first], Change(before={START + 3: [NOPS[5]]}))
    assert [f"{each.mnemonic} {each.op_str}".strip() for each in placed(cut, 0)] == [
        "jmp 3",
        "nop",
        "nop dword ptr [rax + rax]",
        "ret",
    ]


@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("branch", [False, True])
def test_a_jump_label_both_ways(size: int, branch: bool) -> None:
    """A site is a jump when its key differs from what it was compiled for; else the NOP of its size."""
    target = START + size + 1
    label = JumpLabel(START, target, 0x9000, branch, size)
    as_jump = b"\xeb\x01" if size == 2 else b"\xe9\x01\0\0\0"
    for code in (as_jump, NOPS[size]):
        first = function(code + b"\x90\xc3")
        on = placed(Cut([first], flipped([label], on=not branch)), 0)
        assert (on[0].mnemonic, on[0].size, int(on[0].op_str, 0)) == ("jmp", size, size + 1)
        off = placed(Cut([first], flipped([label], on=branch)), 0)
        assert (off[0].mnemonic, off[0].size) == ("nop", size)
        assert [each.mnemonic for each in off[1:]] == ["nop", "ret"]


def test_a_call_left_out() -> None:
    """Its instruction becomes another of its size; where it led is no reference any more."""
    cut = Cut([function(BODY)], Change(instead={START + 18: RETURN_TRUE}))
    assert [at for at, _, _ in cut.references] == [7, 14]
    assert [shape(each) for each in placed(cut)][4] == "mov eax, 1"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (b"\x90\x06\x90\xc3", "has an instruction in first, 1 bytes from its start, that Capstone"),
        (b"\xe3\x01\x90\xc3", "has jrcxz in first, which cannot be moved"),
        (b"\xe2\xfe\xc3", "has loop in first, which cannot be moved"),
    ],
    ids=["does not decode", "jrcxz", "loop"],
)
def test_a_function_that_cannot_be_moved(code: bytes, words: str) -> None:
    """One line that names the function and the instruction."""
    with pytest.raises(KernelFileError, match=words):
        function(code)


def test_a_call_of_a_retpoline() -> None:
    """With a prefix that fills the space of a longer call; only where it leads out of the functions."""
    thunk = b"\x2e\xe8" + rel(START + 6, ELSEWHERE) + b"\xc3"
    (call, _) = placed(Cut([function(thunk)], Change()))
    assert (call.size, int(call.op_str, 0)) == (6, ELSEWHERE)
    first, second = (
        function(b"\x2e\xe8" + rel(START + 6, SECOND) + b"\xc3"),
        function(b"\xc3", SECOND, "second"),
    )
    with pytest.raises(KernelFileError, match="a call with a prefix at first\\+0x0"):
        Cut([first, second], Change())


def test_a_change_of_no_instruction() -> None:
    """Such as the middle of one."""
    for change in (
        Change(instead={START + 1: b"\x90"}),
        Change(before={START + 1: [b"\x90"]}),
        Change(jumps={SECOND: START}),
    ):
        with pytest.raises(KernelFileError, match="has no instruction at"):
            Cut([function(BODY)], change)


def test_padding_behind_a_function() -> None:
    """A megabyte of it, as behind the return thunks of SRSO, is left out; no instruction is."""
    assert len(function(b"\x31\xc0\xc3" + b"\xcc" * (1 << 20)).instructions) < 20
    last = function(b"\x90" * 50 + b"\xeb\xcc" + b"\xcc" * 64).instructions[50]
    assert last.code == b"\xeb\xcc" and last.target == START


# Any function: instructions of every length, jumps to and fro, calls, data; anything put in anywhere.

PLAIN: Final = [*NOPS[1:], b"\x31\xc0", b"\x48\x89\xf8", b"\x41\xb8\x01\0\0\0"]
Made = tuple[list[tuple[str, Any]], Mapping[int, int]]


@st.composite
def functions(draw: st.DrawFn) -> Made:
    """Instructions, with the number of the one that each jump leads to; how many are put in before which."""
    count = draw(st.integers(2, 50))
    kinds = st.sampled_from(["plain", "jcc", "jmp", "long jcc", "long jmp", "data", "call"])
    body: list[tuple[str, Any]] = []
    for _ in range(count):
        kind = draw(kinds)
        body.append((kind, draw(st.sampled_from(PLAIN) if kind == "plain" else st.integers(0, count - 1))))
    before = draw(st.dictionaries(st.integers(0, count - 1), st.integers(1, 40), max_size=4))
    return body, before


SIZES: Final = {"jcc": 2, "jmp": 2, "long jcc": 6, "long jmp": 5, "data": 7, "call": 5}
OPCODES: Final = {"jcc": b"\x75", "jmp": b"\xeb", "long jcc": b"\x0f\x85", "long jmp": b"\xe9"}


def encoded(body: Sequence[tuple[str, Any]]) -> tuple[bytes, list[int]]:
    """The bytes, and the address of each instruction; a short jump too far away is written as a long one."""
    body = list(body)
    while True:
        sizes = [len(what) if kind == "plain" else SIZES[kind] for kind, what in body]
        starts = [START + sum(sizes[:number]) for number in range(len(body) + 1)]
        far = [
            number
            for number, (kind, what) in enumerate(body)
            if kind in ("jcc", "jmp") and not -128 <= starts[what] - starts[number + 1] <= 127
        ]
        if not far:
            break
        for number in far:
            body[number] = (f"long {body[number][0]}", body[number][1])
    out = b""
    for number, (kind, what) in enumerate(body):
        end = starts[number + 1]
        if kind == "plain":
            out += what
        elif kind == "data":
            out += b"\x48\x8b\x05" + rel(end, DATA + 8 * what)
        elif kind == "call":
            out += b"\xe8" + rel(end, ELSEWHERE + 16 * what)
        elif kind in ("jcc", "jmp"):
            out += OPCODES[kind] + struct.pack("<b", starts[what] - end)
        else:
            out += OPCODES[kind] + rel(end, starts[what])
    return out, starts


@settings(max_examples=60, deadline=None)
@given(functions())
def test_any_function_does_the_same_elsewhere(made: Made) -> None:
    """Each instruction in its order; each jump to what it led to; each call and datum where it was."""
    body, before = made
    code, starts = encoded(body)
    first = function(code)
    cut = Cut([first], Change(before={starts[at]: [NOPS[3]] * times for at, times in before.items()}))
    out = iter(placed(cut))
    moved, landings = [], []
    for number in range(len(body)):
        put_in = [next(out) for _ in range(before.get(number, 0))]
        assert all(bytes(each.bytes) == NOPS[3] for each in put_in)
        moved.append(next(out))
        landings.append((put_in or moved[-1:])[0].address)
    assert next(out, None) is None
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    original = list(decoder.disasm(code, START))
    assert [shape(each) for each in moved] == [shape(each) for each in original]
    for (kind, what), each in zip(body, moved, strict=True):
        if "j" in kind:
            assert int(each.op_str, 0) == landings[what]
        elif kind == "call":
            assert int(each.op_str, 0) == ELSEWHERE + 16 * what
    if not before:
        assert [each.size for each in moved] == [each.size for each in original]
    assert cut.functions["first"][0] % ALIGNMENT == 0


# What users put in

AT: Final = "--insert check"


def texts(code: bytes) -> list[str]:
    """Instructions, in AT&T syntax."""
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.syntax = capstone.CS_OPT_SYNTAX_ATT
    return [f"{each.mnemonic} {each.op_str}".strip() for each in decoder.disasm(code, 0)]


@pytest.mark.parametrize(
    ("page", "free", "wanted"),
    [
        ("rdi", "rdx", ["movl 0x30(%rdi), %edx", "testb %dl, %dl", "js 7"]),
        ("r12", "rcx", ["movl 0x30(%r12), %ecx", "testb %cl, %cl", "js 9"]),
        ("rbp", "rsi", ["movl 0x30(%rbp), %esi", "testb %sil, %sil", "js 8"]),
        ("rdx", "r9", ["movl 0x30(%rdx), %r9d", "testb %r9b, %r9b", "js 9"]),
    ],
)
def test_the_page_and_the_free_register_of_a_place(page: str, free: str, wanted: list[str]) -> None:
    """`$0` and edx are whatever is there, with the parts of a register."""
    code = inserted("movl 48($0), %edx; testb %dl, %dl; js 2f", AT, Place("f+0x0", START, page, free))
    assert texts(code) == wanted
    assert len(code) == int(wanted[-1].split()[1])


def test_what_no_place_can_have() -> None:
    """A register that is not the operation's, a part that the free register lacks."""
    here = Place("f+0x0", START, "rbx", "r8")
    for text, words in (
        ("movl 48($0), %ebx", "writes ebx"),
        ("movb 48($0), %dh", "%dh has no like in r8, which is free at f"),
        ("cli", "is not for a check"),
        ("movl $1, 48(%rsp)", r"a number is written"),
        ("syscall", "leaves the operation"),
    ):
        with pytest.raises(OperationError, match=words):
            inserted(text, AT, here)


@pytest.mark.parametrize(
    ("code", "dead"),
    [
        (b"\x85\xc0\x74\x00\xc3", True),  # test, je: the flags before test are overwritten
        (b"\x74\x00\xc3", False),
        (b"\x90\x0f\x94\xc0\xc3", False),  # nop, sete
        (b"\x89\xc8\xff\xc0\x72\x00\xc3", False),  # mov, inc (keeps CF), jb
        (b"\x89\xc8\xc3", True),
        (b"\x90" * 30 + b"\xc3", False),  # too far to be told
        (b"\xff\xe0", False),
    ],
)
def test_where_flags_are_dead(code: bytes, dead: bool) -> None:
    """Only where something overwrites all of them, or a call or a return forgets them."""
    loaded: Any = SimpleNamespace(memory=SimpleNamespace(read=lambda at, size: code[at - START :][:size]))
    assert flags_dead(loaded, START) is dead


def test_a_nop_of_every_size() -> None:
    """As many bytes, nothing but NOPs, as few as can be."""
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    for size in range(1, 40):
        found = list(decoder.disasm(nop(size), 0))
        assert sum(each.size for each in found) == size
        assert {each.mnemonic for each in found} == {"nop"}
        assert len(found) == -(-size // 8)
    with pytest.raises(KernelFileError):
        nop(0)
