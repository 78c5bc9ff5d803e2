"""What one free in a kernel file executes, in one of the ways to free: found once in the emulator, then kept.

`benchmarks` fills it in; which arms there are, and what is cut out, follows from it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from capstone import x86

from model.kernels.kernel_file.cutting import Function, decode, decoder
from model.vmlinux.loading import LoadedKernel
from model.vocabulary.scenario import Scenario

READS: Final = sum(value for name, value in vars(x86).items() if name.startswith("X86_EFLAGS_TEST_"))
"""Bits by which Capstone says that an instruction reads a flag."""
FLAGS: Final = ("CF", "ZF", "SF", "OF", "PF")
LOOK_AHEAD: Final = 20
"""Instructions within which compiled code overwrites flags that nobody wants any more."""


def way_of(scenario: Scenario) -> str:
    """The way to free in a scenario: `__free_pages.order-3.plain`; what else a scenario says runs alike."""
    return f"{scenario.entry}.{scenario.block}.{scenario.page_kind}"


@dataclass(frozen=True)
class Survey:
    """One call that frees, warm, as booted.

    Attributes
    ----------
    entry
        The function that was called.
    executed
        Address of each instruction that ran, in the order of their first times.
    registers
        Address of an instruction -> the register that holds the freed page before it; of instructions that
        run once for each page that the call frees.
    stores
        Field of `struct page` -> addresses of the instructions that wrote it, of the freed page; not of a
        field that the same call reads, since it passes a value on.
    unfit
        Why user space cannot run it; empty where it can. It is only counted then.
    """

    entry: str
    executed: tuple[int, ...]
    registers: dict[int, str]
    stores: dict[str, tuple[int, ...]]
    unfit: str = ""

    def functions(self, loaded: LoadedKernel) -> list[Function]:
        """The functions that ran, decoded, in the order in which they were entered.

        Raises
        ------
        KernelFileError
            When one cannot be moved.
        """
        found: dict[int, Function] = {}
        for address in self.executed:
            symbol = loaded.name(address)
            if symbol is not None and symbol.start not in found:
                name = symbol.name
                if any(other.name == name for other in found.values()):
                    name = f"{name}@{symbol.start:#x}"
                found[symbol.start] = decode(loaded, symbol.start, symbol.end, name)
        return list(found.values())

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "registers": [[at, name] for at, name in self.registers.items()]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Survey":
        """From plain data."""
        return cls(
            data["entry"],
            tuple(data["executed"]),
            {int(at): str(name) for at, name in data["registers"]},
            {name: tuple(places) for name, places in data["stores"].items()},
            data["unfit"],
        )


def flags_dead(loaded: LoadedKernel, address: int) -> bool:
    """Whether nothing reads the flags that hold before an instruction: so a test may be put in there."""
    disassembler = decoder()
    unknown = set(FLAGS)
    for _ in range(LOOK_AHEAD):
        each = next(disassembler.disasm(loaded.memory.read(address, 15), address, 1), None)
        if each is None:
            return False
        if each.eflags & READS and not each.mnemonic.startswith("nop"):
            return False
        if each.mnemonic in ("call", "ret"):
            return True  # the ABI keeps no flags across a call
        unknown -= {flag for flag in FLAGS if _writes(each.eflags, flag)}
        if not unknown:
            return True
        if each.mnemonic == "jmp" and each.operands[0].type == x86.X86_OP_IMM:
            address = each.operands[0].imm
        elif each.mnemonic.startswith("j"):
            return False
        else:
            address += each.size
    return False


def _writes(flags: int, flag: str) -> bool:
    kinds = ("MODIFY", "RESET", "SET", "UNDEFINED")
    return any(flags & getattr(x86, f"X86_EFLAGS_{kind}_{flag}", 0) for kind in kinds)


def calls_of(functions: Sequence[Function], targets: Sequence[int]) -> list[int]:
    """Addresses of the calls of some functions."""
    return [
        each.address
        for function in functions
        for each in function.instructions
        if each.target in targets and each.code[0] == 0xE8
    ]
