"""The emulator: what it does not know or executes as something else it says by name, and counts nothing."""

from collections.abc import Iterator
from pathlib import Path

import capstone
import pytest
import unicorn
from unicorn import x86_const as x86

from benchmarks.census.trial import effects
from benchmarks.emulator import MODEL, EmulationError, Emulator
from model.compiler.assembler import machine_code
from model.kernels.user_variants.operation import with_end
from model.kernels.v4_3.machine import Machine
from tests.command import refused, run
from tests.operations import ALLOWED, UNKNOWN_TO_THE_EMULATOR

AT = 0x1000
DATA = 0x3000
MODELS = [
    getattr(x86, name) for name in dir(x86) if name.startswith("UC_CPU_X86_") and not name.endswith("_ENDING")
]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Memory for whatever is tried."""
    yield Machine(1024, "on-idle")


def counted(code: bytes, machine: Machine) -> list[int]:
    """Locked operations of it, from every start."""
    page = machine.memory.page_address(1)
    return [one.trace.locked for one in effects(Emulator(machine, []), code, page, 100)]


def knows(model: int, code: bytes) -> bool:
    """Whether this model of Unicorn runs it, and takes all of it for one instruction."""
    cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    cpu.ctl_set_cpu_model(model)
    cpu.mem_map(AT, DATA)
    cpu.mem_write(AT, code)
    cpu.reg_write(x86.UC_X86_REG_RDI, DATA)
    sizes: list[int] = []
    cpu.hook_add(unicorn.UC_HOOK_CODE, lambda _, __, size, ___: sizes.append(size))
    try:
        cpu.emu_start(AT, AT + len(code), count=1)
    except unicorn.UcError:
        return False
    return sizes == [len(code)]


@pytest.mark.soak
def test_no_model_knows_what_the_chosen_one_does_not() -> None:
    """Of all that a check may be made of: one instruction each."""
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    texts = (with_end(text) for text in [*ALLOWED, *UNKNOWN_TO_THE_EMULATOR] if "%gs" not in text)
    codes = {text: code for text in texts if len(list(decoder.disasm(code := machine_code(text), 0))) == 1}
    known = {model: {text for text, code in codes.items() if knows(model, code)} for model in MODELS}
    assert all(texts <= known[MODEL] for texts in known.values())
    assert codes.keys() - known[MODEL] == UNKNOWN_TO_THE_EMULATOR.keys()
    assert x86.UC_CPU_X86_HASWELL in known and known[x86.UC_CPU_X86_HASWELL] < known[MODEL]


NOT_COUNTED = {
    "rdpid rdx": ("f30fc7fa", "the emulator does not know rdpid; it cannot be counted"),
    "movdiri [rdi+24], edx": ("0f38f95718", "the emulator does not know movdiri; it cannot be counted"),
    "clzero": ("0f01fc", "the emulator does not know clzero; it cannot be counted"),
    "serialize": ("0f01e8", "does not know 0f 01 e8"),
    "vpaddd xmm2, xmm1, xmm0": ("c5f1fed0", "'vpaddd xmm2, xmm1, xmm0' is vector"),
    "vzeroupper": ("c5f877", "'vzeroupper' is vector"),
    "vmovups [rdi+24], zmm0": ("62f17c48118718000000", "'vmovups .* is vector"),
    "paddd xmm0, xmm1": ("660ffec1", "'paddd xmm0, xmm1' is vector"),
    "movups [rdi+24], xmm0": ("0f114718", "'movups .* is vector"),
    "fld1": ("d9e8", "'fld1' is vector or floating-point"),
}


@pytest.mark.parametrize(("code", "words"), NOT_COUNTED.values(), ids=NOT_COUNTED)
def test_what_cannot_be_counted_is_an_error_with_its_name(code: str, words: str, machine: Machine) -> None:
    """Never a size from the hook that nobody compared, never two operands for three."""
    with pytest.raises(EmulationError, match=words):
        counted(bytes.fromhex(code), machine)


@pytest.mark.parametrize(
    ("code", "locked"),
    [
        ("875718", 1),  # xchg [rdi+24], edx
        ("f0875718", 1),  # lock xchg [rdi+24], edx
        ("f0ff4718", 1),  # lock inc dword ptr [rdi+24]
        ("f00fc15718", 1),  # lock xadd [rdi+24], edx
        ("0fc15718", 0),  # xadd [rdi+24], edx
        ("87d2", 0),  # xchg edx, edx
    ],
)
def test_xchg_with_memory_is_locked(code: str, locked: int, machine: Machine) -> None:
    """With or without the prefix."""
    assert set(counted(bytes.fromhex(code), machine)) == {locked}


@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_repeated_instruction_counts_as_often_as_it_executes(times: int, machine: Machine) -> None:
    """As a processor's single steps do; the hook of Unicorn comes once more."""
    code = b"\xb9" + times.to_bytes(4, "little") + bytes.fromhex("f348ab")  # mov ecx, times; rep stosq
    for one in effects(Emulator(machine, []), code, machine.memory.page_address(1), 100):
        assert (one.trace.instructions, one.trace.stores) == (1 + max(times, 1), times)


ONE_ARM = "v1,memcg=on-idle,page_kind=plain,depth=pcp,checks=on,entry=__free_pages"
FLOATS = '''"""A quotient."""
SUMMARY = "a quotient"


def patch_point(kernel):
    def check(page, order):
        if kernel.unlikely(order / (order | 1) > order):
            kernel.count_event(0)

    return check
'''


@pytest.mark.parametrize("cpu", ["x86-64", "x86-64-v3"])
def test_vector_code_in_an_image_is_refused_by_name(cpu: str, tmp_path: Path) -> None:
    """Two operands or three."""
    file = tmp_path / "quotient.py"
    file.write_text(FLOATS)
    one = ("--only", ONE_ARM.replace("v1", "quotient"))
    done = run("benchmarks.census", "--variant", str(file), "--cpu", cpu, *one)
    refused(done, "is vector or floating-point code")


def test_code_of_a_processor_that_nothing_here_can_read(tmp_path: Path) -> None:
    """LLVM compiles for APX; Capstone 5 does not know its prefix, and a listing is not cut off there."""
    told = ("--cpu", "diamondrapids")
    refused(run("benchmarks.census", "--only", ONE_ARM, *told), "the disassembler does not know d5")
    refused(run("benchmarks.disasm", "v1", *told), "the disassembler does not know d5")
