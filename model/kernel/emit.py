"""From a linked image to position-independent machine code.

Numba's own emission uses the large code model, where every call goes through a register, and puts each
library at a page boundary. Here Numba's optimised IR is emitted once more as the kernel is compiled:
generic x86-64, small code model, direct calls, one text section that runs wherever it is copied.
"""

import io
from typing import Any, Final

import llvmlite.binding as llvm
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_RELOC_TYPE_x64
from numba import types

from model.image import Spec, to_json
from model.kernel.build import link

TRIPLE: Final = "x86_64-unknown-linux-gnu"
PC32: Final = ENUM_RELOC_TYPE_x64["R_X86_64_PC32"]
RELATIVE: Final = (PC32, ENUM_RELOC_TYPE_x64["R_X86_64_PLT32"])
ENTRY_BYTES: Final = 16
OPTIMISATION: Final = 2


class UnusableCodeError(Exception):
    """The compiler produced something that cannot run at any address."""


def optimised_ir(root: Any) -> str:
    """Compile the root and everything it pulls in; LLVM IR after Numba's optimiser."""
    root.compile((types.int64,))
    (result,) = root.overloads.values()
    return str(result.library.get_llvm_str())


def machine_code(ir: str, entries: list[str], cpu: str) -> bytes:
    """An ELF object with the entries and what they call; everything else is dropped.

    Raises
    ------
    UnusableCodeError
        When LLVM does not know the CPU.
    """
    module = llvm.parse_assembly(ir)
    for function in module.functions:
        if not function.is_declaration:
            function.linkage = "external" if function.name in entries else "internal"
    for variable in list(module.global_variables):
        if not variable.is_declaration:
            variable.linkage = "internal"
    target = llvm.Target.from_triple(TRIPLE).create_target_machine(
        cpu=cpu, opt=OPTIMISATION, reloc="pic", codemodel="small"
    )
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options()))
    return bytes(target.emit_object(module))


def read_object(data: bytes) -> dict[str, Any]:
    """Take the text section, its functions and its jump table out of an ELF object.

    Returns
    -------
    `code` (hex), `functions` {name: [offset, bytes]}, `jump_table` [[site, target, key], ...], all
    offsets from the start of `code`.

    Raises
    ------
    UnusableCodeError
        When the text still refers to something outside of it.
    """
    elf: Any = ELFFile(io.BytesIO(data))
    text_index, text = next((i, s) for i, s in enumerate(elf.iter_sections()) if s.name == ".text")
    symbols = elf.get_section_by_name(".symtab")
    functions = {
        symbol.name: [symbol["st_value"], symbol["st_size"]]
        for symbol in symbols.iter_symbols()
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] == text_index
    }
    code = _resolved(elf, text_index, text.data(), symbols)
    return {"code": code.hex(), "functions": functions, "jump_table": _jump_table(elf, symbols)}


def _resolved(elf: Any, text_index: int, code: bytes, symbols: Any) -> bytes:
    """Fill in the direct calls between the image's own functions."""
    patched = bytearray(code)
    section = elf.get_section_by_name(".rela.text")
    for relocation in section.iter_relocations() if section else []:
        symbol = symbols.get_symbol(relocation["r_info_sym"])
        if relocation["r_info_type"] not in RELATIVE or symbol["st_shndx"] != text_index:
            raise UnusableCodeError(f"the code refers to {symbol.name or 'data'} outside of itself")
        at = relocation["r_offset"]
        distance = symbol["st_value"] + relocation["r_addend"] - at
        patched[at : at + 4] = distance.to_bytes(4, "little", signed=True)
    return bytes(patched)


def _jump_table(elf: Any, symbols: Any) -> list[list[int]]:
    """Entries {s32 site, s32 target, s64 key}; the first two are still relocations against .text."""
    section = elf.get_section_by_name("__jump_table")
    if section is None:
        return []
    table = section.data()
    places: dict[int, int] = {}
    for relocation in elf.get_section_by_name(".rela__jump_table").iter_relocations():
        if relocation["r_info_type"] != PC32:
            raise UnusableCodeError(f"jump table: relocation type {relocation['r_info_type']}")
        symbol = symbols.get_symbol(relocation["r_info_sym"])
        places[relocation["r_offset"]] = symbol["st_value"] + relocation["r_addend"]
    return [
        [places[at], places[at + 4], int.from_bytes(table[at + 8 : at + ENTRY_BYTES], "little")]
        for at in range(0, len(table), ENTRY_BYTES)
    ]


def emit(spec: Spec, cpu: str) -> dict[str, Any]:
    """Compile one image; plain data, ready to be stored."""
    root, entries = link(spec)
    code = read_object(machine_code(optimised_ir(root), entries, cpu))
    return {"spec": to_json(spec), "cpu": cpu, "entries": entries, **code}
