"""Where code that is copied elsewhere has operands that count from itself."""

from functools import lru_cache
from typing import Any, Final

CALL_BYTES: Final = 5
CALL_32, JMP_32 = 0xE8, 0xE9


@lru_cache(maxsize=1)
def _decoder() -> Any:
    import capstone

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    return decoder


@lru_cache(maxsize=1 << 14)
def relative_operands(code: bytes) -> tuple[int, ...]:
    """Offsets of the 32-bit distances in a piece of code that lead out of it."""
    if len(code) == CALL_BYTES and code[0] in (CALL_32, JMP_32):
        return (1,)
    from capstone.x86 import X86_OP_IMM, X86_OP_MEM, X86_REG_RIP

    found = []
    for each in _decoder().disasm(code, 0):
        operands = each.operands
        rip = any(one.type == X86_OP_MEM and one.mem.base == X86_REG_RIP for one in operands)
        if rip and each.disp_offset:
            found.append(each.address + each.disp_offset)
        elif _branches(each) and each.imm_size == 4 and operands and operands[0].type == X86_OP_IMM:
            target = operands[0].imm
            if not 0 <= target <= len(code):
                found.append(each.address + each.imm_offset)
    return tuple(found)


def _branches(instruction: Any) -> bool:
    from capstone import CS_GRP_BRANCH_RELATIVE, CS_GRP_CALL

    return bool(instruction.group(CS_GRP_BRANCH_RELATIVE) or instruction.group(CS_GRP_CALL))
