"""Read a run: a pyperf file whose runs carry the metadata of `freepath.run/1`.

pyperf's JSON is read directly: importing pyperf costs 0.15 s, and a reader of strangers' files should see
every value before anything acts on it. tests/ check that pyperf reads the same files.
"""

import gzip
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

SCHEMA: Final = "freepath.run/1"
MAX_BYTES: Final = 256 << 20
MAX_TEXT: Final = 500
QUIET_PERCENTILE: Final = 10
"""Of the blocks: low, so that a busy machine does not set the quiet level; not the lowest, a chance."""
MAX_TIMES: Final = 1 << 20
MOST_BUILDS: Final = 4096
MOST_SLOTS: Final = 1000
CELL_ROUNDING: Final = 1e-3
"""Cells are stored to 0.001 ns; a text that was cut or mixed up is off by more."""
AXES: Final = ("memcg", "page_kind", "memory", "order", "depth", "checks", "entry")
TEXTS: Final = (*AXES, "scenario", "variant", "gate", "pair_id", "commit")
CPU: Final = ("cpu_vendor", "cpu_family", "cpu_model", "cpu_stepping", "cpu_microcode", "cpu_core_type")
"""Which processor: vendors give one name to several generations ("AMD EPYC")."""
SCHEME: Final = ("build_scheme", "builds", "store_bypass", "code_digest")
"""What is measured, beside the commit: which builds, whether loads may pass stores, which machine code."""
MACHINE: Final = ("hostname", "cpu_model_name", *CPU, "platform", "python_version", "numba", "freepath_cpu")
WORD: Final = re.compile(r"[\w.,:+%-][\w.,:+%/ -]{0,119}", re.ASCII)
"""What a name may look like: it becomes part of titles and file names."""

Array = npt.NDArray[np.float64]


class BadRunError(Exception):
    """The file is no run of freepath; the message says why and what to do."""


@dataclass(frozen=True, order=True)
class Arm:
    """One variant with one gate."""

    variant: str
    gate: str

    @property
    def name(self) -> str:
        """`v1/jump-label`."""
        return f"{self.variant}/{self.gate}"


@dataclass
class Process:
    """One worker: what it measured of every arm, block by block.

    Attributes
    ----------
    ns
        Arm -> float64[cells], ns per page; cell k of every arm is the same build, measured interleaved. A
        file from before builds has one cell per block.
    placements, stacks
        Arm -> float64[places], ns per page at each code placement, and at each place of the stack.
    facts
        Metadata of the process.
    per_block
        Cells of a block (pyperf's value).
    builds
        Phases that were enumerated; 1 for a single compilation.
    bare
        float64[blocks], base as compiled, ns per page; None in older files.
    slot_cycles
        float64[blocks], cycles per dispatched NOP: how much of the core was ours; None in older files.
    """

    pair_id: str
    ns: dict[Arm, Array] = field(default_factory=dict)
    placements: dict[Arm, Array] = field(default_factory=dict)
    stacks: dict[Arm, Array] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    per_block: int = 1
    builds: int = 1
    bare: Array | None = None
    slot_cycles: Array | None = None

    @property
    def phases(self) -> npt.NDArray[np.int64]:
        """int64[cells], number of each cell's phase; a block's cells are in the order of their phase."""
        cells = len(next(iter(self.ns.values())))
        return np.arange(cells) % self.per_block * self.builds // self.per_block


@dataclass
class Scenario:
    """What its arms have in common, and its processes in the order of measuring."""

    name: str
    axes: dict[str, str]
    arms: list[Arm]
    processes: list[Process]
    slots: dict[Arm, int] = field(default_factory=dict)
    """Dispatch slots of the exact arms."""
    quiet_level: float | None = None
    """`slot_cycles` of the quiet machine, over the whole file; None in older files."""

    def base_of(self, arm: Arm) -> Arm:
        """The base an arm is compared with: of its own gate if there is one, else the first."""
        bases = [other for other in self.arms if other.variant == "base"]
        return next((base for base in bases if base.gate == arm.gate), bases[0])


@dataclass
class Run:
    """A whole file.

    Attributes
    ----------
    facts
        Machine, commit and command; a tuple of values where processes differ.
    """

    path: str
    facts: dict[str, Any]
    scenarios: list[Scenario]


def load(path: str | Path) -> Run:
    """Read a run file.

    Raises
    ------
    BadRunError
        For anything but a well-formed run of freepath.
    """
    document = read_json(Path(path))
    scenarios: dict[str, Scenario] = {}
    processes: dict[tuple[str, str], Process] = {}
    try:
        for values, facts in runs_of(document):
            _add(scenarios, processes, values, facts)
    except BadRunError as error:
        raise BadRunError(f"{path}: {error}") from None
    if not scenarios:
        raise BadRunError(f"{path} holds no measured values: measure with python -m benchmarks -o FILE")
    for scenario in scenarios.values():
        _check(scenario, path)
    _set_quiet_level(list(scenarios.values()))
    return Run(str(path), _common(processes.values()), list(scenarios.values()))


