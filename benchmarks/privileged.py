"""What of a kernel's code user space cannot run: told by the instructions that the emulator met."""

from typing import Final

from benchmarks.emulator import EmulationError, Emulator, Trace
from model.kernels.instructions import name_of

PRIVILEGED: Final = frozenset(
    ["cli", "sti", "pushfq", "popfq", "hlt", "in", "out", "rdmsr", "wrmsr", "swapgs", "wbinvd", "invlpg"]
)
"""Instructions that user space cannot execute, or that mean something else there (Intel SDM, volume 2)."""


def refuse_privileged(emulator: Emulator, trace: Trace) -> None:
    """Refuse to run natively what user space cannot, or what leads where nobody looked.

    Raises
    ------
    EmulationError
    """
    for at in trace.executed:
        instruction = emulator.decoded(at)
        name = name_of(instruction)
        if name in PRIVILEGED:
            raise EmulationError(f"{emulator.where(at)} executes {name}, which user space cannot")
        if instruction.mnemonic in ("call", "jmp") and not instruction.op_str.startswith("0x"):
            raise EmulationError(
                f"{emulator.where(at)} jumps through {instruction.op_str}: such code cannot be moved"
            )
