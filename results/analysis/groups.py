"""Every arm of a run, estimated and judged, for tables, reports, claims and figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from model.common.process import WORKER_START_S
from model.vocabulary.calibration import NOP_BYTES
from model.vocabulary.margin import Margin
from model.vocabulary.scenario import DEFAULTS, usual_of
from results.analysis.conditions import Condition, Levels
from results.analysis.estimate import Overhead, overhead
from results.analysis.same_code import mixed
from results.analysis.verdict import (
    CONFIDENCE,
    Judgement,
    alpha_divisor,
    chance,
    floor_of,
    half_after,
    holm,
    judge,
)
from results.reading.cpus import Core, core_of
from results.reading.load import MeasuredScenario, Run
from results.reading.quiet import BUSY

HEAVY_LOAD_PCT: Final = 25
FEW_PROCESSES: Final = 5
LEAST_FAMILY: Final = 3
CLOCK_RATIO: Final = 1.001
"""Largest ratio of two processes' time stamp counter rates on one machine; beyond it a clock was wrong."""


@dataclass(frozen=True)
class Judged:
    """An estimate in one condition of the core, and its verdict."""

    overhead: Overhead
    judgement: Judgement


@dataclass(frozen=True)
class Cell:
    """One arm of one scenario, judged: the headline, and each condition of which there was enough.

    Attributes
    ----------
    condition
        What the headline is of; None: neither, or unknown.
    """

    scenario: MeasuredScenario
    overhead: Overhead
    judgement: Judgement
    predicted_cycles: float | None
    seconds_needed: float | None
    condition: Condition | None = None
    conditions: Mapping[Condition, Judged] = field(default_factory=dict)

    @property
    def other(self) -> tuple[Condition, Judged] | None:
        """The condition that is not the headline's."""
        return next(((name, j) for name, j in self.conditions.items() if name != self.condition), None)


@dataclass(frozen=True)
class Group:
    """A scenario's cells, with noise floors and warnings."""

    scenario: MeasuredScenario
    cells: list[Cell]
    floor_ns: float | None
    layout_floor_ns: float | None
    warnings: list[str]
    busy: bool = False
    """Whether the core was in neither condition for long enough, so that there is no verdict."""
    condition: Condition | None = None
    floors: Mapping[Condition, float | None] = field(default_factory=dict)
    """Noise floor in each condition."""

    @property
    def base_ns(self) -> float:
        """Quiet level of the scenario's first base."""
        return self.cells[0].overhead.base_ns


def usual(groups: Sequence[Group], *free: str, **fixed: str) -> list[Group]:
    """The groups of one kernel's usual scenarios.

    Parameters
    ----------
    free
        Axes that may have any value.
    fixed
        Axes with a value of their own.
    """
    wanted = {**usual_of(fixed.get("kernel", DEFAULTS["kernel"])), **fixed}
    return [
        group
        for group in groups
        if all(group.scenario.axes[axis] == value for axis, value in wanted.items() if axis not in free)
    ]


@dataclass(frozen=True, eq=False)
class Analysis:
    """A run with its groups: a command makes it once, and passes it to all that it prints."""

    run: Run
    margin: Margin
    groups: list[Group]


def analysis_of(run: Run, margin: Margin) -> Analysis:
    """Analyse a run at a margin."""
    return Analysis(run, margin, analyse(run, margin))


def analyse(run: Run, margin: Margin) -> list[Group]:
    """Estimate and judge every arm but base, scenario by scenario."""
    core = core_of(run.facts)
    groups = [_group(scenario, margin, core) for scenario in run.scenarios]
    return [group for group in groups if group.cells]


@dataclass(frozen=True)
class _Table:
    """All arms of a scenario in one condition, judged together."""

    rows: list[Judged]
    twin: Overhead | None
    floor_ns: float | None
    layout_floor_ns: float | None


