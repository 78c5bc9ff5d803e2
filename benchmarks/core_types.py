"""Which kind of core a CPU is: each kind of a hybrid processor counts as a machine.

CPUID is executed on the CPU itself. Where that does not say, Linux lists the CPUs whose event counters are of
each kind (/sys/devices/cpu_core/cpus). Otherwise the kind is `unknown`: a hypervisor may hide the kinds, and
move a guest from one to another.

core, atom, lowpower       Intel's P, E and low-power E-cores
performance, efficiency    AMD's two: Zen 4 and 4c, Zen 5 and 5c
only                       the processor says that all its cores are alike
"""

import os
import platform
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from model.common.errors import FreepathError, UnsupportedCPUError
from model.common.system_files import cpu_list, cpus_in, read
from model.machine_code.placement import callable_at
from model.machine_code.region import Region
from model.vocabulary.machine import ONLY, UNKNOWN

SYSTEM: Final = Path("/sys/devices")
LISTED: Final = ("core", "atom", "lowpower")
"""Kinds of which Linux lists the CPUs; the first one is measured by default."""
KINDS: Final = (*LISTED, "performance", "efficiency", ONLY, UNKNOWN)
Registers = tuple[int, int, int, int]
"""eax, ebx, ecx, edx."""
Ask = Callable[[int, int], Registers]
"""CPUID of a leaf and subleaf."""
# Intel, Software Developer's Manual, volume 2, CPUID
LEAF_CACHES: Final = 0x04
LEAF_FEATURES: Final = 0x07
HYBRID: Final = 1 << 15
"""Bit of edx: the processor has cores of several kinds."""
LEAF_HYBRID: Final = 0x1A
INTEL_KINDS: Final = {0x20: "atom", 0x40: "core"}
"""Bits 31 to 24 of eax -> kind."""
MOST_CACHES: Final = 16
# AMD64 Architecture Programmer's Manual, volume 3, CPUID Fn8000_0026
LEAF_TOPOLOGY: Final = 0x8000_0026
HETEROGENEOUS: Final = 1 << 30
"""Bit of eax: the cores are not alike."""
AMD_KINDS: Final = {0: "performance", 1: "efficiency"}
"""Bits 31 to 28 of ebx -> kind."""
GUEST: Final = 1 << 31
"""Bit of ecx of leaf 1: a hypervisor answers."""
CODE: Final = bytes.fromhex("53 4989d0 89f8 89f1 0fa2 418900 41895804 41894808 4189500c 5b c3")
"""push rbx; mov r8, rdx; mov eax, edi; mov ecx, esi; cpuid; the four registers to r8; pop rbx; ret."""


def core_type(cpu: int, system: Path = SYSTEM) -> str:
    """Which of `KINDS` a CPU is."""
    try:
        # In another thread, so that this thread's affinity does not change.
        with ThreadPoolExecutor(1) as helper:
            helper.submit(os.sched_setaffinity, 0, {cpu}).result()
            kind = helper.submit(kind_of, cpuid).result()
    except (OSError, FreepathError):  # it is offline or not ours, or nothing may be executed
        kind = UNKNOWN
    return listed(cpu, system) if kind == UNKNOWN else kind


def by_kind(cpus: Iterable[int], system: Path = SYSTEM) -> dict[str, list[int]]:
    """CPUs by their kind, in the order of `KINDS`."""
    kinds = {cpu: core_type(cpu, system) for cpu in cpus}
    if ONLY in kinds.values():  # one CPU answers for all, also for those that are not ours
        kinds = dict.fromkeys(kinds, ONLY)
    found: dict[str, list[int]] = {}
    for cpu, kind in kinds.items():
        found.setdefault(kind, []).append(cpu)
    return {kind: found[kind] for kind in KINDS if kind in found}


def kind_of(ask: Ask) -> str:
    """The kind of a CPU, by its CPUID."""
    _, ebx, ecx, edx = ask(0, 0)
    vendor = struct.pack("<3I", ebx, edx, ecx)
    kinds = {b"GenuineIntel": _intel, b"AuthenticAMD": _amd}
    if vendor not in kinds:
        return UNKNOWN
    kind = kinds[vendor](ask)
    # A hypervisor that hides the kinds says what a processor without them says.
    return UNKNOWN if kind == ONLY and ask(1, 0)[2] & GUEST else kind


def _intel(ask: Ask) -> str:
    highest = ask(0, 0)[0]
    if highest < LEAF_FEATURES or not ask(LEAF_FEATURES, 0)[3] & HYBRID:
        return ONLY
    kind = INTEL_KINDS.get(ask(LEAF_HYBRID, 0)[0] >> 24, UNKNOWN) if highest >= LEAF_HYBRID else UNKNOWN
    # A low-power E-core may be the very design of the others; it has no part in the third-level cache.
    return "lowpower" if kind == "atom" and 3 not in _cache_levels(ask) else kind


def _cache_levels(ask: Ask) -> set[int]:
    levels = set()
    for number in range(MOST_CACHES):
        eax = ask(LEAF_CACHES, number)[0]
        if not eax & 0x1F:
            break
        levels.add(eax >> 5 & 7)
    return levels


def _amd(ask: Ask) -> str:
    if ask(0x8000_0000, 0)[0] < LEAF_TOPOLOGY:
        return ONLY  # from before there were two
    eax, ebx, _, _ = ask(LEAF_TOPOLOGY, 0)
    return AMD_KINDS.get(ebx >> 28, UNKNOWN) if eax & HETEROGENEOUS else ONLY


def listed(cpu: int, system: Path = SYSTEM) -> str:
    """The kind in whose list of event counters a CPU stands."""
    for kind in LISTED:
        if cpu in cpus_in(read(system / f"cpu_{kind}" / "cpus")):
            return kind
    return UNKNOWN


def text_of(kinds: Mapping[str, Sequence[int]]) -> str:
    """Several kinds with their CPUs: `core: CPUs 0-7; atom: CPUs 8-15`."""
    return "; ".join(f"{kind}: CPUs {cpu_list(cpus)}" for kind, cpus in kinds.items())


def cpuid(leaf: int, subleaf: int) -> Registers:
    """Execute CPUID on the CPU that this thread runs on.

    Raises
    ------
    FreepathError
        When this is no x86-64, or code may not be executed.
    """
    answer = np.zeros(4, np.uint32)
    _function()(leaf, subleaf, answer.ctypes.data)
    eax, ebx, ecx, edx = map(int, answer)
    return eax, ebx, ecx, edx


@cache
def _function() -> Callable[..., int]:
    if platform.machine() != "x86_64":
        raise UnsupportedCPUError("CPUID is an instruction of x86")
    region = Region(len(CODE))
    region.bytes()[: len(CODE)] = np.frombuffer(CODE, np.uint8)
    region.seal()
    return callable_at(region.start, 3, region, None)
