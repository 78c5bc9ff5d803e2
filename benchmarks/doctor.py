"""--doctor: what disturbs measurements on this machine, and what helps.

Everything is read from /proc and /sys; a fact that is not there is "unknown", never guessed.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.commit import UNKNOWN
from benchmarks.core_types import SYSTEM, by_kind, text_of
from benchmarks.machine_load import Watch
from benchmarks.process_settings import addresses_fixed, can_hold_loads, loads_wait
from model.common.errors import FreepathError
from model.common.limits import address_space_limit, cpu_quota, group_memory, groups_seen, usable_cpus
from model.common.streams import say
from model.common.system_files import cpu_list, cpus_in
from model.common.system_files import read as read_file
from model.common.tables import console
from model.kernels.store import COMPILER_SPACE
from model.machine_code.cpu_caches import reported, sizes
from model.machine_code.region import Region
from model.vocabulary.machine import ONLY

SYS: Final = SYSTEM / "system" / "cpu"
STEAL_S: Final = 1.0
BUSY_PCT, STEAL_PCT = 10.0, 1.0
FAST_CLOCKS: Final = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", UNKNOWN)
"""Clock sources without a system call: the time stamp counter, or a page by which a hypervisor scales it."""
RANDOMIZE: Final = Path("/proc/sys/kernel/randomize_va_space")
ASLR: Final = {"0": "No randomization", "1": "Conservative randomization", "2": "Full randomization"}
"""Value of that file -> pyperf's words for it."""
LARGEST: Final = 1 << 30
"""Size of the page array of --memory dram, in bytes."""


@dataclass(frozen=True)
class Finding:
    """One fact: its value, whether it disturbs, and what to do then."""

    name: str
    value: str
    disturbs: bool
    advice: str


def read(path: Path) -> str:
    """Contents of a file of /proc or /sys, or "unknown"."""
    return read_file(path) or UNKNOWN


def chosen(text: str) -> str:
    """The value in brackets: `always [madvise] never`."""
    return text.partition("[")[2].partition("]")[0] or text


def online() -> list[int]:
    """Numbers of the online CPUs."""
    numbers = (int(path.name[3:]) for path in SYS.glob("cpu[0-9]*"))
    return sorted(number for number in numbers if read(SYS / f"cpu{number}" / "online") != "0")


def alike(values: Mapping[int, str]) -> str:
    """The value that all CPUs have, or each value with the CPUs that have it: `core: CPUs 0-7; atom: ...`."""
    having: dict[str, list[int]] = {}
    for cpu, value in values.items():
        having.setdefault(value, []).append(cpu)
    if len(having) <= 1:
        return next(iter(having), UNKNOWN)
    return "; ".join(f"{value}: CPUs {cpu_list(cpus)}" for value, cpus in having.items())


def governors() -> str:
    """The frequency governor; CPUs may differ."""
    return alike({cpu: read(SYS / f"cpu{cpu}" / "cpufreq" / "scaling_governor") for cpu in online()})


def siblings() -> dict[int, str]:
    """CPU -> the CPUs on its core, itself included."""
    return {cpu: read(SYS / f"cpu{cpu}" / "topology" / "thread_siblings_list") for cpu in online()}


def smt() -> str:
    """Whether cores have two threads, and which CPU shares cpu0's core."""
    state = {"1": "on", "0": "off"}.get(read(SYS / "smt" / "active"), UNKNOWN)
    cores = siblings()
    first = cores.get(0, UNKNOWN)
    if first == UNKNOWN:
        return state
    text = f"{state}, siblings of cpu0: {first}"
    shares = alike({cpu: "shared" if len(cpus_in(core)) > 1 else "alone" for cpu, core in cores.items()})
    return text if shares in ("shared", "alone") else f"{text} ({shares})"


