"""What one call in a kernel file executes, found in the emulator: which functions run, so what is cut out."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import unicorn
from unicorn import x86_const as x86

from benchmarks.emulator import EmulationError, Emulator, Trace
from benchmarks.privileged import refuse_privileged
from model.kernels.kernel_file.arms import KEPT
from model.kernels.kernel_file.known import KnownFile
from model.kernels.kernel_file.path import FilePath
from model.kernels.kernel_file.start import FileStart
from model.kernels.kernel_file.survey import Survey
from model.vocabulary.scenario import Arm, Scenario

WARM: Final = 3
"""Calls until the lists are in use and the former head of the list is a page, too."""
NUMBERS: Final = {name: getattr(x86, f"UC_X86_REG_{name.upper()}") for name in KEPT}
LIMIT: Final = 20_000
"""Instructions of one call: a world that is ill made leads into printk, which does not return."""


def survey(file: KnownFile, scenario: Scenario) -> Survey:
    """Run calls in the emulator, and keep what the last one executed.

    Raises
    ------
    FreepathError
        When there is no such free, one does not end, or leaves its pages elsewhere than on their list.
    """
    scenario = scenario.but(memory="warm", access="sequential")
    start = FilePath(file).start(scenario, np.random.default_rng(0), counting=Arm("base", "none"))
    emulator = Emulator(start.machine, [])
    name = file.entry_name(scenario.entry)
    address = file.loaded().symbol(name)
    for number in range(WARM - 1):
        run(emulator, start, address, number)
    last = range((WARM - 1) * start.at_once, WARM * start.at_once)
    registers = _Registers(emulator, map(start.page_address, last))
    trace = run(emulator, start, address, WARM - 1)
    pages = [page << scenario.block_order for page in range(WARM * start.at_once)]
    if fault := start.fault(pages):
        raise EmulationError(f"{name}: {fault}")
    return Survey(name, tuple(trace.executed), registers.found(), _stores(trace), unfit_for(emulator, trace))


def run(emulator: Emulator, start: FileStart, address: int, number: int) -> Trace:
    """Make the n-th call in the emulator; what it meets that it cannot run names the function.

    Raises
    ------
    EmulationError
    """
    try:
        page = start.page_address(number * start.at_once)
        return emulator.call(address, *start.arguments(number), page=page, limit=LIMIT)
    except EmulationError as error:
        where = emulator.where(emulator.cpu.reg_read(x86.UC_X86_REG_RIP))
        raise EmulationError(f"{error}; it was in {where}") from None


def unfit_for(emulator: Emulator, trace: Trace) -> str:
    """Why user space cannot run what ran; empty where it can."""
    try:
        refuse_privileged(emulator, trace)
    except EmulationError as error:
        return str(error)
    return ""


def _stores(trace: Trace) -> dict[str, tuple[int, ...]]:
    """Fields of the page that were written and never read, with the instructions that wrote them."""
    accesses = [(at, access) for at, access in trace.sequence if access.object == "page"]
    read = {access.field for _, access in accesses if access.op == "load"}
    stores: dict[str, set[int]] = {}
    for at, access in accesses:
        if access.op == "store" and access.field not in read:
            stores.setdefault(access.field, set()).add(at)
    return {field: tuple(sorted(places)) for field, places in stores.items()}


class _Registers:
    """Which register holds the page that is freed, before each instruction that runs once for each page.

    Parameters
    ----------
    emulator
        It is looked at from now on.
    pages
        Addresses of the pages that the call frees.
    """

    def __init__(self, emulator: Emulator, pages: Iterable[int]) -> None:
        self._pages = Counter(pages)
        self._seen: dict[int, dict[str, list[int]]] = {}
        self._last = 0
        emulator.cpu.hook_add(unicorn.UC_HOOK_CODE, self._look)

    def found(self) -> dict[int, str]:
        """Address of an instruction -> the register."""
        fit = {
            at: [name for name in KEPT if name in seen and Counter(seen[name]) == self._pages]
            for at, seen in self._seen.items()
        }
        return {at: names[0] for at, names in fit.items() if names}

    def _look(self, cpu: Any, at: int, _: int, __: Any) -> None:
        if at == self._last:  # Unicorn may begin an instruction twice, as `Emulator` knows
            return
        self._last = at
        before = self._seen.get(at) or {}
        here = {}
        for name in KEPT if at not in self._seen else before:
            value = cpu.reg_read(NUMBERS[name])
            if value in self._pages:
                here[name] = [*before.get(name, ()), value]
        self._seen[at] = here
