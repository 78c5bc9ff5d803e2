"""Count one arm: bring the machine into steady state, then free a page in the emulator."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from benchmarks.cases import Case, SelectionError
from benchmarks.emulator import Access, Emulator, Trace
from model.kernels import path_of
from model.kernels.store import Store
from model.machine_code.placement import Placement
from model.vocabulary.scenario import AXES, DEFAULTS, Arm, Scenario

WARM_FREES: Final = 3
"""Frees before the counted one: the list is in use, the neighbour exists."""
MANY: Final = 100
"""Largest drain period, in frees, of which every free is traced; a trace takes 2 ms."""
FIGURES: Final = ("instructions", "loads", "stores", "branches", "taken", "locked")


@dataclass
class Counts:
    """Exact counts per freed page; a mean over several frees may be a fraction."""

    figures: dict[str, float] = field(default_factory=dict)
    accesses: dict[Access, float] = field(default_factory=dict)
    trace: Trace | None = None
    """Of a single free; None for a mean over several."""

    @classmethod
    def mean(cls, traces: Sequence[Trace]) -> "Counts":
        """Per freed page, over calls in a row; the bytes of code are per call."""
        frees = sum(trace.freed for trace in traces)
        figures = {name: sum(getattr(trace, name) for trace in traces) / frees for name in FIGURES}
        figures["lines"] = sum(len(trace.lines) for trace in traces) / frees
        figures["code_bytes"] = sum(trace.code_bytes for trace in traces) / len(traces)
        accesses: Counter[Access] = Counter()
        for trace in traces:
            accesses.update(trace.accesses)
        means = {access: count / frees for access, count in sorted(accesses.items())}
        return cls(figures, means, traces[0] if frees == 1 else None)

    def document(self) -> dict[str, Any]:
        """As in the census JSON."""
        return {
            **{name: number(value) for name, value in self.figures.items()},
            "accesses": rows(self.accesses),
        }

    def over(self, base: "Counts") -> dict[str, Any]:
        """What this arm adds to base, as counts and as accesses (negative: base has more)."""
        added = {name: number(value - base.figures[name]) for name, value in self.figures.items()}
        accesses = sorted(set(self.accesses) | set(base.accesses))
        more = {access: self.accesses.get(access, 0) - base.accesses.get(access, 0) for access in accesses}
        return {**added, "accesses": rows({access: count for access, count in more.items() if count})}


def number(value: float) -> int | float:
    """An integer where it is one, else six digits."""
    return int(value) if value == int(value) else round(value, 6)


def rows(accesses: dict[Access, float]) -> list[dict[str, Any]]:
    """Accesses as plain data."""
    return [
        {
            "op": a.op,
            "object": a.object,
            "field": a.field,
            "offset": a.offset,
            "size": a.size,
            "count": number(count),
        }
        for a, count in accesses.items()
    ]


def count_case(case: Case, store: Store) -> dict[Arm, dict[str, Counts]]:
    """Count every arm of a case: `plain`, or at depth `full` `plain`, `drain` and `mean`."""
    return {arm: _figures(trace_arm(case.scenario, arm, store), case.scenario) for arm in case.arms}


def _figures(traces: list[Trace], scenario: Scenario) -> dict[str, Counts]:
    if scenario.depth != "full" or scenario.block_order:
        return {"plain": Counts.mean(traces)}
    middle = traces[len(traces) // 2]
    return {"plain": Counts.mean([middle]), "drain": Counts.mean(traces[-1:]), "mean": Counts.mean(traces)}


def trace_arm(scenario: Scenario, arm: Arm, store: Store) -> list[Trace]:
    """Trace one free, or at depth `full` all from one drain to the next.

    Of more than `MANY` only the middle one and the last are traced; the others count as the middle one.
    """
    return traced(scenario, arm, store)[1]


def check_one_kind(scenario: Scenario) -> None:
    """Refuse a mix: one page is traced, and the pages of a mix differ.

    Raises
    ------
    SelectionError
    """
    if scenario.mixed:
        raise SelectionError(
            f"{scenario.share} % {scenario.page_kind} pages are a mix, and a census traces a single page: "
            f"choose share={DEFAULTS['share']}, and one of {', '.join(AXES['page_kind'])}"
        )


def traced(scenario: Scenario, arm: Arm, store: Store) -> tuple[Placement, list[Trace]]:
    """Free pages into steady state, then trace the counted frees; returns the code and the traces."""
    check_one_kind(scenario)
    path, order = path_of(scenario), scenario.block_order
    full = scenario.depth == "full" and not order
    start = path.start(scenario, np.random.default_rng(0), counting=arm)
    machine = start.machine
    (placement,) = machine.place(store.load(path.image(scenario, arm)))
    name = path.free(scenario, arm)
    address = placement.address(name)
    machine.activate()
    # The first frees are emulated too: the emulator names an instruction that it does not know; a processor
    # without that instruction would end the process.
    emulator = Emulator(machine, [placement])
    # One more free would change the stock that the scenario sets; that of a kernel file has room for them.
    warm = 0 if full or (scenario.stock != DEFAULTS["stock"] and not start.gated) else WARM_FREES
    for free in range(warm):
        emulator.call(address, *start.arguments(free))
    native = placement.function(name, 2)
    traces = list[Trace]()
    frees = start.drained_every if full else 1
    followed = range(frees) if frees <= MANY else (frees // 2, frees - 1)
    for free in range(warm, warm + frees):
        arguments = start.arguments(free)
        if free - warm in followed:
            page = machine.memory.page_address(free * start.at_once << order)
            traces.append(emulator.call(address, *arguments, page=page))
            traces[-1].freed = start.at_once
        elif free == warm:
            emulator.call(address, *arguments)
        else:
            native(*arguments)
    machine.check()
    if frees > MANY:
        traces = [traces[0]] * (frees - 1) + traces[1:]
    return placement, traces