def facts() -> dict[str, str]:
    """What a run stores of the machine, beside pyperf's own metadata."""
    boost = read(SYS / "cpufreq" / "boost")
    no_turbo = read(SYS / "intel_pstate" / "no_turbo")
    turbo = {"0": "off", "1": "on"}.get(boost) or {"1": "off", "0": "on"}.get(no_turbo, UNKNOWN)
    return {
        "governor": governors(),
        "turbo": turbo,
        "smt": smt(),
        "clocksource": read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        "thp": chosen(read(Path("/sys/kernel/mm/transparent_hugepage/enabled"))),
        "virtual": virtual(),
        "mitigations": mitigations(),
        "aslr": aslr(),
        "caches": cpu_caches(),
    }


def virtual() -> str:
    """Whether there is a hypervisor: it is among the flags of an x86 CPU; without flags it is unknown."""
    flags = re.search(r"^flags\s*:(.*)$", read(Path("/proc/cpuinfo")), re.MULTILINE)
    return UNKNOWN if flags is None else "yes" if "hypervisor" in flags[1].split() else "no"


def aslr() -> str:
    """Address randomisation in pyperf's words; pyperf misses that it may be off for this process alone."""
    return f"{ASLR['0']} (setarch -R)" if addresses_fixed() else ASLR.get(read(RANDOMIZE), UNKNOWN)


def cpu_caches() -> str:
    """Cache sizes for laying out scenarios, KiB: `data 32, code 32, l2 512, l3 unknown (32768 assumed)`."""
    known = reported()
    words = {
        name: f"{size >> 10}" if name in known else f"{UNKNOWN} ({size >> 10} assumed)"
        for name, size in sizes().items()
    }
    return ", ".join(f"{name} {size}" for name, size in words.items())


def mitigations() -> str:
    """How many vulnerabilities the kernel works around."""
    states = [read(path) for path in sorted((SYS / "vulnerabilities").glob("*"))]
    active, unknown = sum("Mitigation" in state for state in states), states.count(UNKNOWN)
    if len(states) == unknown:
        return UNKNOWN
    return f"{active} of {len(states)} active" + (f", {unknown} {UNKNOWN}" if unknown else "")


def findings() -> Iterator[Finding]:
    """Every fact with its judgement; watches the machine for a second."""
    watch = Watch()
    time.sleep(STEAL_S)
    yield from _load(watch.metadata())
    known = facts()
    yield from _frequency(known)
    yield from _cores(known)
    clock = known["clocksource"]
    slow = clock not in FAST_CLOCKS
    yield Finding("clock source", clock, slow, "clocksource=tsc on the kernel's command line")
    never = known["thp"] == "never"
    advice = "--memory dram then uses 4 KiB pages, unlike the kernel's memory map: set it to madvise"
    yield Finding("transparent huge pages", known["thp"], never, advice)
    virtual = known["virtual"] == "yes"
    advice = "speed changes by tens of percent for seconds: compare differences between runs, not levels"
    yield Finding("virtual machine", known["virtual"], virtual, advice)
    yield Finding("mitigations", known["mitigations"], False, "")
    held = "can be switched off" if can_hold_loads() else "cannot be switched off here"
    advice = "SSBD is on, by seccomp or the kernel's command line: the run will say so"
    yield Finding("store bypass", "is off" if loads_wait() else held, loads_wait(), advice)
    drawn = read(RANDOMIZE)
    value = f"{drawn}, but off for this process (setarch -R)" if addresses_fixed() else drawn
    advice = "leave it on (2, and no setarch -R): placements should differ between processes"
    yield Finding("address randomisation", value, known["aslr"].startswith(ASLR["0"]), advice)
    advice = "--memory and --sweep between use these sizes: data may lie in another level than they say"
    yield Finding("CPU caches", known["caches"], UNKNOWN in known["caches"], advice)
    yield from _limits()


