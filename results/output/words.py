"""Texts that tables, pages and figures share: rounded numbers, headings, footers, warnings."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from model.common.streams import note
from model.vocabulary.formats import OLDER_INSTRUMENT
from model.vocabulary.machine import said
from model.vocabulary.margin import Margin
from model.vocabulary.scenario import RELEASE
from results.analysis.conditions import SAID
from results.analysis.groups import Cell, Group
from results.analysis.texts import interval_text
from results.reading.cpus import processor_line
from results.reading.load import Run

REAL_FREE_CYCLES: Final = (80, 110)
"""A real order-0 free, cycles per page: Gorman, 12 April 2016, v4.6-rc3, minimum, free alone, batches of 1 to
64, before and after his series. 79 to 108 cycles once his division by batch is corrected to batch + 1."""
REAL_FREE_GHZ: Final = 4.0

HEADINGS: Final = (
    "arm",
    "mean, ns",
    "95 % interval",
    "corrected",
    "cycles",
    "%",
    "sd",
    "pay, save",
    "verdict",
)
"""Mean over builds; cycles, in brackets the prediction dispatch slots / width; sd over builds, ns; share
of builds that pay, and that save, more than half a cycle."""
NUMERIC: Final = frozenset(HEADINGS) - {"arm", "verdict"}


def number(value: float | None) -> float | None:
    """Six significant digits; None for a value that is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")


def pair(interval: tuple[float, float] | None) -> list[float | None] | None:
    """An interval as a list."""
    return None if interval is None else [number(interval[0]), number(interval[1])]


def escape(text: str) -> str:
    """Markdown that shows an untrusted text as it is."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in text)


def run_facts(run: Run) -> dict[str, Any]:
    """Machine, commit and command; a list where the file mixes several."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in run.facts.items()}


def fact_texts(run: Run) -> dict[str, str]:
    """The same as texts: `1 and 2` where the file mixes several."""
    return {name: said(value) for name, value in run.facts.items()}


def note_doubts(*runs: Run) -> None:
    """Print the runs' warnings on standard error, where the output itself has none."""
    for run in runs:
        for doubt in run.doubts:
            note(f"{run.path}: {doubt}")


def note_instruments(old: Run, new: Run) -> None:
    """Say on standard error where two instruments measured."""
    before, after = (said(run.facts.get("instrument", OLDER_INSTRUMENT)) for run in (old, new))
    if before != after:
        note(f"measured by two instruments, {before} and {after}: a difference may be theirs")


def run_warnings(run: Run) -> Iterator[str]:
    """Warnings about the file as a whole."""
    yield from run.doubts
    mixable = {
        "commit": "commits",
        "seed": "seeds",
        "numba": "versions of Numba",
        "freepath_cpu": "CPU targets",
        "build_scheme": "build schemes",
        "instrument": "instruments",
        "store_bypass": "settings of store bypass",
        "sibling": "states of the sibling",
        "builds": "numbers of builds",
    }
    for name, what in mixable.items():
        if isinstance(run.facts.get(name), tuple):
            yield f"the file mixes {len(run.facts[name])} {what}"
    commits = run.facts.get("commit", "")
    if any("-dirty" in commit for commit in (commits if isinstance(commits, tuple) else (commits,))):
        yield "measured from a checkout with changes that are not committed"
    settings = (str(process.facts.get("aslr", "")) for s in run.scenarios for process in s.processes)
    if any(setting.startswith("No randomization") for setting in settings):
        yield "measured without address randomisation: intervals lack the effect of data and stack addresses"


def row_of(cell: Cell) -> tuple[str, ...]:
    """A cell as texts under `HEADINGS`."""
    overhead, judged = cell.overhead, cell.judgement
    spread = overhead.spread
    return (
        overhead.arm.name,
        f"{overhead.ns:+z.3f}",
        interval_text(judged.ci95),
        interval_text(judged.ci95_corrected),
        cycles_text(cell),
        f"{overhead.pct:+z.2f}",
        "" if spread.sd_ns is None else f"{spread.sd_ns:.2f}",
        "" if spread.paying is None or spread.saving is None else f"{spread.paying:.0%}, {spread.saving:.0%}",
        verdict_text(cell),
    )


def cycles_text(cell: Cell) -> str:
    """Cycles, and in brackets the prediction slots / width."""
    cycles = cell.overhead.cycles
    if cycles is None:
        return ""
    return f"{cycles:+z.2f}" + ("" if cell.predicted_cycles is None else f" ({cell.predicted_cycles:.2f})")


def verdict_text(cell: Cell) -> str:
    """The verdict; for `undecided` with the detectable overhead and the time that would settle it."""
    judged = cell.judgement
    if judged.verdict != "undecided" or judged.detectable_ns is None:
        return judged.verdict
    text = f"undecided (would see {judged.detectable_ns:.2f} ns"
    return f"{text})" if cell.seconds_needed is None else f"{text}; {spoken(cell.seconds_needed)} more)"


