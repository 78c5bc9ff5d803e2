"""Synthetic runs whose truth is known: what the machine does to a measurement, made to order.

`document` makes a file's content; `scenario_of` makes the same in memory, for simulations by the hundred.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.vocabulary.margin import Margin
from model.vocabulary.scenario import axes_of, name_of
from results.analysis.groups import Analysis, analysis_of
from results.reading.load import Arm, MeasuredScenario, Process, Run

Arms = dict[tuple[str, str], float]
"""(variant, gate) to true overhead, ns per page."""
Steps = dict[tuple[str, str], tuple[float, ...]]
"""(variant, gate) to what it costs on top in each phase, ns per page."""
Floats = npt.NDArray[np.float64]

HEADLINE: Arms = {
    ("base", "none"): 0.0,
    ("base-twin", "none"): 0.0,
    ("v1", "jump-label"): 0.25,
    ("v1", "memory-flag"): 0.26,
    ("keyfirst", "jump-label"): 0.01,
    ("nop", "none"): 0.0,
    ("load", "none"): 0.1,
    ("load-compare", "none"): 0.25,
    ("load-compare-store", "none"): 0.35,
}
SLOTS = {"nop": 1, "load": 1, "load-compare": 2, "load-compare-store": 3}
STACK_PLACES = 8
PLACEMENTS = 16
CYCLE_NS = 0.25
ZEN5 = {
    "cpu_vendor": "AuthenticAMD",
    "cpu_family": "26",
    "cpu_model": "2",
    "cpu_stepping": "1",
    "cpu_microcode": "0xb00215a",
    "cpu_core_type": "only",
}
OFF: Arms = {(variant, "none"): cost for (variant, _), cost in HEADLINE.items()}


@dataclass
class FakeHost:
    """How a machine disturbs: all in fractions of the base level unless said."""

    base_ns: float = 15.0
    noise: float = 0.003
    """Of one block, per arm."""
    between: float = 0.0005
    """Of one process, per arm: code and data placement that averaging leaves."""
    placement: float = 0.01
    drift: float = 0.0
    """Of the level, per block."""
    spikes: float = 0.0
    """Share of blocks in which the machine is busy, half as slow again."""
    tails: bool = False
    """Student noise with three degrees of freedom."""
    rare: float = 0.0
    """Share of builds in which arms but base and its twin cost `rare_ns` more, drawn anew in each cell."""
    slow: float = 0.0
    """Share of processes that are slow, by `rare_ns` in every arm but base and its twin."""
    rare_ns: float = 10.0


@dataclass
class FakeRun:
    """One run to make."""

    arms: Arms = field(default_factory=lambda: dict(HEADLINE))
    processes: int = 8
    blocks: int = 8
    seed: int = 1
    machine: FakeHost = field(default_factory=FakeHost)
    axes: dict[str, str] = field(default_factory=dict)
    builds: int = 8
    """Phases; 0 makes a file as it was before builds."""
    steps: Steps = field(default_factory=dict)
    """What an arm costs on top in each phase, ns per page."""

    @property
    def per_block(self) -> int:
        """Cells of a value."""
        return math.lcm(self.builds, STACK_PLACES) if self.builds else 1

    def truth(self, arm: tuple[str, str]) -> float:
        """Mean overhead over all builds and processes, ns per page."""
        machine = self.machine
        more = 0.0 if arm[0].startswith("base") else (machine.rare + machine.slow) * machine.rare_ns
        return self.arms[arm] + float(np.mean(self.steps.get(arm, (0.0,)))) + more

    def scenario_axes(self) -> dict[str, str]:
        """The axes and the name they form."""
        axes = {"memcg": "on-idle", "page_kind": "plain", "memory": "warm", "order": "sequential"}
        axes |= {"depth": "pcp", "checks": "on", "entry": "__free_pages"} | self.axes
        name = "/".join(axes[name] for name in ("memcg", "page_kind", "memory", "order", "depth"))
        if "kernel" in axes:  # with all that is unusual, as a measured run has it
            name = name_of(axes_of(axes))
        return {"scenario": name, **axes}


@dataclass
class Measured:
    """What one process measured: every arm's cells, and base as compiled, block by block, ns per page."""

    cells: Floats
    """float64[arms, blocks, cells of a block]."""
    bare: Floats


