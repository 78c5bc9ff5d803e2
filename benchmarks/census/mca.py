"""--mca: what llvm-mca predicts for the instructions of one free: plausibility, no verdict."""

import ctypes
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any, Final

import capstone

from benchmarks.cases import Case
from benchmarks.census.counting import traced
from benchmarks.emulator import Trace
from model.common.errors import FreepathError
from model.kernels.store import Store
from model.vocabulary.scenario import base_of

ITERATIONS: Final = 100
CYCLES: Final = re.compile(r"^Total Cycles:\s+(\d+)$", re.MULTILINE)


def predictions(cases: Sequence[Case], store: Store, cpu: str) -> Iterator[str]:
    """One line per arm: predicted cycles per page, and over base."""
    program = shutil.which("llvm-mca")
    if program is None:
        yield "no llvm-mca on PATH, so no prediction; it comes with LLVM (Debian: apt install llvm)"
        return
    yield f"llvm-mca -mcpu={cpu}: cycles per page over {ITERATIONS} frees, no cache misses"
    for case in cases:
        if case.scenario.depth == "full":
            continue
        cycles: dict[Any, float] = {}
        for arm in case.arms:
            cycles[arm] = predict(program, traced(case.scenario, arm, store)[1][0], cpu)
            over = cycles[arm] - cycles[base_of(arm, case.arms)]
            yield f"{case.scenario.name}: {arm.name}  {cycles[arm]:.2f}  {over:+.2f}"


def predict(program: str, trace: Trace, cpu: str) -> float:
    """Cycles per free of the straight line of instructions that ran.

    Raises
    ------
    FreepathError
        When llvm-mca does not know the CPU or an instruction.
    """
    command = [program, f"-mcpu={cpu}", f"-iterations={ITERATIONS}", "-instruction-info=false"]
    command += ["-resource-pressure=false", "-mtriple=x86_64"]
    done = subprocess.run(command, input=assembly(trace), capture_output=True, text=True, errors="replace")
    match = CYCLES.search(done.stdout)
    if done.returncode != 0 or match is None:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no cycles printed"]
        raise FreepathError(f"llvm-mca failed: {lines[0]}")
    return int(match[1]) / ITERATIONS


def assembly(trace: Trace) -> str:
    """AT&T text of every instruction in the order in which they ran."""
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.syntax = capstone.CS_OPT_SYNTAX_ATT
    lines = []
    for at in trace.path:
        (instruction,) = decoder.disasm(ctypes.string_at(at, trace.executed[at]), at)
        lines.append(f"{instruction.mnemonic} {instruction.op_str}")
    return "\n".join(lines) + "\n"