def margin_text(margin: Margin) -> str:
    """`1 % of the modelled path`, or `0.05 ns`."""
    return f"{margin.value:g} % of the modelled path" if margin.percent else f"{margin.value:g} ns"


def spoken(seconds: float) -> str:
    """A time in short form: `17 s`, `34 min`, `2.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def title_of(group: Group) -> str:
    """Scenario, base level, noise floor, processes, condition of the core."""
    floor = "no noise floor" if group.floor_ns is None else f"noise floor {group.floor_ns:.3f}"
    scenario = group.scenario
    bare = group.cells[0].overhead.bare_ns
    base = f"base {group.base_ns:.2f} ns/page"
    base += "" if bare == group.base_ns else f" over all builds ({bare:.2f} as compiled)"
    cells = len(group.cells[0].overhead.spread.differences)
    builds = f", {cells} builds" if group.cells[0].overhead.spread.builds > 1 else ", one build"
    used = max(cell.overhead.processes for cell in group.cells)
    total = len(scenario.processes)
    count = f"{total} processes" if used == total else f"{used} of {total} processes used"
    condition = f", {SAID[group.condition]}" if group.condition else ""
    return f"{scenario.name}: {base}, {floor}, {'1 process' if total == 1 else count}{builds}{condition}"


def _median(values: list[float | None]) -> str:
    known = sorted(value for value in values if value is not None)
    return f"{known[len(known) // 2]:.3f}" if known else "unknown"


def noise_line(group: Group) -> str:
    """Sources of this scenario's noise, and the overheads while the machine was busy by whatever."""
    noises = [cell.overhead.noise for cell in group.cells]
    parts: dict[str, list[float | None]] = {
        "within a process": [noise.within for noise in noises],
        "between processes": [noise.between for noise in noises],
        "one placement": [noise.placement for noise in noises],
    }
    text = "noise, sd in ns (median over arms): "
    text += ", ".join(f"{name} {_median(values)}" for name, values in parts.items())
    busy = [
        f"{c.overhead.arm.name} {c.overhead.busy_ns:+z.2f}"
        for c in group.cells
        if c.overhead.busy_ns is not None and "shared" not in c.conditions
    ]
    return text + (f"; while the machine was busy: {', '.join(busy)}" if busy else "")


def other_line(group: Group) -> Iterator[str]:
    """Every arm in the condition that is not the headline's, in one line; nothing where there was one."""
    rows = [(cell.overhead.arm.name, *cell.other) for cell in group.cells if cell.other]
    if not rows:
        return
    condition = rows[0][1]
    base, floor = rows[0][2].overhead.base_ns, group.floors[condition]
    used = max(judged.overhead.processes for _, _, judged in rows)
    shown = (
        f"{name} {judged.overhead.ns:+z.3f} {interval_text(judged.judgement.ci95)} {judged.judgement.verdict}"
        for name, _, judged in rows
    )
    floor_text = "no noise floor" if floor is None else f"noise floor {floor:.3f}"
    yield (
        f"{SAID[condition]}: base {base:.2f} ns/page over all builds, {floor_text}, "
        f"{used} of {len(group.scenario.processes)} processes: {'; '.join(shown)}"
    )


def _whole(run: Run) -> str:
    """What a percentage is of."""
    files = [RELEASE.fullmatch(scenario.axes["kernel"]) for scenario in run.scenarios]
    return "the kernel file's own path" if all(files) else "the modelled path, which is shorter"


def footer(run: Run, groups: Sequence[Group]) -> Iterator[str]:
    """Lines below every table."""
    facts = fact_texts(run)
    about = [processor_line(run.facts), *(facts[name] for name in ("hostname", "commit") if name in facts)]
    if facts.get("store_bypass") == "off":
        about.append("store bypass off")
    if facts.get("sibling") == "busy":
        about.append("sibling kept busy")
    yield " · ".join(about)
    if "freepath_command" in facts:
        yield f"made by: {facts['freepath_command']}"
    low, high = REAL_FREE_CYCLES
    yield (
        f"A real order-0 free was measured at {low} to {high} cycles (v4.6-rc3, Gorman 2016, batches of 1 to "
        f"64): {low / REAL_FREE_GHZ:.0f} to {high / REAL_FREE_GHZ:.0f} ns at {REAL_FREE_GHZ:g} GHz. "
        f"Percentages here are of {_whole(run)}."
    )
    margins = {f"{cell.judgement.margin_ns:.3f}" for group in groups for cell in group.cells}
    yield (
        f"negligible: 90 % interval within the margin ({min(margins)} to {max(margins)} ns); "
        "costs, saves: the corrected interval (95 % for all arms of a scenario together, by Holm) lies "
        "beyond the noise floor; undecided: in brackets the smallest overhead that this run would have seen, "
        "and the measuring time that would settle it."
    )
    if any(cell.overhead.spread.paying is not None for group in groups for cell in group.cells):
        yield (
            "mean and % over all builds, the margin on base as compiled; cycles: in brackets what dispatch "
            "slots over the CPU's width predicts; pay, save: share of builds beyond half a cycle; that of "
            "base-twin, the A/A control, is noise."
        )