def _table(scenario: MeasuredScenario, levels: Levels, margin: Margin) -> _Table:
    """Each condition has a noise floor and an error rate of its own, as each scenario has."""
    estimates = [overhead(scenario, arm, levels) for arm in scenario.arms if arm.variant != "base"]
    known = [estimate for estimate in estimates if estimate is not None]
    twin = next((estimate for estimate in known if estimate.arm.variant == "base-twin"), None)
    layout = layout_floor(scenario, levels)
    floors = [floor for floor in (floor_of(twin), layout) if floor is not None]
    floor = max(floors) if floors else None
    looks = looks_of(scenario)
    judged = [estimate for estimate in known if estimate is not twin]
    errors = dict(zip(map(id, judged), holm([chance(e, floor or 0.0) for e in judged], looks), strict=True))
    rows = []
    for estimate in known:
        own_floor = 0.0 if estimate is twin else floor
        error = errors.get(id(estimate), (1 - CONFIDENCE) / alpha_divisor(looks))
        rows.append(Judged(estimate, judge(estimate, margin, own_floor, error, looks)))
    return _Table(rows, twin, floor, layout)


def _group(scenario: MeasuredScenario, margin: Margin, core: Core | None) -> Group:
    levels = Levels(scenario)
    headline = _table(scenario, levels, margin)
    # Only files with a slot reference know the condition; older ones keep their verdicts and name none.
    condition = levels.condition if levels.knows_sibling else None
    tables: dict[Condition, _Table] = {}
    if condition is not None:
        others = (each for each in levels.enough if each != condition)
        tables = {condition: headline} | {c: _table(scenario, Levels(scenario, c), margin) for c in others}
    busy = levels.knows_sibling and condition is None
    cells = []
    for row in headline.rows:
        estimate, judgement = row.overhead, row.judgement
        if busy:
            judgement = replace(judgement, verdict="undecided", detectable_ns=None, more_processes=None)
        # Beside a sibling the core's width is not the arm's own.
        width = core.width if core is not None and condition != "shared" else None
        predicted = estimate.slots / width if width is not None and estimate.slots is not None else None
        own = {c: j for c, t in tables.items() for j in t.rows if j.overhead.arm == estimate.arm}
        seconds = _seconds(scenario, judgement)
        cells.append(Cell(scenario, estimate, judgement, predicted, seconds, condition, own))
    warnings = list(_warnings(scenario, levels, headline, margin))
    floors = {c: table.floor_ns for c, table in tables.items()}
    layout = headline.layout_floor_ns
    return Group(scenario, cells, headline.floor_ns, layout, warnings, busy, condition, floors)


def undecided(run: Run, margin: Margin) -> dict[str, frozenset[str]]:
    """Scenarios with an undecided arm, by name, each with the names of these arms."""
    groups = analyse(run, margin)
    found = {
        group.scenario.name: frozenset(
            cell.overhead.arm.name for cell in group.cells if cell.judgement.verdict == "undecided"
        )
        for group in groups
    }
    return {name: arms for name, arms in found.items() if arms}


def halves_after(run: Run, wanted: Mapping[str, int]) -> list[float]:
    """Half-widths of all arms' 95 % intervals, ns per page, once each scenario has so many processes."""
    halves = [
        half_after(cell.overhead, wanted[group.scenario.name] / len(group.scenario.processes))
        for group in analyse(run, Margin(1.0, percent=True))
        for cell in group.cells
    ]
    return [half for half in halves if half is not None]


def looks_of(scenario: MeasuredScenario) -> int:
    """How often --until-decided looked at this scenario; 0: never."""
    return max(int(process.facts.get("looks", 0)) for process in scenario.processes)


def layout_floor(scenario: MeasuredScenario, levels: Levels) -> float | None:
    """Apparent cost of shifting the following code by 1 to 9 bytes, ns per page.

    The largest distance of one of the NOPs from their mean; None where fewer than three were measured.
    """
    family = [arm for arm in scenario.arms if arm.variant.startswith(NOP_BYTES)]
    costs = [estimate.ns for arm in family if (estimate := overhead(scenario, arm, levels)) is not None]
    if len(costs) < LEAST_FAMILY:
        return None
    middle = sum(costs) / len(costs)
    return max(abs(ns - middle) for ns in costs)


def _seconds(scenario: MeasuredScenario, judgement: Judgement) -> float | None:
    if judgement.more_processes is None:
        return None
    durations = [float(p.facts["duration"]) for p in scenario.processes if "duration" in p.facts]
    if not durations:
        return None
    return judgement.more_processes * (sum(durations) / len(durations) + WORKER_START_S)