def _load(watched: dict[str, float]) -> Iterator[Finding]:
    """What others took while we watched, as far as the system says."""
    busy, steal = watched.get("busy_pct"), watched.get("steal_pct")
    parts = [f"{watched['load_after']:.2f} on {os.cpu_count()} CPUs"] if "load_after" in watched else []
    parts += [] if busy is None else [f"others take {busy:.0f} %"]
    advice = "stop other work: blocks in which the core is busy are set aside"
    yield Finding("load", ", ".join(parts) or UNKNOWN, busy is not None and busy > BUSY_PCT, advice)
    value, much = (UNKNOWN, False) if steal is None else (f"{steal:.1f} %", steal > STEAL_PCT)
    yield Finding("steal", value, much, "the hypervisor takes time: try later, or another host")


def _frequency(known: dict[str, str]) -> Iterator[Finding]:
    scaling = known["governor"] not in ("performance", UNKNOWN)
    advice = "python -m pyperf system tune sets the governor to performance (as root)"
    yield Finding("frequency governor", known["governor"], scaling, advice)
    advice = "python -m pyperf system tune switches it off (as root)"
    yield Finding("turbo", known["turbo"], known["turbo"] == "on", advice)


def _cores(known: dict[str, str]) -> Iterator[Finding]:
    shared = known["smt"].startswith("on") and any(len(cpus_in(core)) > 1 for core in siblings().values())
    advice = (
        "a busy sibling changes costs: keep it idle, or take it offline; --sibling busy measures beside one"
    )
    yield Finding("smt", known["smt"], shared, advice)
    kinds = by_kind(online(), SYS.parent.parent)
    advice = "each kind counts as a machine: the first one is measured, another one with --affinity"
    text = "one" if [*kinds] == [ONLY] else text_of(kinds) if len(kinds) > 1 else next(iter(kinds), UNKNOWN)
    yield Finding("core types", text, len(kinds) > 1, advice)


def _limits() -> Iterator[Finding]:
    """What a container, a batch system or ulimit leaves of the machine."""
    quota, usable = cpu_quota(), usable_cpus()
    bound = "" if quota is None else f", by a quota of {quota:g} CPUs' time"
    bound = bound or ("" if groups_seen("cpu") else f", by a quota that is {UNKNOWN}")
    advice = "a quota stops the program for a part of every 0.1 s: lift it (cpu.max, docker --cpus)"
    yield Finding("CPUs usable", f"{usable} of {os.cpu_count() or UNKNOWN}{bound}", quota is not None, advice)
    group = group_memory()
    value = "none" if groups_seen("memory") else UNKNOWN
    value = value if group is None else f"{group.free >> 20} MiB are free under it"
    advice = "--memory dram will not fit: raise the limit (memory.max, docker --memory), or leave it out"
    yield Finding("memory limit", value, group is not None and group.free < LARGEST * 1.2, advice)
    space = address_space_limit()
    value = "none" if space is None else f"{space >> 20} MiB"
    tight = space is not None and space < COMPILER_SPACE + LARGEST
    advice = (
        f"compiling needs {COMPILER_SPACE >> 20} MiB, --memory dram {LARGEST >> 20} MiB: "
        "raise the limit (ulimit -v unlimited)"
    )
    yield Finding("address-space limit", value, tight, advice)
    try:
        Region(1).seal()
        yield Finding("executable memory", "yes", False, "")
    except FreepathError as error:
        yield Finding("executable memory", "no", True, str(error))


def show(as_json: bool) -> int:
    """Print the findings; returns exit status 0 also on a disturbed machine: it can measure."""
    rows = list(findings())
    if as_json:
        say(json.dumps([asdict(finding) for finding in rows], indent=2) + "\n")
        return 0
    from rich.table import Table

    table = Table("", "what", "value", "what to do")
    for finding in rows:
        mark = "!" if finding.disturbs else ""
        table.add_row(mark, finding.name, finding.value, finding.advice if finding.disturbs else "")
    with console(140) as printed:
        printed.print(table)
    return 0