def measure(session: FakeRun, rng: np.random.Generator) -> Measured:
    """One process."""
    machine, count, size = session.machine, len(session.arms), session.per_block
    shape = (count, session.blocks, size)
    noise = rng.standard_t(3, shape) / np.sqrt(3) if machine.tails else rng.standard_normal(shape)
    level = 1 + machine.drift * np.arange(session.blocks)
    busy = rng.random(session.blocks) < machine.spikes
    level = level * np.where(busy, 1.5 + 0.2 * rng.random(session.blocks), 1.0)
    own = 1 + machine.between * rng.standard_normal(count)
    truth = (machine.base_ns + np.array(list(session.arms.values())))[:, None, None] * own[:, None, None]
    cells = truth + steps(session) + extra(session, rng, shape)
    disturbed = cells * level[:, None] * (1 + machine.noise * math.sqrt(size) * noise)
    bare = machine.base_ns * level * (1 + machine.noise * rng.standard_normal(session.blocks))
    return Measured(np.asarray(disturbed), np.asarray(bare))


def steps(session: FakeRun) -> Floats:
    """float64[arms, 1, cells of a block], what each phase costs on top."""
    size = session.per_block
    phases = np.arange(size) * max(session.builds, 1) // size
    rows = [np.array(session.steps.get(arm, (0.0,) * size))[phases] for arm in session.arms]
    return np.stack(rows)[:, None, :]


