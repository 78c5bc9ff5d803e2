"""The instructions that a check may use, and what each of them writes.

The table is ours: Capstone identifies an instruction, but does not reliably say what it writes. Version 5
reports no written register and no written memory for `cmpxchg`, and a load for the stores of `movnti` and
`movups`. The table is checked against the emulator (benchmarks.census.trial).

An `instruction` is one that Capstone decoded with details.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

LONGEST: Final = 15
"""Bytes of the longest instruction."""
LAST, BEFORE = -1, -2
"""Operands in AT&T order: the destination is the last one."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CONDITIONS: Final = _names("a ae b be e g ge l le ne no np ns o p s")
BRANCHES: Final = frozenset({*(f"j{condition}" for condition in CONDITIONS), "jecxz", "jrcxz"})
JUMPS: Final = BRANCHES | {"jmp"}
ON_CONDITION: Final = frozenset(f"{name}{condition}" for name in ("set", "cmov") for condition in CONDITIONS)
BMI: Final = _names("andn bextr blsi blsmsk blsr bzhi mulx pdep pext rorx sarx shlx shrx")
"""General-register instructions that are encoded with VEX; all others are vector code."""

WRITES: Final[Mapping[str, tuple[int | str, ...]]] = {
    **dict.fromkeys(JUMPS, ()),
    **dict.fromkeys(_names("cmp test bt clc stc cmc nop endbr64 pause lfence mfence sfence"), ()),
    **dict.fromkeys(
        _names("prefetch prefetchw prefetchwt1 prefetchnta prefetcht0 prefetcht1 prefetcht2"), ()
    ),
    **dict.fromkeys(_names("clflush clflushopt clwb cldemote"), ()),
    **dict.fromkeys(_names("mov movabs movzx movsx movsxd movbe movnti movdiri lea bswap rdpid"), (LAST,)),
    **dict.fromkeys(_names("add adc sub sbb inc dec neg not and or xor"), (LAST,)),
    **dict.fromkeys(_names("shl sal shr sar rol ror rcl rcr shld shrd bts btr btc bsf bsr"), (LAST,)),
    **dict.fromkeys(_names("popcnt lzcnt tzcnt crc32 adcx adox"), (LAST,)),
    **dict.fromkeys(BMI - {"mulx"}, (LAST,)),
    **dict.fromkeys(ON_CONDITION, (LAST,)),
    **dict.fromkeys(("xchg", "xadd"), (BEFORE, LAST)),
    **dict.fromkeys(("cwd", "cdq", "cqo"), ("rdx",)),
    "imul": (LAST,),
    # Never allowed in a check: they are listed so that the refusal can name what they write.
    **dict.fromkeys(_names("cbw cwde cdqe lahf"), ("rax",)),
    **dict.fromkeys(_names("mul div idiv rdtsc rdpmc xgetbv"), ("rax", "rdx")),
    "cmpxchg": (LAST, "rax"),
    **dict.fromkeys(("cmpxchg8b", "cmpxchg16b"), (LAST, "rax", "rdx")),
    "rdtscp": ("rax", "rcx", "rdx"),
    "cpuid": ("rax", "rbx", "rcx", "rdx"),
    **dict.fromkeys(("loop", "loope", "loopne"), ("rcx",)),
    **dict.fromkeys(_names("push pushf pushfq popf popfq"), ("rsp",)),
    "pop": (LAST, "rsp"),
    **dict.fromkeys(("enter", "leave"), ("rbp", "rsp")),
}
"""Intel's name -> what is written beside the flags: operands, and registers that no operand names."""
LEAVING: Final = _names(
    "call lcall ljmp ret retf retfq int int1 int3 into iret iretd iretq syscall sysenter sysexit sysexitq "
    "sysret sysretq hlt ud0 ud1 ud2 xbegin xabort"
)
"""Instructions that leave the operation."""
ONE_SLOT: Final = _names(
    "mov movabs movzx movsx movsxd lea add sub inc dec neg not and or xor cmp test nop endbr64"
) | (JUMPS - {"jecxz", "jrcxz"})
"""Instructions of one dispatch slot on Intel and AMD since 2013, a load included (uops.info, Agner Fog)."""
SHIFTS: Final = _names("shl sal shr sar rol ror")
"""Instructions of one slot where the shift count is constant."""
SPLIT_AFTER_CMP: Final = frozenset({"js", "jns", "jo", "jno", "jp", "jnp"})
"""Jumps that are fused with `test`, but with `cmp` by AMD only."""

FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    **{f"r{x}x": (f"r{x}x", f"e{x}x", f"{x}x", f"{x}l", f"{x}h") for x in "abcd"},
    **{f"r{name}": (f"r{name}", f"e{name}", name, f"{name}l") for name in ("si", "di", "bp", "sp")},
    **{f"r{n}": (f"r{n}", f"r{n}d", f"r{n}w", f"r{n}b") for n in range(8, 16)},
}
"""64-bit register -> its names, and those of its parts."""
GENERAL: Final = {part: whole for whole, parts in FAMILIES.items() for part in parts}

LOCK: Final = 0xF0
VEX: Final = (0xC4, 0xC5, 0x62)
X87: Final = range(0xD8, 0xE0)
PREFIXES: Final = bytes(
    [0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, LOCK, 0xF2, 0xF3, *range(0x40, 0x50)]
)
VECTOR_REGISTER: Final = re.compile(r"[xyz]?mm\d+|k[0-7]")


def shown(code: bytes) -> str:
    """Bytes of an instruction that cannot be decoded, up to the longest possible."""
    return code[:LONGEST].hex(" ")


def name_of(instruction: Any) -> str:
    """Intel's name, without prefix and size: `inc` for `lock incl`."""
    return str(instruction.insn_name())


def registers(instruction: Any) -> Iterator[str]:
    """Registers that are operands; those of an address are none."""
    from capstone.x86 import X86_OP_REG

    return (instruction.reg_name(op.reg) for op in instruction.operands if op.type == X86_OP_REG)


def written(instruction: Any) -> tuple[set[str], list[Any]]:
    """Registers, by their names of 64 bits, and memory operands that it writes.

    Raises
    ------
    KeyError
        For an instruction that is not in `WRITES`.
    """
    from capstone.x86 import X86_OP_MEM, X86_OP_REG

    writes = WRITES[name_of(instruction)]
    implicit = {place for place in writes if isinstance(place, str)}
    operands = list(instruction.operands)
    if name_of(instruction) == "imul" and len(operands) == 1:
        implicit, writes = {"rax", "rdx"}, ()
    targets = [operands[place] for place in writes if isinstance(place, int)]
    named = {instruction.reg_name(op.reg) for op in targets if op.type == X86_OP_REG}
    return {GENERAL.get(name, name) for name in named | implicit}, [
        op.mem for op in targets if op.type == X86_OP_MEM
    ]


def locked(instruction: Any) -> bool:
    """Whether it is a locked operation: `xchg` with memory is one without the prefix."""
    from capstone.x86 import X86_OP_MEM

    memory = any(op.type == X86_OP_MEM for op in instruction.operands)
    return bool(instruction.prefix[0] == LOCK or (memory and name_of(instruction) == "xchg"))


def vector(instruction: Any) -> bool:
    """Whether it is vector or floating-point code, which the kernel's free path is compiled without."""
    if name_of(instruction) in BMI:
        return False
    opcode = bytes(instruction.bytes).lstrip(PREFIXES)[0]
    return opcode in VEX or opcode in X87 or any(map(VECTOR_REGISTER.fullmatch, registers(instruction)))


def slots(instructions: list[Any]) -> int | None:
    """Dispatch slots; None where they depend on the processor or a branch, or are not the whole cost.

    A comparison and the branch behind it are one slot, except with memory and a constant.
    """
    total = 0
    for before, instruction in zip([None, *instructions], instructions, strict=False):
        name = name_of(instruction)
        skips = name in JUMPS and instruction.operands[0].imm != instruction.address + instruction.size
        if not _one_slot(instruction) or skips:
            return None
        fused = before is not None and name in BRANCHES and _fuses(before)
        if fused and name_of(before) == "cmp" and name in SPLIT_AFTER_CMP:
            return None
        total += not fused
    return total


def _one_slot(instruction: Any) -> bool:
    from capstone.x86 import X86_OP_IMM

    constant = any(op.type == X86_OP_IMM for op in instruction.operands)
    name = name_of(instruction)
    known = name in ONE_SLOT or (name in SHIFTS and constant)
    return known and not locked(instruction) and not written(instruction)[1]


def _fuses(instruction: Any) -> bool:
    from capstone.x86 import X86_OP_IMM, X86_OP_MEM

    kinds = {op.type for op in instruction.operands}
    return name_of(instruction) in ("cmp", "test") and not kinds >= {X86_OP_MEM, X86_OP_IMM}
