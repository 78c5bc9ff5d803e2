"""From a linked image to position-independent machine code.

Numba's own emission uses the large code model, where every call goes through a register, and puts each
library at a page boundary. Here Numba's optimised IR is emitted once more as the kernel is compiled:
generic x86-64, small code model, direct calls, one text section that runs wherever it is copied.
"""

import io
import os
import re
import struct
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import llvmlite.binding as llvm
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_ST_INFO_TYPE, ENUM_RELOC_TYPE_x64
from llvmlite import ir
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from model.common.errors import CompileError
from model.compiler.function import Compiled, Entries, KernelFunction, Linkage, Types
from model.compiler.insertion_points import MARK, mark, points_of

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

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
REASON: Final = re.compile(r" *(No implementation|Unknown attribute|NameError|Cannot|Invalid|Untyped|Use of)")
MODEL: Final = Path(__file__).parent.parent
LONG_NOPS: Final = "+fast-15bytenop"
"""CPU feature for long NOPs: without it LLVM's assembler pads with shorter ones than its code generator does;
tests/ compare the two."""


class UnusableCodeError(CompileError):
    """The compiler produced something that cannot run at any address."""


def gather(linkage: Linkage, entries: Entries) -> dict[str, Compiled]:
    """Compile the entries and all that they call, by symbol."""
    functions: dict[str, Compiled] = {}
    wanted = dict(entries)
    while wanted:
        name, args = wanted.popitem()
        functions[name] = _compiled(linkage.functions[name], args)
        callees = functions[name].callees
        wanted.update({callee: callees[callee] for callee in callees if callee not in functions})
    # One order for all images, so that addresses of two arms differ no more than necessary.
    return {name: functions[name] for name in linkage.functions if name in functions}


def _compiled(function: KernelFunction, args: Types) -> Compiled:
    """Compile one function; Numba's refusal becomes one line that names the file.

    Raises
    ------
    UnusableCodeError
    """
    try:
        return function.compile(args)
    except NumbaError as error:
        # Numba's message holds the reason among its callers and compiler passes.
        said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        reasons = [line.strip() for line in said.splitlines() if REASON.match(line)]
        places = re.findall(r'File "([^"]+)", line (\d+)', said)
        foreign = [place for place in places if not Path(place[0]).resolve().is_relative_to(MODEL)]
        place = ":".join((foreign or places or [(function.name, "")])[-1]).rstrip(":")
        raise UnusableCodeError(f"{place}: {reasons[-1] if reasons else said.splitlines()[0]}") from None


def link_ir(linkage: Linkage, functions: Mapping[str, Compiled]) -> Any:
    """One LLVM module with the C functions and Numba's own."""
    context = cpu_target.target_context
    definitions = ir.Module("image")
    definitions.triple = TRIPLE
    for name, compiled in functions.items():
        linkage.functions[name].define(context, definitions, compiled)
    module = llvm.parse_assembly(str(definitions))
    for compiled in functions.values():
        module.link_in(llvm.parse_assembly(compiled.ir))
    return module


def assembly(module: Any, entries: Iterable[str], cpu: str) -> str:
    """Optimise and emit the entries and what they call, as assembly."""
    return str(optimised(module, entries, cpu).emit_assembly(module))


def optimised(module: Any, entries: Iterable[str], cpu: str) -> Any:
    """Optimise a module in place; returns the target machine that is to emit it.

    The functions are optimised with a linkage that allows their replacement, so that no constant argument is
    propagated from caller to callee. Afterwards the rest is dropped.
    """
    target = target_machine(cpu)
    tuning = llvm.create_pipeline_tuning_options(speed_level=OPTIMISATION)
    builder = llvm.create_pass_builder(target, tuning)
    kept = set(entries)
    for name in kept:
        module.get_function(name).linkage = "weak_odr"  # linkonce_odr may be dropped where nobody calls it
    builder.getModulePassManager().run(module, builder)
    for value in [*module.functions, *module.global_variables]:
        if not value.is_declaration:
            value.linkage = "external" if value.name in kept else "internal"
    cleanup = llvm.create_new_module_pass_manager()
    cleanup.add_global_dead_code_eliminate_pass()
    cleanup.run(module, builder)
    return target


def target_machine(cpu: str, features: str = "") -> Any:
    """LLVM's back end, set up for position-independent code with direct calls."""
    return llvm.Target.from_triple(TRIPLE).create_target_machine(
        cpu=cpu, features=features, opt=OPTIMISATION, reloc="pic", codemodel="small"
    )


def assemble(text: str, cpu: str) -> bytes:
    """An ELF object, by LLVM's own assembler, so that no other is needed."""
    quoted = '"\\'
    escaped = "".join(c if c.isprintable() and c not in quoted else f"\\{ord(c):02X}" for c in text)
    module = llvm.parse_assembly(f'target triple = "{TRIPLE}"\nmodule asm "{escaped}"\n')
    return bytes(target_machine(cpu, LONG_NOPS).emit_object(module))


def check_cpu(cpu: str) -> None:
    """Refuse a CPU that LLVM does not know; it would only warn, and compile for another.

    Raises
    ------
    UnusableCodeError
    """
    with tempfile.TemporaryFile() as said:
        stderr = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            llvm.Target.from_triple(TRIPLE).create_target_machine(cpu=cpu)
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        said.seek(0)
        if b"not a recognized processor" in said.read():
            raise UnusableCodeError(f"LLVM knows no CPU called '{cpu}': try x86-64, x86-64-v3 or znver4")


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


def emit(linkage: Linkage, entries: Entries, cpu: str) -> dict[str, Any]:
    """Compile one image, whose functions are linked; plain data, ready to be stored.

    Parameters
    ----------
    entries
        The functions that are called from outside.
    cpu
        LLVM's name of the CPU to compile for.

    Raises
    ------
    UnusableCodeError
    """
    check_cpu(cpu)
    text, points = mark(assembly(link_ir(linkage, gather(linkage, entries)), entries, cpu))
    code = read_object(assemble(text, cpu))
    return {**code, **points_of(code, points)}