def _matters(twin: Overhead, margin: Margin) -> bool:
    """Whether the A/A control differs from base significantly, and by more than a tenth of the margin."""
    interval = twin.interval_ns(0.95)
    significant = interval is not None and (interval[0] > 0 or interval[1] < 0)
    return significant and abs(twin.ns) > 0.1 * margin.ns(twin.base_ns)


def _warnings(scenario: MeasuredScenario, levels: Levels, table: _Table, margin: Margin) -> Iterator[str]:
    overheads, twin = [row.overhead for row in table.rows], table.twin
    count = len(scenario.processes)
    if count == 1:
        yield "one process only, so there is no interval: measure with -p 6 or more"
    elif count < FEW_PROCESSES:
        yield f"{count} processes only: intervals are wide; measure with -p 6 or more"
    measured = [sum(estimate.arm in p.ns for p in scenario.processes) for estimate in overheads]
    rest = [(each.processes, own) for each, own in zip(overheads, measured, strict=True)]
    used, own = min(rest, key=lambda row: row[0] / row[1], default=(count, count))
    if used < own:
        state = "beside no busy sibling" if levels.condition == "shared" else "busy"
        yield f"figures rest on {used} of {own} processes; the others were {state} for most of their time"
    if all(process.builds == 1 for process in scenario.processes):
        yield "one build: the cost in this compilation, not the mean over builds; --builds 24 measures that"
    for estimate in overheads:
        if estimate.levels is not None:
            low, high = estimate.levels
            levels_text = f"{low:+z.3f} and {high:+z.3f} ns"
            yield f"{estimate.arm.name}: processes lie on two levels, {levels_text}; measure more of them"
    yield from mixed(scenario)
    looks = looks_of(scenario)
    if looks:
        span = f"arms in {min(measured)} to {max(measured)} processes, " if len({*measured}) > 1 else ""
        yield f"measured until decided, {span}in {looks} looks: each look's error is a share of the whole"
    if twin is None:
        yield "base-twin was not measured, so there is no noise floor"
    elif _matters(twin, margin):
        yield "base-twin, the A/A control, differs from base: nothing below the noise floor can be claimed"
    if levels.condition == "shared":
        yield "too few processes were alone on their core: the figures are those beside a busy sibling"
    elif levels.condition is None:
        claims = "; nothing is claimed: measure again" if levels.knows_sibling else ""
        yield f"measured under heavy load: too few processes had quiet blocks, so all are used{claims}"
    elif levels.quiet_share < 0.5:
        yield f"only {levels.quiet_share:.0%} of the blocks were quiet; the others are set aside"
    beside = [p.facts.get("sibling") == BUSY for p in scenario.processes]
    if any(beside) and levels.condition == "alone":
        yield "--sibling busy, but the core was alone by its reference: the topology names another core's CPU"
    others = [p.facts for p, own in zip(scenario.processes, beside, strict=True) if not own]
    busy = [float(facts["busy_pct"]) for facts in others if "busy_pct" in facts]
    if busy and sum(busy) / len(busy) > HEAVY_LOAD_PCT:
        yield f"measured under heavy load: others took {sum(busy) / len(busy):.0f} % of the CPUs"
    steal = [float(p.facts["steal_pct"]) for p in scenario.processes if "steal_pct" in p.facts]
    if steal and sum(steal) / len(steal) > 2:
        yield f"the hypervisor took {sum(steal) / len(steal):.1f} % of the time (steal)"
    rates = [float(p.facts["ticks_per_ns"]) for p in scenario.processes if "ticks_per_ns" in p.facts]
    if rates and max(rates) > CLOCK_RATIO * min(rates):
        span = f"{min(rates):.4f} to {max(rates):.4f} ticks per ns"
        yield f"the clock ran at {span}: times of its processes differ"
    shown = [levels.of[id(p)] if p.bare is None else p.bare for p in scenario.processes]
    centre = [float(times.mean()) for times in shown]
    if max(centre) > 1.15 * min(centre):
        yield f"the level moved from {min(centre):.2f} to {max(centre):.2f} ns between processes"
