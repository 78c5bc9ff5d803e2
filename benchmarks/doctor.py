"""--doctor: what this machine will do to a measurement, and what to do about it.

Everything is read from /proc and /sys; a fact that is not there is "unknown", never guessed.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.conditions import Watch

SYS: Final = Path("/sys/devices/system/cpu")
STEAL_S: Final = 1.0
BUSY_PCT, STEAL_PCT = 10.0, 1.0


@dataclass(frozen=True)
class Finding:
    """One fact: its value, whether it disturbs, and what to do then."""

    name: str
    value: str
    disturbs: bool
    advice: str


def read(path: Path) -> str:
    """Contents of a file of /proc or /sys, or "unknown"."""
    try:
        return path.read_text().strip() or "unknown"
    except OSError:
        return "unknown"


def chosen(text: str) -> str:
    """The value in brackets: `always [madvise] never`."""
    return text.partition("[")[2].partition("]")[0] or text


def facts() -> dict[str, str]:
    """What a run stores of the machine, beside pyperf's own metadata."""
    boost = read(SYS / "cpufreq" / "boost")
    no_turbo = read(SYS / "intel_pstate" / "no_turbo")
    turbo = {"0": "off", "1": "on"}.get(boost) or {"1": "off", "0": "on"}.get(no_turbo, "unknown")
    smt = {"1": "on", "0": "off"}.get(read(SYS / "smt" / "active"), "unknown")
    threads = read(SYS / "cpu0" / "topology" / "thread_siblings_list")
    flags = read(Path("/proc/cpuinfo"))
    return {
        "governor": read(SYS / "cpu0" / "cpufreq" / "scaling_governor"),
        "turbo": turbo,
        "smt": smt if threads == "unknown" else f"{smt}, siblings of cpu0: {threads}",
        "clocksource": read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        "thp": chosen(read(Path("/sys/kernel/mm/transparent_hugepage/enabled"))),
        "virtual": "yes" if " hypervisor" in flags else "no",
        "mitigations": mitigations(),
    }


def mitigations() -> str:
    """How many vulnerabilities the kernel works around."""
    states = [read(path) for path in sorted((SYS / "vulnerabilities").glob("*"))]
    active = sum("Mitigation" in state for state in states)
    return f"{active} of {len(states)} active" if states else "unknown"


def findings() -> Iterator[Finding]:
    """Every fact with its judgement; watches the machine for a second."""
    watch = Watch()
    time.sleep(STEAL_S)
    load = watch.metadata()
    busy, steal = load.get("busy_pct", 0.0), load.get("steal_pct", 0.0)
    yield Finding(
        "load",
        f"{load['load_after']:.2f} on {os.cpu_count()} CPUs, others take {busy:.0f} %",
        busy > BUSY_PCT,
        "stop other work; blocks in which the machine is busy are set aside, so it only takes longer",
    )
    yield Finding(
        "steal", f"{steal:.1f} %", steal > STEAL_PCT, "the hypervisor takes time: try later, or another host"
    )
    known = facts()
    yield from _frequency(known)
    smt = known["smt"]
    shared = smt.startswith("on") and ("," in smt.partition(": ")[2] or "-" in smt.partition(": ")[2])
    advice = (
        "a busy sibling doubles the cost of one more load: keep it idle, or --affinity with its twin offline"
    )
    yield Finding("smt", smt, shared, advice)
    clock = known["clocksource"]
    slow = clock not in ("tsc", "kvm-clock", "unknown")
    yield Finding("clock source", clock, slow, "clocksource=tsc on the kernel's command line")
    never = known["thp"] == "never"
    advice = "--memory dram then uses 4 KiB pages, unlike the kernel's memory map: set it to madvise"
    yield Finding("transparent huge pages", known["thp"], never, advice)
    virtual = known["virtual"] == "yes"
    advice = "speed moves by tens of percent for seconds; pairs cancel it, levels do not compare between runs"
    yield Finding("virtual machine", known["virtual"], virtual, advice)
    yield Finding("mitigations", known["mitigations"], False, "")
    aslr = read(Path("/proc/sys/kernel/randomize_va_space"))
    advice = "leave it on (2): placements should differ between processes"
    yield Finding("address randomisation", aslr, aslr == "0", advice)


def _frequency(known: dict[str, str]) -> Iterator[Finding]:
    scaling = known["governor"] not in ("performance", "unknown")
    advice = "python -m pyperf system tune sets the governor to performance (as root)"
    yield Finding("frequency governor", known["governor"], scaling, advice)
    advice = "python -m pyperf system tune switches it off (as root)"
    yield Finding("turbo", known["turbo"], known["turbo"] == "on", advice)


def show(as_json: bool) -> int:
    """Print the findings; returns the exit status: 0, for a disturbed machine can measure too."""
    found = list(findings())
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
        return 0
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    table = Table("", "what", "value", "what to do")
    for finding in found:
        mark = "!" if finding.disturbs else ""
        table.add_row(mark, finding.name, finding.value, finding.advice if finding.disturbs else "")
    console.print(table)
    return 0
