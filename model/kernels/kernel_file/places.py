"""Where a test may be put into a kernel file's path: a register has the page, the flags are dead.

A place is an instruction that ran; what is put in runs right before it, however it is reached. Liveness is
found by reading on from there, both ways of every branch, until the register or the flags are overwritten.
Where that cannot be found, there is no place.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import capstone
from capstone import x86

from model.common.errors import UsageError
from model.kernels.instructions import FAMILIES, GENERAL
from model.kernels.kernel_file.cutting import decoder
from model.kernels.kernel_file.survey import Survey, flags_dead
from model.kernels.user_variants.operation import OperationError, assembled, code_of, with_end
from model.vmlinux.loading import LoadedKernel

FREE: Final = ("rdx", "rcx", "rax", "rsi", "rdi", "r8", "r9", "r10", "r11")
"""Registers that a call may overwrite, the one that users write first."""
ARGUMENTS: Final = frozenset({"rdi", "rsi", "rdx", "rcx", "r8", "r9"})
LOOK_AHEAD: Final = 60
"""Instructions that are read on each way."""
USERS: Final = "rdx"
"""The register that users may write, by name; another one takes its place where it is not dead."""


@dataclass(frozen=True)
class Place:
    """A place.

    Attributes
    ----------
    name
        `free_unref_page+0x4f`.
    address
        Of the instruction that what is put in runs before.
    page, free
        Register that holds the page, and one that may be overwritten.
    """

    name: str
    address: int
    page: str
    free: str


def places(loaded: LoadedKernel, survey: Survey) -> Iterator[Place]:
    """Every place on the path, in the order in which they run."""
    for address in dict.fromkeys(survey.executed):
        if place := place_at(loaded, survey, address):
            yield place


def place_at(loaded: LoadedKernel, survey: Survey, address: int) -> Place | None:
    """The place right before an instruction, if a test can be put in there."""
    page, symbol = survey.registers.get(address), loaded.name(address)
    if page is None or symbol is None or not flags_dead(loaded, address):
        return None
    free = next((name for name in FREE if name != page and register_dead(loaded, address, name)), None)
    return Place(name_of(loaded, address), address, page, free) if free else None


def name_of(loaded: LoadedKernel, address: int) -> str:
    """`free_unref_page+0x4f`."""
    symbol = loaded.name(address)
    return f"{symbol.name}+{address - symbol.start:#x}" if symbol else hex(address)


def place_called(loaded: LoadedKernel, survey: Survey, name: str) -> Place:
    """A place by its name.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    for address in dict.fromkeys(survey.executed):
        if name_of(loaded, address) == name and (place := place_at(loaded, survey, address)):
            return place
    known = list(places(loaded, survey))
    near = ", ".join(place.name for place in known[:6])
    raise UsageError(
        f"--at {name}: no test can be put in there: page, flags or a register are not free; there are "
        f"{len(known)} places, the first ones {near}; --list names all"
    )


def register_dead(loaded: LoadedKernel, address: int, register: str) -> bool:
    """Whether nothing reads a register that holds a value before an instruction."""
    disassembler = decoder()
    waiting, seen = [address], set[int]()
    while waiting:
        at = waiting.pop()
        while at not in seen:
            seen.add(at)
            each = next(disassembler.disasm(loaded.memory.read(at, 15), at, 1), None)
            if each is None or len(seen) > LOOK_AHEAD:
                return False
            reads, writes = _families(each)
            if register in reads or (each.mnemonic == "call" and register in ARGUMENTS):
                return False
            if register in writes or each.mnemonic == "call":
                break
            if each.mnemonic == "ret":
                if register == "rax":
                    return False
                break
            if each.group(capstone.CS_GRP_JUMP):
                if each.operands[0].type != x86.X86_OP_IMM:
                    return False
                if each.mnemonic == "jmp":
                    at = each.operands[0].imm
                    continue
                waiting.append(each.operands[0].imm)
            at += each.size
    return True


def _families(instruction: Any) -> tuple[set[str], set[str]]:
    """64-bit registers that an instruction reads, and those that it overwrites whole."""
    reads, writes = instruction.regs_access()
    names = [{instruction.reg_name(number) for number in numbers} for numbers in (reads, writes)]
    read = {GENERAL[name] for name in names[0] if name in GENERAL}
    # A write of 8 or 16 bits keeps the rest.
    whole = {part for parts in FAMILIES.values() for part in parts[:2]}
    written = {GENERAL[name] for name in names[1] if name in whole}
    if instruction.mnemonic.endswith("cmpxchg"):
        read |= {"rax"}
    if instruction.mnemonic.startswith(("cmov", "bsf", "bsr")):
        read |= written  # what Capstone 5 says is written may be kept: the condition is false, the source 0
    return read, written - read


def inserted(text: str, where: str, place: Place) -> bytes:
    """Machine code of a user's operation at a place: `$0` is the page, edx the free register.

    Raises
    ------
    OperationError
        When it is no plain operation on the page.
    """
    whole = with_end(text)
    code_of(whole, where)  # what a check may be made of is the same as on the models
    parts = dict(zip(FAMILIES[USERS], FAMILIES[place.free], strict=False))
    if "%dh" in whole and "dh" not in parts:
        raise OperationError(f"{where}: %dh has no like in {place.free}, which is free at {place.name}")
    moved = re.sub(r"%(\w+)", lambda name: f"%{parts.get(name[1], name[1])}", whole)
    moved = re.sub(r"\$\{0(:[a-z])?\}|\$0(?!\d)", f"%{place.page}", moved)
    return assembled(moved, where)
