"""Synthetic run files whose truth is known: what the machine does to a measurement, made to order."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arms = dict[tuple[str, str], float]
"""(variant, gate) to true overhead, ns per page."""

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
OFF: Arms = {(variant, "none"): cost for (variant, _), cost in HEADLINE.items()}


@dataclass
class Machine:
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


@dataclass
class Session:
    """One run to make."""

    arms: Arms = field(default_factory=lambda: dict(HEADLINE))
    processes: int = 8
    blocks: int = 8
    seed: int = 1
    machine: Machine = field(default_factory=Machine)
    axes: dict[str, str] = field(default_factory=dict)

    def scenario_axes(self) -> dict[str, str]:
        """The axes and the name they form."""
        axes = {"memcg": "on-idle", "page_kind": "plain", "memory": "warm", "order": "sequential"}
        axes |= {"depth": "pcp", "checks": "on", "entry": "__free_pages"} | self.axes
        name = "/".join(axes[name] for name in ("memcg", "page_kind", "memory", "order", "depth"))
        return axes | {"scenario": name}


def blocks_of(session: Session, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """float64[arms, blocks] of one process, ns per page."""
    machine, count = session.machine, len(session.arms)
    shape = (count, session.blocks)
    noise = rng.standard_t(3, shape) / np.sqrt(3) if machine.tails else rng.standard_normal(shape)
    level = 1 + machine.drift * np.arange(session.blocks)
    busy = rng.random(session.blocks) < machine.spikes
    level = level * np.where(busy, 1.5 + 0.2 * rng.random(session.blocks), 1.0)
    truth = machine.base_ns + np.array(list(session.arms.values()))
    own = 1 + machine.between * rng.standard_normal(count)
    return np.asarray((truth * own)[:, None] * level * (1 + machine.noise * noise))


def benchmarks(session: Session) -> list[dict[str, Any]]:
    """Pyperf's form of every arm."""
    rng = np.random.default_rng(session.seed)
    axes = session.scenario_axes()
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {arm: [] for arm in session.arms}
    for process in range(session.processes):
        values = blocks_of(session, rng)
        for number, arm in enumerate(session.arms):
            places = values[number].mean() * (1 + session.machine.placement * rng.standard_normal(16))
            metadata = {
                "pair_id": f"{session.seed:04x}{process:04x}{hash_of(axes['scenario'])}",
                "layout_ns": " ".join(f"{place:.5f}" for place in places),
                "duration": 0.5,
                "load_before": 0.1,
                "busy_pct": 1.0,
                "steal_pct": 0.0,
                "date": "2026-11-24 12:00:00.000000",
            }
            runs[arm].append({"metadata": metadata, "values": (values[number] * 1e-9).tolist()})
    return [
        {
            "metadata": {"name": f"{axes['scenario']}: {v}/{g}", "variant": v, "gate": g, **axes},
            "runs": runs[v, g],
        }
        for v, g in session.arms
    ]


def hash_of(text: str) -> str:
    """Short and the same in every process."""
    return f"{sum(ord(char) * place for place, char in enumerate(text, 1)):04x}"


def document(*sessions: Session, **metadata: Any) -> dict[str, Any]:
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
    every = [bench for session in sessions or (Session(),) for bench in benchmarks(session)]
    return {"version": "1.0", "metadata": common | metadata, "benchmarks": every}


def headline(seed: int = 1) -> dict[str, Any]:
    """All five memcg states, as a quick run has them."""
    states = ["off", "disabled", "on-idle", "on-active"]
    sessions = [
        Session(arms=OFF if s == "off" else HEADLINE, seed=seed + i, axes={"memcg": s})
        for i, s in enumerate(states)
    ]
    kmem: Arms = {("base", "jump-label"): 0.0, ("base", "memory-flag"): 0.1, ("base-twin", "jump-label"): 0.0}
    kmem |= {("v1", "jump-label"): -0.3, ("v1", "memory-flag"): -0.2}
    charged = Session(arms=kmem, seed=seed + 9, axes={"memcg": "on-charged", "page_kind": "charged"})
    return document(*sessions, charged)


def write(path: Path, data: Any) -> Path:
    """Write a document; returns its path."""
    path.write_text(json.dumps(data))
    return path


def calibration(seed: int = 1, sessions: int = 4) -> dict[str, Any]:
    """A run of --calibrate: null arms, base against v1, chains of k additions of 0.27 ns."""
    null: Arms = {(name, "none"): 0.0 for name in ("base", "base-twin", "v1-ifdef", "keyfirst", "memcg-data")}
    pair: Arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0, ("v1", "jump-label"): 0.25}
    chains: Arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0}
    chains |= {(f"chain-{k}", "none"): 18 + 0.27 * k for k in (0, 1, 2, 4, 8, 256)}
    return document(
        Session(arms=null, processes=6 * sessions, seed=seed, axes={"memcg": "off"}),
        Session(arms=pair, processes=45, seed=seed + 1),
        Session(arms=chains, processes=8, seed=seed + 2, axes={"memcg": "disabled"}),
    )
