"""From a linked image to position-independent machine code.

Numba's own emission uses the large code model, where every call goes through a register, and puts each
library at a page boundary. Here Numba's optimised IR is emitted once more as the kernel is compiled:
generic x86-64, small code model, direct calls, one text section that runs wherever it is copied.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from model.compiler.function import Compiled, Entries, KernelFunction, Linkage, Types
from model.compiler.insertion_points import mark, points_of
from model.compiler.object_file import OPTIMISATION, TRIPLE, UnusableCodeError, read_object, target_machine

REASON: Final = re.compile(r" *(No implementation|Unknown attribute|NameError|Cannot|Invalid|Untyped|Use of)")
MODEL: Final = Path(__file__).parent.parent
LONG_NOPS: Final = "+fast-15bytenop"
"""CPU feature for long NOPs: without it LLVM's assembler pads with shorter ones than its code generator does;
tests/ compare the two."""


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
    """One LLVM module with the C functions and Numba's own.

    Numba's are internal, so that LLVM drops each once it is inlined into its C function. Else it optimises
    a second copy, which nobody calls, and that took half of its time.
    """
    context = cpu_target.target_context
    definitions = ir.Module("image")
    definitions.triple = TRIPLE
    for name, compiled in functions.items():
        linkage.functions[name].define(context, definitions, compiled)
    module = llvm.parse_assembly(str(definitions))
    for compiled in functions.values():
        module.link_in(llvm.parse_bitcode(compiled.bitcode))
    for function in module.functions:
        if function.name not in functions and not function.is_declaration:
            function.linkage = "internal"
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