def read_json(path: Path) -> Any:
    """A JSON document, unpacked if need be; BadRunError for what is none."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadRunError(f"{path} is larger than {MAX_BYTES >> 20} MiB: no run is")
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            with gzip.open(path) as stream:
                data = stream.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise BadRunError(f"{path} unpacks to more than {MAX_BYTES >> 20} MiB: no run does")
        return json.loads(data, parse_constant=_no_constant)
    except (OSError, EOFError) as error:
        raise BadRunError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except (ValueError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:MAX_TEXT]
        raise BadRunError(f"{path} is no JSON ({what}): expected a file of python -m benchmarks -o") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def runs_of(document: Any) -> Iterator[tuple[list[float], dict[str, Any]]]:
    """Values and merged metadata of every run that has values (calibration has none)."""
    suite = _mapping(document, "the file")
    if "benchmarks" not in suite or not isinstance(suite["benchmarks"], list):
        raise BadRunError("no pyperf file: expected one of python -m benchmarks -o")
    common = _mapping(suite.get("metadata", {}), "metadata")
    for bench in suite["benchmarks"]:
        bench_ = _mapping(bench, "a benchmark")
        shared = {**common, **_mapping(bench_.get("metadata", {}), "a benchmark's metadata")}
        runs = bench_.get("runs")
        if not isinstance(runs, list):
            raise BadRunError("a benchmark has no runs")
        for run in runs:
            run_ = _mapping(run, "a run")
            if run_.get("values"):
                yield (
                    _numbers(run_["values"]),
                    {**shared, **_mapping(run_.get("metadata", {}), "a run's metadata")},
                )


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadRunError(f"{what} is no JSON object")
    return value


def _numbers(values: Any) -> list[float]:
    if not isinstance(values, list):
        raise BadRunError("values are no list")
    for value in values:
        if type(value) not in (int, float) or not 0 < value < 1:
            raise BadRunError(f"{str(value)[:40]} is no time per page in seconds")
    return [float(value) for value in values]


def _add(
    scenarios: dict[str, Scenario],
    processes: dict[tuple[str, str], Process],
    values: list[float],
    facts: dict[str, Any],
) -> None:
    if facts.get("schema") != SCHEMA:
        raise BadRunError(f"a run lacks the metadata of {SCHEMA}: measure with python -m benchmarks -o FILE")
    texts = {name: _text(facts, name) for name in TEXTS}
    arm = Arm(texts["variant"], texts["gate"])
    name = texts["scenario"]
    axes = {axis: texts[axis] for axis in AXES}
    scenario = scenarios.setdefault(name, Scenario(name, axes, [], []))
    if scenario.axes != axes:
        raise BadRunError(f"scenario {name} has runs with different axes")
    if arm not in scenario.arms:
        scenario.arms.append(arm)
    key = (name, texts["pair_id"])
    if key not in processes:
        processes[key] = _process(texts["pair_id"], len(values), facts)
        scenario.processes.append(processes[key])
    process = processes[key]
    if arm in process.ns:
        raise BadRunError(f"{name}: {arm.name} occurs twice in process {texts['pair_id']}")
    process.ns[arm] = _cells(values, facts, process)
    process.placements[arm] = times(facts, "layout_ns")
    process.stacks[arm] = times(facts, "stack_ns") if "stack_ns" in facts else np.zeros(0)
    slots = facts.get("slots")
    if slots is not None:
        if type(slots) is not int or not 0 <= slots <= MOST_SLOTS:
            raise BadRunError(f"metadata slots is {clean(slots)[:40]!r}: no such number")
        scenario.slots[arm] = slots


def _process(pair_id: str, blocks: int, facts: Mapping[str, Any]) -> Process:
    """A process without its arms."""
    builds = facts.get("builds", 1)
    if type(builds) is not int or not 1 <= builds <= MOST_BUILDS:
        raise BadRunError(f"metadata builds is {clean(builds)[:40]!r}: no such number")
    cells = len(times(facts, "build_ns")) if "build_ns" in facts else blocks
    per_block = cells // blocks
    if cells < blocks or cells % blocks or (builds > 1 and per_block % builds):
        raise BadRunError(f"{cells} cells are not as many in each of {blocks} values, with {builds} builds")
    bare, slot_ns = (_per_block(facts, name, blocks) for name in ("bare_ns", "slot_ns"))
    known = _facts(facts)
    cycle_ns = known.get("cycle_ns")
    slot_cycles = slot_ns / float(cycle_ns) if slot_ns is not None and cycle_ns else None
    return Process(
        pair_id, facts=known, per_block=per_block, builds=builds, bare=bare, slot_cycles=slot_cycles
    )


def _per_block(facts: Mapping[str, Any], name: str, blocks: int) -> Array | None:
    """One number per value, or None where the file has none."""
    if name not in facts:
        return None
    numbers = times(facts, name)
    if len(numbers) != blocks:
        raise BadRunError(f"{name} has {len(numbers)} numbers for {blocks} values")
    return numbers


def _set_quiet_level(scenarios: list[Scenario]) -> None:
    """The core is the same for all scenarios of a file, so one that was busy throughout is seen to be."""
    levels = [p.slot_cycles for scenario in scenarios for p in scenario.processes]
    known = [level for level in levels if level is not None]
    if known and len(known) == len(levels):
        quiet = float(np.percentile(np.concatenate(known), QUIET_PERCENTILE))
        for scenario in scenarios:
            scenario.quiet_level = quiet


def _cells(values: list[float], facts: Mapping[str, Any], process: Process) -> Array:
    """Ns per page of every cell; they must be what the values are the means of."""
    means = np.array(values) * 1e9
    if "build_ns" not in facts:
        if process.per_block != 1:
            raise BadRunError(f"an arm of process {process.pair_id} has no build_ns, others have")
        return means
    cells = times(facts, "build_ns")
    if len(cells) != len(values) * process.per_block:
        raise BadRunError(f"arms of process {process.pair_id} differ in their cells")
    if not np.allclose(cells.reshape(len(values), -1).mean(axis=1), means, rtol=1e-6, atol=CELL_ROUNDING):
        raise BadRunError("build_ns does not fit the values, which are the means of its cells")
    return cells


@lru_cache(maxsize=4096)
def _is_word(value: str) -> bool:
    """The same few words stand in every run of a file."""
    return WORD.fullmatch(value) is not None


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    if not isinstance(value, str) or not _is_word(value):
        raise BadRunError(f"metadata {name} is {str(value)[:40]!r}: not as python -m benchmarks writes it")
    return value


def times(facts: Mapping[str, Any], name: str) -> Array:
    """Times in ns per page, separated by spaces; those that were not measured (`nan`) are left out."""
    text = facts.get(name)
    if not isinstance(text, str) or len(text) > MAX_TIMES:
        raise BadRunError(f"{name} is no text of numbers: not as python -m benchmarks writes it")
    try:
        numbers = np.array(text.split(), np.float64)
    except ValueError:
        raise BadRunError(f"{name} is {clean(text)[:40]!r}: not numbers") from None
    measured: Array = numbers[~np.isnan(numbers)]
    if not ((measured > 0) & (measured < 1e9)).all():
        raise BadRunError(f"{name} is {clean(text)[:40]!r}: not ns per page")
    return measured


def clean(value: Any) -> str:
    """A stranger's text, on one line and of bounded length."""
    text = str(value)[:MAX_TEXT]
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as plain short texts and finite numbers."""
    kept: dict[str, Any] = {}
    for name, value in facts.items():
        a_number = isinstance(value, int | float) and not isinstance(value, bool)
        if name in NUMBERS and not (a_number and 0 <= value < 1e6):
            raise BadRunError(f"metadata {name} is {clean(value)[:40]!r}: no such number")
        if isinstance(value, bool | str):
            kept[clean(name)] = clean(value)
        elif isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e18:
            kept[clean(name)] = value
    return kept


NUMBERS: Final = (
    "cycle_ns",
    "ticks_per_ns",
    "duration",
    "busy_pct",
    "steal_pct",
    "looks",
    "load_before",
    "load_after",
)


def _check(scenario: Scenario, path: str | Path) -> None:
    if not any(arm.variant == "base" for arm in scenario.arms):
        raise BadRunError(f"{path}: scenario {scenario.name} has no base to compare with")
    for process in scenario.processes:
        if len({len(cells) for cells in process.ns.values()}) != 1:
            raise BadRunError(f"{path}: {scenario.name}: arms of process {process.pair_id} differ in blocks")
        if scenario.base_of(Arm("", "")) not in process.ns:
            raise BadRunError(f"{path}: {scenario.name}: process {process.pair_id} did not measure the base")


def _common(processes: Any) -> dict[str, Any]:
    """Facts of the run: the value all processes share, or the tuple of their values."""
    names = (*MACHINE, *SCHEME, "commit", "freepath_command", "seed")
    found: dict[str, Any] = {}
    for name in names:
        seen = tuple(dict.fromkeys(p.facts[name] for p in processes if name in p.facts))
        if seen:
            found[name] = seen[0] if len(seen) == 1 else seen
    return found
