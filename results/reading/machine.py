"""The machine of a run: the facts that decide what a free costs there, not its host name."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from model.vocabulary.machine import NAMES, ONLY, identity, plain, said_of
from results.reading.cpus import processor_line
from results.reading.load import Run

LATER: Final = ("cpu_model_name",)
"""Facts that are part of a key only where known: older entries of a folder lack them."""
VENDORS: Final = {"AuthenticAMD": "amd", "GenuineIntel": "intel"}
DIGITS: Final = 8
"""Hexadecimal digits of the digest in a key."""


def machine_of(run: Run) -> dict[str, str]:
    """The facts that a run knows of its machine; one in which its processes differ is left out."""
    processes = [process.facts for scenario in run.scenarios for process in scenario.processes]
    known = {
        name: plain(name, facts[name]) for facts in reversed(processes) for name in NAMES if name in facts
    }
    return {name: known[name] for name in NAMES if name in known and name not in run.mixed}


def key_of(machine: Mapping[str, str]) -> str:
    """`amd-25-1-1-3f0c9a12`: vendor, family, model, stepping, then a digest of all facts."""
    vendor = VENDORS.get(machine.get("cpu_vendor", ""), "other")
    numbers = [
        re.sub(r"\W", "", machine.get(f"cpu_{name}", "")) or "x" for name in ("family", "model", "stepping")
    ]
    facts = {name: fact for name, fact in identity(machine).items() if name in machine or name not in LATER}
    kind = [] if facts["cpu_core_type"] == ONLY else [re.sub(r"\W", "", facts["cpu_core_type"])]
    text = "\n".join(f"{name}={fact}" for name, fact in facts.items())
    digest = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
    return "-".join([vendor, *numbers, *kind, digest])


def unlike(one: Run, other: Run) -> list[str]:
    """Why two runs are not of one machine: `governor: performance and powersave`; empty when they are."""
    mixes = [f"{run.path} mixes machines: {said_of(run.mixed)}" for run in (one, other) if run.mixed]
    first, second = (identity(machine_of(run)) for run in (one, other))
    return mixes or [
        f"{name}: {first[name]} and {second[name]}" for name in NAMES if first[name] != second[name]
    ]


def product(run: Run) -> str:
    """Of the processor that a run is of: `Zen 4`."""
    return processor_line(run.facts).rpartition("(")[2].partition(":")[0]
