"""Read a run: a pyperf file whose runs carry the metadata of `freepath.run/1`, or an unfinished run's folder.

pyperf's JSON is read directly: importing pyperf costs 0.15 s, and every value of an untrusted file is checked
before it is used. tests/ check that pyperf reads the same files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.common.streams import printable
from model.vocabulary import machine
from model.vocabulary.partial_run import PLAIN, PLAN, PROCESS
from model.vocabulary.scenario import Arm as Arm
from model.vocabulary.scenario import axes_of, base_of, name_of
from model.vocabulary.sittings import by_pyperfs_names
from results.reading import formats
from results.reading.arm_code import ArmCode, code_in
from results.reading.document import BadRunError as BadRunError
from results.reading.document import document_in as document_in
from results.reading.document import read_json as read_json
from results.reading.document import regular as regular
from results.reading.quiet import quiet_level
from results.reading.times import MOST_BELOW, NoTimeError, cells, per_block, times
from results.reading.times import Array as Array

MAX_TEXT: Final = 500
MAX_STORY: Final = 2000
SCHEME: Final = ("build_scheme", "instrument", "builds", "store_bypass", "sibling", "code_digest")
"""Facts of what was measured, beside the commit: builds, SSBD, a partner on the sibling, machine code."""
MACHINE: Final = ("hostname", *machine.NAMES, "python_version", "numba", "freepath_cpu")


@dataclass
class Process:
    """One worker process: its measurements of every arm, block by block.

    Attributes
    ----------
    ns
        Arm -> float64[cells], ns per page; cell k of every arm is the same build, measured interleaved. An
        older file, without builds, has one cell per block.
    placements, stacks
        Arm -> float64[places], ns per page at each code placement, and at each place of the stack.
    codes
        Arm -> the code that it ran.
    facts
        Metadata of the process.
    per_block
        Cells of a block (pyperf's value).
    builds
        Phases that were enumerated; 1 for a single compilation.
    bare
        float64[blocks], base as compiled, ns per page; None in older files.
    slot_cycles
        float64[blocks], cycles per dispatched NOP: more when a sibling thread is busy; None in older files.
    calm_cycles
        What all but a tenth of the cells of each part exceed on both sides; None in files without it.
    """

    pair_id: str
    ns: dict[Arm, Array] = field(default_factory=dict)
    placements: dict[Arm, Array] = field(default_factory=dict)
    stacks: dict[Arm, Array] = field(default_factory=dict)
    codes: dict[Arm, ArmCode] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    per_block: int = 1
    builds: int = 1
    bare: Array | None = None
    slot_cycles: Array | None = None
    calm_cycles: Array | None = None
    parts: "Process | None" = None
    """The same, a block for each part of its cells, sorted by how busy the core was; None in older files."""

    @property
    def phases(self) -> npt.NDArray[np.int64]:
        """int64[cells], number of each cell's phase; a block's cells are in the order of their phase."""
        cells = len(next(iter(self.ns.values())))
        return np.arange(cells) % self.per_block * self.builds // self.per_block


@dataclass
class MeasuredScenario:
    """The axes that its arms share, and its processes in the order of measuring."""

    name: str
    axes: dict[str, str]
    arms: list[Arm]
    processes: list[Process]
    slots: dict[Arm, int] = field(default_factory=dict)
    """Dispatch slots of the exact arms."""
    counts: dict[Arm, dict[str, int]] = field(default_factory=dict)
    """What one free by an arm of a kernel file executes: `COUNTS`; other files lack it."""
    stories: dict[str, str] = field(default_factory=dict)
    """Variant -> what it is; older files lack it."""
    quiet_level: float | None = None
    """`slot_cycles` of the quiet machine, over the whole file; None in older files."""

    def base_of(self, arm: Arm) -> Arm:
        """The base an arm is compared with: of its own gate if there is one, else the first."""
        return base_of(arm, self.arms)

    def codes_of(self, arm: Arm) -> tuple[ArmCode, ...]:
        """Every code that ran under an arm's name, in the order of measuring."""
        return tuple(dict.fromkeys(p.codes[arm] for p in self.processes if arm in p.codes))

    @property
    def compares(self) -> bool:
        """Whether any process measured an arm beside its base."""
        pairs = [(arm, self.base_of(arm)) for arm in self.arms if arm.variant != "base"]
        return any(arm in p.ns and base in p.ns for p in self.processes for arm, base in pairs)


@dataclass(eq=False)
class Run:
    """A whole file, or the folder of an interrupted run; never changed, so compared by identity.

    Attributes
    ----------
    facts
        Machine, commit and command; a tuple of values where processes differ.
    doubts
        Warnings about the file: processes that were set aside, machines that are mixed.
    mixed
        Facts of the machine in which its processes differ, with their values; empty for one machine.
    """

    path: str
    facts: dict[str, Any]
    scenarios: list[MeasuredScenario]
    doubts: list[str] = field(default_factory=list)
    mixed: dict[str, tuple[str, ...]] = field(default_factory=dict)


def load(path: str | Path) -> Run:
    """Read a run file, or the folder `FILE.partial` that an interrupted run leaves.

    Raises
    ------
    BadRunError
        For anything but a well-formed run of freepath.
    """
    return _load_partial(Path(path)) if is_partial(path) else run_of(read_json(path), path)


def run_of(document: Any, path: str | Path) -> Run:
    """The run in a document of `read_json`, for a source that can be read only once, such as a pipe.

    Raises
    ------
    BadRunError
    """
    assembly = _Assembly()
    try:
        assembly.add(document)
        return assembly.run(path)
    except BadRunError as error:
        raise type(error)(f"{path}: {error}") from None


def is_partial(path: str | Path) -> bool:
    """Whether this is the folder of a run that was interrupted, or is going on."""
    return (Path(path) / PLAN).is_file()


def _load_partial(folder: Path) -> Run:
    """All complete processes; a file that is damaged is set aside."""
    assembly = _Assembly()
    found = ((PROCESS.fullmatch(path.name), path) for path in folder.iterdir())
    processes = [(int(m[1]), int(m[2]), path) for m, path in found if m and m[3] != PLAIN]
    for *_, path in sorted(processes):
        try:
            assembly.add(read_json(path))
        except BadRunError as error:
            assembly.aside.append(str(error) if str(path) in str(error) else f"{path}: {error}")
    try:
        run = assembly.run(folder)
    except BadRunError as error:
        raise BadRunError(f"{folder}: {error}") from None
    run.doubts.append(clean(f"interrupted: python -m benchmarks --resume {folder} measures what is missing"))
    return run


def runs_of(document: Any) -> Iterator[tuple[Array, dict[str, Any]]]:
    """Values, ns per page, and merged metadata of every run that has values (calibration has none).

    Raises
    ------
    BadRunError
        When the document, as `read_json` gave it, is no pyperf file.
    """
    name = formats.format_of(document)
    if name != "run":
        no_pyperf = "no pyperf file" if isinstance(document, dict) else "no JSON object"
        what = f"a file of {formats.MADE_BY[name]}" if name else no_pyperf
        raise NotARunError(f"{what}, so no run; {formats.MADE_BY['run']} makes one")
    common = document.get("metadata", {})
    for bench in document["benchmarks"]:
        shared = {**common, **bench.get("metadata", {})}
        for run in bench["runs"]:
            if run.get("values"):
                facts = by_pyperfs_names({**shared, **run.get("metadata", {})})
                yield np.array(run["values"], np.float64) * 1e9, facts


class NotARunError(BadRunError):
    """The file is well-formed and of another format."""


COUNTS: Final = ("instructions", "loads", "stores")
Row = tuple[Arm, Array, Mapping[str, Any]]
"""One arm in one process: values, ns per page, and metadata."""


class _Assembly:
    """Collects the processes of one or several files into a run."""

    def __init__(self) -> None:
        self.scenarios: dict[str, MeasuredScenario] = {}
        self.processes: dict[tuple[str, str], Process] = {}
        self.aside: list[str] = []

    def add(self, document: Any) -> None:
        """Add all processes of a document, or none.

        Raises
        ------
        BadRunError
        """
        rows: dict[tuple[str, str], list[Row]] = {}
        scenarios = dict(self.scenarios)
        for values, facts in runs_of(document):
            name, arm, axes = _identity(facts)
            scenario = scenarios.setdefault(name, MeasuredScenario(name, axes, [], []))
            if scenario.axes != axes:
                raise BadRunError(f"scenario {name} has runs with different axes")
            rows.setdefault((name, facts["pair_id"]), []).append((arm, values, facts))
        kept, aside = {}, []
        for (name, pair_id), arms in rows.items():
            what = f"{name}, process {pair_id}"
            try:
                if (name, pair_id) in self.processes:
                    raise BadRunError("it is there twice")
                kept[name, pair_id] = _process(pair_id, arms)
            except NoTimeError as error:
                aside.append(f"{what}: {error}")
            except BadRunError as error:
                raise BadRunError(f"{what}: {error}") from None
        self.aside += aside
        self.processes |= kept
        for key, process in kept.items():
            scenario = self.scenarios.setdefault(key[0], scenarios[key[0]])
            scenario.processes.append(process)
            slots = ((arm, facts["slots"]) for arm, _, facts in rows[key] if "slots" in facts)
            scenario.slots.update(slots)
            for arm, _, its in rows[key]:
                scenario.counts.setdefault(arm, {name: int(its[name]) for name in COUNTS if name in its})
            stories = {arm.variant: facts["story"] for arm, _, facts in rows[key] if "story" in facts}
            scenario.stories |= {variant: clean(story, MAX_STORY) for variant, story in stories.items()}
            scenario.arms += [arm for arm in process.ns if arm not in scenario.arms]

    def run(self, path: str | Path) -> Run:
        """The run.

        Raises
        ------
        BadRunError
            When it has no arm to compare.
        """
        if not self.processes and self.aside:
            raise BadRunError(f"no process can be used: {self.aside[0]}")
        if not self.processes:
            raise BadRunError(f"no measured values in it; {formats.MADE_BY['run']} makes such a file")
        scenarios = list(self.scenarios.values())
        for scenario in scenarios:
            for process in scenario.processes:
                if scenario.base_of(Arm("", "")) not in process.ns:
                    raise BadRunError(
                        f"{scenario.name}: process {process.pair_id} did not measure the base of the others"
                    )
        if not any(scenario.compares for scenario in scenarios):
            raise BadRunError(
                "no arm was measured beside base, so there is nothing to compare; "
                "python -m benchmarks --quick -o FILE measures some"
            )
        level = quiet_level(p.parts or p for scenario in scenarios for p in scenario.processes)
        for scenario in scenarios:
            scenario.quiet_level = level
        total = len(self.processes) + len(self.aside)
        run = Run(str(path), _common(self.processes.values()), scenarios)
        run.mixed = machine.mixed(process.facts for process in self.processes.values())
        if run.mixed:
            mixes = machine.said_of(run.mixed)
            run.doubts.append(clean(f"the file mixes machines ({mixes}): its figures describe none of them"))
        if self.aside:
            run.doubts.append(clean(f"{len(self.aside)} of {total} processes set aside: {self.aside[0]}"))
        return run


REQUIRED: Final[Sequence[str]] = formats.schema("run")["$defs"]["facts"]["required"]
"""Metadata that every run must have, at any level of the file, which the schema cannot express."""


def _identity(facts: Mapping[str, Any]) -> tuple[str, Arm, dict[str, str]]:
    """MeasuredScenario, arm and axes of a run."""
    lacking = next((name for name in REQUIRED if name not in facts), None)
    if lacking:
        kind = NotARunError if lacking == "schema" else BadRunError
        raise kind(
            f"a run lacks the metadata of freepath.run/1 ({lacking}); {formats.MADE_BY['run']} writes it"
        )
    axes = axes_of(facts)
    mix = axes["page_kind"] != facts["page_kind"]  # renamed since
    return name_of(axes) if mix else facts["scenario"], Arm(facts["variant"], facts["gate"]), axes


def _process(pair_id: str, rows: Sequence[Row]) -> Process:
    """A process from the runs of its arms.

    Raises
    ------
    BadRunError, NoTimeError
    """
    _, values, facts = rows[0]
    blocks, builds = len(values), facts.get("builds", 1)
    if type(builds) is not int:  # JSON Schema takes 8.0 for a whole number
        raise BadRunError(f"builds is {builds}, expected a whole number")
    count = len(times(facts, "build_ns")) if "build_ns" in facts else blocks
    size = count // blocks
    if count < blocks or count % blocks or (builds > 1 and size % builds):
        raise BadRunError(f"{count} cells are not as many in each of {blocks} values, with {builds} builds")
    slot_ns, cycle_ns = per_block(facts, "slot_ns", blocks), facts.get("cycle_ns")
    process = Process(
        pair_id,
        facts={clean(name): clean(fact) if isinstance(fact, str) else fact for name, fact in facts.items()},
        per_block=size,
        builds=builds,
        bare=per_block(facts, "bare_ns", blocks),
        slot_cycles=None if slot_ns is None or cycle_ns is None else slot_ns / cycle_ns,
    )
    for arm, means, own in rows:
        if arm in process.ns:
            raise BadRunError(f"{arm.name} occurs twice")
        process.ns[arm] = cells(means, own, size)
        process.placements[arm] = times(own, "layout_ns")
        process.codes[arm] = code_in(own)
        process.stacks[arm] = times(own, "stack_ns") if "stack_ns" in own else np.zeros(0)
    if len(set(map(len, process.ns.values()))) != 1:
        raise BadRunError("its arms differ in blocks")
    if not any(arm.variant == "base" for arm in process.ns):
        raise BadRunError("it has no base to compare with")
    process.parts = _parts(process, rows, cycle_ns)
    return process


def _parts(process: Process, rows: Sequence[Row], cycle_ns: float | None) -> Process | None:
    """The process with a block for each part of its cells, where the file has them.

    Raises
    ------
    BadRunError, NoTimeError
    """
    if cycle_ns is None or any("part_ns" not in own or "part_slot_ns" not in own for _, _, own in rows):
        return None
    ns = {arm: times(own, "part_ns") for arm, _, own in rows}
    levels = times(rows[0][2], "part_slot_ns")
    if {len(row) for row in ns.values()} != {len(levels)}:
        raise BadRunError("its arms differ in their parts")
    calm = times(rows[0][2], "part_calm_slot_ns") if "part_calm_slot_ns" in rows[0][2] else None
    if calm is not None and (len(calm) != len(levels) or (MOST_BELOW * calm > levels).any()):
        raise BadRunError("part_calm_slot_ns does not fit part_slot_ns, the busier side of the same parts")
    base = next(arm for arm in ns if arm.variant == "base")
    bare = None if process.bare is None else process.bare.mean() * ns[base] / process.ns[base].mean()
    calm = None if calm is None else calm / cycle_ns
    return replace(process, ns=ns, per_block=1, bare=bare, slot_cycles=levels / cycle_ns, calm_cycles=calm)


def clean(value: Any, most: int = MAX_TEXT) -> str:
    """An untrusted text on one line, of bounded length, with control characters made visible."""
    return printable(str(value)[:most])


def _common(processes: Iterable[Process]) -> dict[str, Any]:
    """Facts of the run: the value all processes share, or the tuple of their values."""
    metadata: dict[str, Any] = {}
    for name in (*MACHINE, *SCHEME, "commit", "freepath_command", "seed"):
        seen = tuple(dict.fromkeys(p.facts[name] for p in processes if name in p.facts))
        if seen:
            metadata[name] = seen[0] if len(seen) == 1 else seen
    return metadata
