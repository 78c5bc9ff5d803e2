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
        if why := fault_of(instruction):
            raise EmulationError(f"{emulator.where(at)} {why}")


def fault_of(instruction: Any) -> str:
    """Why an instruction, decoded with its operands, cannot run in user space or be moved; else nothing."""
    name = name_of(instruction)
    if name in PRIVILEGED or any(map(instruction.group, GROUPS)):
        return f"executes {name}, which user space cannot"
    leads = instruction.group(capstone.CS_GRP_JUMP) or instruction.group(capstone.CS_GRP_CALL)
    if leads and instruction.operands[0].type != capstone.x86.X86_OP_IMM:
        return f"jumps through {instruction.op_str}: such code cannot be moved"
    return ""
