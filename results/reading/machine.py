"""Which machine a run is of: what decides what a free costs there, and never what somebody calls it."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from results.reading.load import CPU, Run

FACTS: Final = (*CPU, "smt", "governor", "virtual", "platform", "thp")
"""Vendor, family, model, stepping, microcode, core type; SMT, governor, hypervisor, kernel, huge pages.

P and E cores of one processor are two machines, as is one processor with another microcode or kernel.
"""
VENDORS: Final = {"AuthenticAMD": "amd", "GenuineIntel": "intel"}
DIGITS: Final = 8
"""Of the digest in a key."""


def machine_of(run: Run) -> dict[str, str]:
    """The facts that a run knows of its machine; one that its processes do not agree on is left out."""
    facts = {}
    for name in FACTS:
        seen = {_plain(name, p.facts[name]) for s in run.scenarios for p in s.processes if name in p.facts}
        if len(seen) == 1:
            facts[name] = seen.pop()
    return facts


def _plain(name: str, value: Any) -> str:
    """Without what says which CPU of it was measured, or which C library was there."""
    text = str(value)
    return {"smt": text.partition(",")[0], "platform": re.sub(r"-with-.*", "", text)}.get(name, text)


def key_of(machine: Mapping[str, str]) -> str:
    """`amd-25-1-1-3f0c9a12`: what people tell machines apart by, then a digest of all facts."""
    vendor = VENDORS.get(machine.get("cpu_vendor", ""), "other")
    numbers = [
        re.sub(r"\W", "", machine.get(f"cpu_{name}", "")) or "x" for name in ("family", "model", "stepping")
    ]
    kind = [] if machine.get("cpu_core_type", "only") == "only" else [machine["cpu_core_type"]]
    text = "\n".join(f"{name}={machine.get(name, 'unknown')}" for name in FACTS)
    digest = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
    return "-".join([vendor, *numbers, *kind, digest])


def unlike(one: Run, other: Run) -> list[str]:
    """What two machines are known to differ in: `governor: performance and powersave`."""
    first, second = machine_of(one), machine_of(other)
    both = [name for name in FACTS if name in first and name in second]
    return [f"{name}: {first[name]} and {second[name]}" for name in both if first[name] != second[name]]