def extra(session: FakeRun, rng: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    """What rare builds and slow processes cost on top; nothing is drawn for a machine without."""
    machine = session.machine
    steps = np.zeros(shape)
    if machine.rare:
        steps += machine.rare_ns * (rng.random(shape) < machine.rare)
    if machine.slow:
        steps += machine.rare_ns * (rng.random() < machine.slow)
    steps[[variant.startswith("base") for variant, _ in session.arms]] = 0.0
    return steps


def blocks_of(session: FakeRun, rng: np.random.Generator) -> Floats:
    """float64[arms, blocks] of one process, ns per page."""
    return np.asarray(measure(session, rng).cells.mean(axis=2))


def scenario_of(session: FakeRun) -> MeasuredScenario:
    """The session as `results.reading.load` would give it, without a file."""
    rng = np.random.default_rng(session.seed)
    arms = [Arm(*arm) for arm in session.arms]
    axes = session.scenario_axes()
    facts = {"cycle_ns": CYCLE_NS, "duration": 0.5} if session.builds else {"duration": 0.5}
    processes = []
    for number in range(session.processes):
        measured = measure(session, rng)
        processes.append(
            Process(
                f"{number:012x}",
                ns={arm: row.ravel() for arm, row in zip(arms, measured.cells, strict=True)},
                placements={arm: np.zeros(0) for arm in arms},
                stacks={arm: np.zeros(0) for arm in arms},
                facts=dict(facts),
                per_block=session.per_block,
                builds=max(session.builds, 1),
                bare=measured.bare if session.builds else None,
            )
        )
    slots = {arm: SLOTS[arm.variant] for arm in arms if arm.variant in SLOTS and session.builds}
    return MeasuredScenario(axes.pop("scenario"), axes, arms, processes, slots)


def benchmarks(session: FakeRun) -> list[dict[str, Any]]:
    """Pyperf's form of every arm."""
    rng = np.random.default_rng(session.seed)
    axes = session.scenario_axes()
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {arm: [] for arm in session.arms}
    for process in range(session.processes):
        measured = measure(session, rng)
        places = np.random.default_rng((session.seed, process))
        for cells, arm in zip(measured.cells, session.arms, strict=True):
            metadata = {
                "pair_id": f"{session.seed:04x}{process:04x}{hash_of(axes['scenario'])}",
                "layout_ns": text_of(
                    cells.mean() * (1 + session.machine.placement * places.standard_normal(PLACEMENTS))
                ),
                "duration": 0.5,
                "load_before": 0.1,
                "busy_pct": 1.0,
                "steal_pct": 0.0,
                "date": "2026-11-24 12:00:00.000000+00:00",
            }
            metadata |= of_builds(session, arm, cells, measured.bare) if session.builds else {}
            runs[arm].append({"metadata": metadata, "values": (cells.mean(axis=1) * 1e-9).tolist()})
    return [
        {
            "metadata": {
                "name": f"{axes['scenario']}: {v}/{g}",
                "story": f"What {v} is.",
                "variant": v,
                "gate": g,
                **axes,
            },
            "runs": runs[v, g],
        }
        for v, g in session.arms
    ]


def of_builds(session: FakeRun, arm: tuple[str, str], cells: Floats, bare: Floats) -> dict[str, Any]:
    """What a run with builds says of one arm in one process."""
    slots = {"slots": SLOTS[arm[0]]} if arm[0] in SLOTS else {}
    return slots | {
        "builds": session.builds,
        "build_scheme": f"both-{session.builds}",
        "build_ns": " ".join(f"{ns:.3f}" for ns in cells.ravel()),
        "bare_ns": text_of(bare),
        "stack_ns": text_of(np.resize(cells.mean(axis=0), STACK_PLACES)),
        "cycle_ns": CYCLE_NS,
        "ticks_per_ns": 2.5,
        "store_bypass": "on",
        **ZEN5,
    }


def text_of(times: Floats) -> str:
    """Numbers as metadata has them."""
    return " ".join(f"{ns:.5f}" for ns in times)


def scaled(data: dict[str, Any], factor: float) -> dict[str, Any]:
    """The same run on a machine that is slower by a factor, in every number."""
    copy: dict[str, Any] = json.loads(json.dumps(data))
    for bench in copy["benchmarks"]:
        for run in bench["runs"]:
            run["values"] = [value * factor for value in run["values"]]
            for name in ("build_ns", "bare_ns", "layout_ns", "stack_ns"):
                if name in run["metadata"]:
                    numbers = [float(word) * factor for word in run["metadata"][name].split()]
                    run["metadata"][name] = " ".join(f"{ns:.6f}" for ns in numbers)
    return copy


def hash_of(text: str) -> str:
    """Short and the same in every process."""
    return f"{sum(ord(char) * place for place, char in enumerate(text, 1)):04x}"


def document(*sessions: FakeRun, **metadata: Any) -> dict[str, Any]:
    """A whole file as data."""
    common = {
        "schema": "freepath.run/1",
        "unit": "second",
        "loops": 128,
        "inner_loops": 2048,
        "hostname": "simulated",
        "cpu_model_name": "None 9000",
        "platform": "Linux-6.1-x86_64",
        "python_version": "3.11.7 (64-bit)",
        "commit": "0123456789ab",
        "numba": "0.68.1",
        "freepath_cpu": "x86-64",
        "freepath_command": "python -m benchmarks --quick -o run.json",
        "seed": 7,
    }
    benches = [bench for session in sessions or (FakeRun(),) for bench in benchmarks(session)]
    return {"version": "1.0", "metadata": common | metadata, "benchmarks": benches}


def headline(seed: int = 1) -> dict[str, Any]:
    """All five memcg states, as a quick run has them."""
    states = ["off", "disabled", "on-idle", "on-active"]
    sessions = [
        FakeRun(arms=OFF if s == "off" else HEADLINE, seed=seed + i, axes={"memcg": s})
        for i, s in enumerate(states)
    ]
    kmem: Arms = {("base", "jump-label"): 0.0, ("base", "memory-flag"): 0.1, ("base-twin", "jump-label"): 0.0}
    kmem |= {("v1", "jump-label"): -0.3, ("v1", "memory-flag"): -0.2}
    charged = FakeRun(arms=kmem, seed=seed + 9, axes={"memcg": "on-charged", "page_kind": "charged"})
    return document(*sessions, charged)


def of_machine(data: dict[str, Any], day: int = 1, **facts: str) -> dict[str, Any]:
    """The same run, measured on a day of November on a machine that these facts say more of."""
    for bench in data["benchmarks"]:
        for made in bench["runs"]:
            made["metadata"] |= {**ZEN5, **facts, "date": f"2026-11-{day:02} 12:00:00+00:00"}
    return data


def write(path: Path, data: Any) -> Path:
    """Write a document; returns its path."""
    path.write_text(json.dumps(data))
    return path


STEADY = FakeHost(noise=0.0005, between=0.00005)
"""On which every target of a calibration is reached."""


def calibration(
    seed: int = 1,
    sessions: int = 4,
    machine: FakeHost | None = None,
    blocks: int = 8,
    builds: int = 8,
) -> dict[str, Any]:
    """A run of --calibrate: null arms, NOPs by length, base against v1, chains of k additions of 0.27 ns."""
    null: Arms = {(name, "none"): 0.0 for name in ("base", "base-twin", "v1-ifdef", "keyfirst", "memcg-data")}
    null |= {(f"nop-bytes-{length}", "none"): 0.05 for length in range(1, 10)}
    pair: Arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0, ("v1", "jump-label"): 0.25}
    chains: Arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0}
    chains |= {(f"chain-{k}", "none"): 18 + 0.27 * k for k in (0, 1, 2, 4, 8, 256)}
    still = machine or FakeHost()
    alike: dict[str, Any] = {"machine": still, "blocks": blocks, "builds": builds}
    return document(
        FakeRun(arms=null, processes=6 * sessions, seed=seed, axes={"memcg": "off"}, **alike),
        FakeRun(arms=pair, processes=45, seed=seed + 1, **alike),
        FakeRun(arms=chains, processes=8, seed=seed + 2, axes={"memcg": "disabled"}, **alike),
    )


def analysed(old: Run, new: Run) -> tuple[Analysis, Analysis]:
    """Two runs as `compare` compares them."""
    return analysis_of(old, Margin(1.0, percent=True)), analysis_of(new, Margin(1.0, percent=True))
