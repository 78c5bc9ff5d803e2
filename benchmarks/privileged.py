"""What of a kernel's code user space cannot run: told by the instructions that the emulator met."""

from typing import Any, Final

import capstone

from benchmarks.emulator import EmulationError, Emulator, Trace
from model.kernels.instructions import name_of

GROUPS: Final = (capstone.CS_GRP_PRIVILEGE, capstone.CS_GRP_INT, capstone.CS_GRP_IRET)
NAMES: Final = (
    "pushf pushfq popf popfq in insb insw insd out outsb outsw outsd rdmsr wrmsr clts wrfsbase wrgsbase "
    "retf retfq lcall ljmp xsetbv"
)
"""Instructions that user space cannot execute, or that mean something else there (Intel SDM, volume 2), and
that Capstone 5 has in none of `GROUPS`."""
PRIVILEGED: Final = frozenset(NAMES.split())


def refuse_privileged(emulator: Emulator, trace: Trace) -> None:
    """Refuse to run natively what user space cannot, or what leads where nobody looked.

    Raises
    ------
    EmulationError
    """
    for at, instruction in trace.decoded.items():
        name = name_of(instruction)
        if name in PRIVILEGED or any(map(instruction.group, GROUPS)):
            raise EmulationError(f"{emulator.where(at)} executes {name}, which user space cannot")
        if _through(instruction):
            raise EmulationError(
                f"{emulator.where(at)} jumps through {instruction.op_str}: such code cannot be moved"
            )


def _through(instruction: Any) -> bool:
    """Whether it is a jump or a call whose target is in a register or in memory."""
    leads = instruction.group(capstone.CS_GRP_JUMP) or instruction.group(capstone.CS_GRP_CALL)
    return bool(leads and instruction.operands[0].type != capstone.x86.X86_OP_IMM)
