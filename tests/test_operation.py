"""What an inserted operation may do: by a list, read whole, and held against what the emulator saw change."""

import re
from functools import cache

import pytest

from benchmarks.census.proof import LIMIT, UnfitCheckError, prove
from benchmarks.census.trial import Effects, effects
from benchmarks.emulator import Emulator
from benchmarks.selection import select
from model.compiler.assembler import machine_code
from model.kernels import kernel_called
from model.kernels.instructions import JUMPS, LEAVING, WRITES, name_of, slots, written
from model.kernels.store import Store
from model.kernels.user_variants import added, operation
from model.kernels.user_variants.operation import OperationError, check, code_of, with_end
from model.kernels.v4_3.machine import Machine
from tests.command import refused, run
from tests.operations import ALLOWED, REFUSED, UNKNOWN_TO_THE_EMULATOR

SMALL = ("-p", "1", "-n", "1")


@pytest.fixture(autouse=True)
def assembled_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: the assembler takes all of it, and a process for each would take minutes."""
    monkeypatch.setattr(operation, "assembled", lambda text, where: machine_code(text))


@cache
def machine() -> Machine:
    """Memory for whatever is tried."""
    return Machine(1024, "on-idle")


def tried(code: bytes) -> list[Effects]:
    """What this code does, from every start."""
    return effects(Emulator(machine(), []), code, machine().memory.page_address(1), LIMIT)


def others(code: bytes) -> set[str]:
    """What it changes that is not a check's own."""
    return {name for effect in tried(code) for name in effect.others}


@pytest.mark.parametrize(("text", "expected"), ALLOWED.items(), ids=ALLOWED)
def test_what_is_allowed_changes_nothing_else(text: str, expected: int | None) -> None:
    """With its dispatch slots; and the table of what is written says what the emulator saw."""
    instructions = check(with_end(text), "mine")
    assert slots(instructions) == expected
    table = [written(instruction) for instruction in instructions]
    for effect in tried(code_of(with_end(text), "mine")):
        assert not effect.others
        assert effect.trace.locked == (text.startswith(("lock", "xchgl %edx, 24")))
        assert effect.trace.stores == sum(len(memory) for _, memory in table)
        assert not effect.edx or any(registers for registers, _ in table)


def test_every_name_of_the_list_is_tried() -> None:
    """Each instruction that may be; of jumps and of conditions there is one."""
    texts = [*ALLOWED, *UNKNOWN_TO_THE_EMULATOR]
    used = {name_of(instruction) for text in texts for instruction in check(with_end(text), "mine")}
    mine = {name for name, writes in WRITES.items() if {w for w in writes if isinstance(w, str)} <= {"rdx"}}
    alike = {name for name in mine if name in JUMPS or name.startswith(("set", "cmov"))}
    assert mine - alike - used == {"sal"}, "which is decoded as shl"
    assert not LEAVING & WRITES.keys()


@pytest.mark.parametrize(("text", "words"), REFUSED.items(), ids=REFUSED)
def test_what_is_not_on_the_list_is_refused(text: str, words: str) -> None:
    """One line that says why."""
    with pytest.raises(OperationError, match=re.escape(words)) as error:
        check(with_end(text), "--insert mine")
    assert len(str(error.value).splitlines()) == 1


UNLISTED = {
    "lock cmpxchg [rdi+24], edx": ("f00fb15718", {"rax"}),
    "enter 8, 0": ("c8080000", {"rbp", "rsp", "the stack"}),
    "push rdx; pop rdx": ("525a", {"the stack"}),
    "std": ("fd", {"flags other than those of arithmetic"}),
    "wrgsbase rdx": ("f3480faeda", {"the base of gs"}),
    "rdtscp": ("0f01f9", {"rax", "rcx"}),
    "fxrstor [rdi]": ("0fae0f", {"mxcsr", "xmm15"}),
    "inc rsi": ("48ffc6", {"rsi"}),
    "mov ch, dl": ("88d5", {"rcx"}),
}


@pytest.mark.parametrize(("code", "words"), UNLISTED.values(), ids=UNLISTED)
def test_what_the_list_would_let_pass_the_emulator_sees(code: str, words: set[str]) -> None:
    """Registers, flags, the stack: whatever its instructions are said to do."""
    assert words <= others(bytes.fromhex(code))


def test_a_check_is_run_alone_before_it_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a list that lets it pass."""
    monkeypatch.setitem(WRITES, "std", ())
    monkeypatch.setattr(added, "_added", [])
    added.add(added.inserted("direction", "std", "--insert direction", "v4.3"))
    try:
        cases = select("memcg=on-idle,page_kind=plain,depth=pcp,checks=on,entry=__free_pages,direction")
        with pytest.raises(
            UnfitCheckError, match=r"--insert direction: in on-idle.* changes flags other than"
        ):
            prove(cases, {"direction": "--insert direction"}, Store())
    finally:
        # A later test that measures every arm in this process would execute it.
        del kernel_called("v4.3").variants["direction"]


@pytest.mark.parametrize(("text", "name"), UNKNOWN_TO_THE_EMULATOR.items())
@pytest.mark.parametrize(
    "command", [("benchmarks", *SMALL), ("benchmarks.census",), ("benchmarks.disasm", "a")]
)
def test_what_the_emulator_does_not_know_is_refused_by_name(
    text: str, name: str, command: tuple[str, ...]
) -> None:
    """By every command that would count or measure it."""
    done = run(*command, "--insert", f"a={text}")
    refused(done, f"the emulator does not know {name}; it cannot be counted")


@pytest.mark.parametrize(
    "text", ["serialize", "std", "rdtscp", "movups %xmm0, 24($0)", "lock cmpxchgl %edx, 24($0)"]
)
def test_a_refusal_is_one_line(text: str) -> None:
    """With exit status 2, and the words of above."""
    refused(run("benchmarks", "--insert", text, "--list"), REFUSED[text])
