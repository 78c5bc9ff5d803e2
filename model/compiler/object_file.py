"""LLVM as this package sets it up, and what is taken out of its object files: all that needs no Numba.

The process that only assembles an operation (`assembler`) starts in a third of the time so.
"""

import io
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import llvmlite.binding as llvm
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_ST_INFO_TYPE, ENUM_RELOC_TYPE_x64

from model.common.errors import CompileError
from model.compiler.insertion_points import MARK

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
llvm.initialize_native_asmparser()

TRIPLE: Final = "x86_64-unknown-linux-gnu"
CONSTANTS: Final = ".LCPI"
"""Prefix of LLVM's names for constants that no instruction can hold."""
PC32: Final = ENUM_RELOC_TYPE_x64["R_X86_64_PC32"]
RELATIVE: Final = (PC32, ENUM_RELOC_TYPE_x64["R_X86_64_PLT32"])
ENTRY_BYTES: Final = 16
SYMBOL: Final = struct.Struct("<IBBHQQ")
"""Elf64_Sym: name, type and binding, visibility, section, value, size."""
FUNCTION: Final = ENUM_ST_INFO_TYPE["STT_FUNC"]
OPTIMISATION: Final = 2


class UnusableCodeError(CompileError):
    """The compiler produced something that cannot run at any address."""


def target_machine(cpu: str, features: str = "") -> Any:
    """LLVM's back end, set up for position-independent code with direct calls."""
    return llvm.Target.from_triple(TRIPLE).create_target_machine(
        cpu=cpu, features=features, opt=OPTIMISATION, reloc="pic", codemodel="small"
    )


def read_object(data: bytes) -> dict[str, Any]:
    """Take the text section, its functions and its jump table out of an ELF object.

    Returns
    -------
    `code` (hex), `functions` {name: [offset, bytes]}, `jump_table` [[site, target, key], ...], `marks`
    {symbol of `mark`: offset}, all offsets from the start of `code`.

    Raises
    ------
    UnusableCodeError
        When the text still refers to something outside of it.
    """
    elf: Any = ELFFile(io.BytesIO(data))
    text_index, text = next((i, s) for i, s in enumerate(elf.iter_sections()) if s.name == ".text")
    symbols = _symbols(elf)
    functions = {
        symbol.name: [symbol.value, symbol.size]
        for symbol in symbols
        if symbol.is_function and symbol.section == text_index
    }
    marks = {symbol.name: symbol.value for symbol in symbols if symbol.name.startswith(MARK)}
    code = _resolved(elf, text_index, text.data(), symbols)
    return {
        "code": code.hex(),
        "functions": functions,
        "jump_table": _jump_table(elf, symbols),
        "marks": marks,
    }


class Symbol(NamedTuple):
    """A line of the symbol table; `value` is an offset in its section."""

    name: str
    is_function: bool
    section: int
    value: int
    size: int


def _symbols(elf: Any) -> list[Symbol]:
    """All of them in the table's order: pyelftools takes a tenth of the compilation for 1,600."""
    table = elf.get_section_by_name(".symtab")
    names = elf.get_section(table["sh_link"]).data()
    made = []
    for at, info, _, section, value, size in SYMBOL.iter_unpack(table.data()):
        name = names[at : names.index(b"\0", at)].decode()
        made.append(Symbol(name, info & 0xF == FUNCTION, section, value, size))
    return made


def _resolved(elf: Any, text_index: int, code: bytes, symbols: Sequence[Symbol]) -> bytes:
    """Fill in the direct calls between the image's own functions."""
    patched = bytearray(code)
    section = elf.get_section_by_name(".rela.text")
    for relocation in section.iter_relocations() if section else []:
        symbol = symbols[relocation["r_info_sym"]]
        if relocation["r_info_type"] not in RELATIVE or symbol.section != text_index:
            what = f"the code refers to {symbol.name or 'data'} outside of itself"
            if symbol.name.startswith(CONSTANTS):
                what = "it needs floating point or vectors, which the kernel's code does without"
            raise UnusableCodeError(what)
        at = relocation["r_offset"]
        distance = symbol.value + relocation["r_addend"] - at
        patched[at : at + 4] = distance.to_bytes(4, "little", signed=True)
    return bytes(patched)


def _jump_table(elf: Any, symbols: Sequence[Symbol]) -> list[list[int]]:
    """Entries {s32 site, s32 target, s64 key}; the first two are still relocations against .text."""
    section = elf.get_section_by_name("__jump_table")
    if section is None:
        return []
    table = section.data()
    places: dict[int, int] = {}
    for relocation in elf.get_section_by_name(".rela__jump_table").iter_relocations():
        if relocation["r_info_type"] != PC32:
            raise UnusableCodeError(f"jump table: relocation type {relocation['r_info_type']}")
        symbol = symbols[relocation["r_info_sym"]]
        places[relocation["r_offset"]] = symbol.value + relocation["r_addend"]
    return [
        [places[at], places[at + 4], int.from_bytes(table[at + 8 : at + ENTRY_BYTES], "little")]
        for at in range(0, len(table), ENTRY_BYTES)
    ]
