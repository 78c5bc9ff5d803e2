"""The checks of CONFIG_UBSAN in a kernel file's path: found by what their jumps lead to, or left alone."""

from types import SimpleNamespace
from typing import Any

import pytest

from model.kernels.kernel_file.cutting import decode
from model.kernels.kernel_file.sanitizer import ubsan_checks
from model.kernels.kernel_file.survey import Survey
from model.vmlinux.memory import Memory
from model.vmlinux.symbols import Symbol
from tests.kernels import parameters
from tests.test_kernel_file import known_file

START, OUT_OF_LINE, HANDLER = 0x1000, 0x1100, 0x1200
COMPARISON = bytes.fromhex("83fd1f")  # cmp ebp, 31
JUMP = b"\x0f\x87" + (OUT_OF_LINE - START - 9).to_bytes(4, "little")  # ja, far
AFTER = bytes.fromhex("31c0c3")  # xor eax, eax; ret
PASSES_ON = bytes.fromhex("89ee89c7")  # mov esi, ebp; mov edi, eax


def call(at: int, target: int, opcode: bytes = b"\xe8") -> bytes:
    """A direct call, or another instruction with a distance of 32 bits."""
    return opcode + (target - at - 5).to_bytes(4, "little", signed=True)


def loaded(code: bytes, out_of_line: bytes, handler: str = "__ubsan_handle_shift_out_of_bounds") -> Any:
    """As much of a loaded kernel as is asked for."""
    memory = Memory(START, bytearray(b"\xcc" * 0x300))
    memory.write(START, code)
    memory.write(OUT_OF_LINE, out_of_line)
    names = {HANDLER: Symbol(handler, HANDLER, HANDLER + 16, "T")}
    return SimpleNamespace(memory=memory, name=names.get)


def found(kernel: Any, size: int, *, ran: bool = True) -> list[tuple[int, int]]:
    """Addresses of comparison and jump of each check."""
    function = decode(kernel, START, START + size, "f")
    executed = tuple(each.address for each in function.instructions) if ran else ()
    checks = ubsan_checks(kernel, Survey("f", executed, {}, {}), [function])
    return [(comparison.address, jump.address) for comparison, jump in checks]


REPORT = PASSES_ON + call(OUT_OF_LINE + 4, HANDLER)


@pytest.mark.parametrize(
    ("code", "out_of_line", "there"),
    [
        (COMPARISON + JUMP + AFTER, REPORT, True),
        (COMPARISON + JUMP + AFTER, call(OUT_OF_LINE, OUT_OF_LINE + 0x20, b"\xe9"), False),  # to int3
        (COMPARISON + JUMP + bytes.fromhex("740131c0c3"), REPORT, False),  # je reads the same flags
        (bytes.fromhex("89c590") + JUMP + AFTER, REPORT, False),  # no comparison before it
        (COMPARISON + JUMP + AFTER, PASSES_ON + b"\xc3", False),  # returns, and reports nothing
        (COMPARISON + JUMP + AFTER, b"\xff\xd0", False),  # call through a register
    ],
)
def test_a_check_is_known_by_its_handler(code: bytes, out_of_line: bytes, there: bool) -> None:
    """A comparison, a jump that reports, and flags that nothing else reads."""
    checks = found(loaded(code, out_of_line), len(code))
    assert checks == ([(START, START + 3)] if there else [])


def test_it_is_found_behind_a_jump_and_only_where_it_runs() -> None:
    """The cold part may jump on before it calls; another handler, or code that never ran, is left alone."""
    code = COMPARISON + JUMP + AFTER
    kernel = loaded(code, call(OUT_OF_LINE, OUT_OF_LINE + 0x20, b"\xe9"))
    kernel.memory.write(OUT_OF_LINE + 0x20, call(OUT_OF_LINE + 0x20, HANDLER))
    assert found(kernel, len(code)) == [(START, START + 3)]
    assert found(kernel, len(code), ran=False) == []
    assert found(loaded(code, REPORT, "__stack_chk_fail"), len(code)) == []


@pytest.mark.parametrize("path", parameters())
def test_a_real_kernel_has_the_arm_where_it_has_the_handlers(path: Any) -> None:
    """Debian's have UBSAN from 6.18 on; the others have no such arm."""
    file = known_file(path)
    arms = file.arms("__free_pages.page.plain")
    has = file.kernel_file.symbols.has("__ubsan_handle_out_of_bounds")
    assert ("no-ubsan" in arms) == has
    if has:
        instead = arms["no-ubsan"].change.instead
        assert len(instead) >= 2 and len(instead) % 2 == 0
