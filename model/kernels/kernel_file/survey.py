"""What one free through an entry of a kernel file executes: found once in the emulator, then kept as data.

`benchmarks` fills it in; which arms there are, and what is cut out, follows from it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from capstone import x86

from model.kernels.kernel_file.cutting import Function, decode, decoder
from model.vmlinux.loading import LoadedKernel

READS: Final = sum(value for name, value in vars(x86).items() if name.startswith("X86_EFLAGS_TEST_"))
"""Bits by which Capstone says that an instruction reads a flag."""
FLAGS: Final = ("CF", "ZF", "SF", "OF", "PF")
LOOK_AHEAD: Final = 20
"""Instructions within which compiled code overwrites flags that nobody wants any more."""


@dataclass(frozen=True)
class Survey:
    """One free, warm, as booted.

    Attributes
    ----------
    entry
        The function that was called.
    executed
        Address of each instruction that ran, in order.
    registers
        Address of an instruction -> the register that holds the freed page before it.
    stores
        Field of `struct page` -> addresses of the instructions that wrote it, of the freed page.
    """

    entry: str
    executed: tuple[int, ...]
    registers: dict[int, str]
    stores: dict[str, tuple[int, ...]]

    def functions(self, loaded: LoadedKernel) -> list[Function]:
        """The functions that ran, decoded, in the order in which they were entered.

        Raises
        ------
        KernelFileError
            When one cannot be moved.
        """
        found: dict[int, Function] = {}
        for address in dict.fromkeys(self.executed):
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
