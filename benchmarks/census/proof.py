"""Check a user variant before it is measured: it returns, and it leaves memory as base does.

Tests compare base with the oracle, so a variant that leaves memory as base does is correct as well. Both
free the same page from the same state in the emulator, which names every access.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Case
from benchmarks.census.counting import WARM_FREES
from benchmarks.census.trial import effects
from benchmarks.emulator import EmulationError, Emulator
from model.common.errors import FreepathError
from model.kernels import kernel_called
from model.kernels.arrays import address_of
from model.kernels.contract import Machine
from model.kernels.store import Store
from model.kernels.user_variants.operation import code_of
from model.vocabulary.scenario import Arm, base_of

LIMIT: Final = 20_000
"""Most instructions of one free. Among the scenarios a compound block of order 9 on v6.18 needs most, 11,500;
with the page checks on, which no scenario has there, it would be 31,000."""
COUNTERS: Final = "events"
"""The field of per-CPU counters for user variants."""


class UnfitCheckError(FreepathError):
    """The check does what a check must not do."""


def prove(cases: Sequence[Case], names: dict[str, str], store: Store) -> None:
    """Check every arm of these variants, in every state in which it will be measured.

    Parameters
    ----------
    names
        Variant -> what messages call it.

    Raises
    ------
    UnfitCheckError
    """
    seen = set()
    for case in cases:
        for arm in case.arms:
            scenario = case.scenario.but(memory="warm", access="sequential", share="100", spread="periodic")
            if arm.variant in names and (key := (scenario, arm)) not in seen:
                seen.add(key)
                _prove(Case(scenario, case.arms), arm, names[arm.variant], store)


def _prove(case: Case, arm: Arm, where: str, store: Store) -> None:
    base, path, scenario = base_of(arm, case.arms), case.path, case.scenario
    entry = path.free(scenario, arm)
    if scenario.depth == "full" or path.loop(scenario, arm) != path.loop(scenario, base):
        return  # a drain runs no variant's code; where the loops differ, so does what base leaves
    start = path.start(scenario, np.random.default_rng(0), counting=arm)
    machine = start.machine
    codes = [store.load(path.image(scenario, each)) for each in (base, arm)]
    placements = [machine.place(code)[0] for code in codes]
    machine.activate()
    for page in range(WARM_FREES):
        placements[0].function(entry, 2)(machine.memory.page_address(page), 0)
    page = machine.memory.page_address(WARM_FREES)
    before = [array.copy() for array in _memory(machine)]
    after = []
    operation = kernel_called(scenario.kernel).variants[arm.variant].operation
    if operation is not None:
        _try_alone(
            code_of(operation, where), Emulator(machine, placements), page, f"{where}: in {scenario.name}"
        )
    for placement in placements:
        for array, content in zip(_memory(machine), before, strict=True):
            array[:] = content
        emulator = Emulator(machine, [placement])
        try:
            emulator.call(placement.address(entry), page, 0, page=page, limit=LIMIT)
        except EmulationError as error:
            raise UnfitCheckError(f"{where}: in {scenario.name}, {error}") from None
        after.append([array.copy() for array in _memory(machine)])
    names = dict.fromkeys(_differences(machine, emulator, *after))
    if names:
        raise UnfitCheckError(
            f"{where}: in {scenario.name} it leaves {', '.join(names)} in another state "
            "than base does: a check may read everything, and count in kernel.count_event"
        )


def _try_alone(code: bytes, emulator: Emulator, page: int, where: str) -> None:
    """Refuse an operation that the emulator sees change more than edx, the flags and the model's memory."""
    try:
        runs = effects(emulator, code, page, LIMIT)
    except EmulationError as error:
        raise UnfitCheckError(f"{where}, {error}") from None
    if names := {name for run in runs for name in run.others}:
        raise UnfitCheckError(
            f"{where}, it changes {', '.join(sorted(names))}: only edx, the flags and the model's memory "
            "are yours"
        )


def _memory(machine: Machine) -> list[npt.NDArray[np.uint8]]:
    """Everything that the path can write, as bytes."""
    memory = machine.memory
    return [memory.arena.view(np.uint8).reshape(-1), memory.mem_map.view(np.uint8).reshape(-1)]


def _differences(
    machine: Machine, emulator: Emulator, expected: list[Any], actual: list[Any]
) -> Iterator[str]:
    """Names of the words that differ, except counters."""
    for array, one, other in zip(_memory(machine), expected, actual, strict=True):
        for offset in np.flatnonzero(one != other):
            name = ".".join(filter(None, emulator.named(address_of(array) + int(offset), 1)[:2]))
            if COUNTERS not in name:
                yield name
