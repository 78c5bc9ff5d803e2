"""Dispatch width of processors, operations per cycle, from published manuals.

An operation at the patch point takes dispatch slots. Over all phases it costs slots / width cycles on the
mean if dispatch alone limits the path. Measured against predicted tests the instrument and that condition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from model.vocabulary.machine import ONLY, UNKNOWN, said


@dataclass(frozen=True)
class Core:
    """A microarchitecture: name, operations dispatched (renamed) per cycle, source."""

    name: str
    width: int
    source: str


_AMD: Final = "AMD, Software Optimization Guide for the family, section on dispatch"
_FOG: Final = "A. Fog, The microarchitecture of Intel, AMD and VIA CPUs, section on Ryzen: five instructions"
_INTEL: Final = "Intel, Optimization Reference Manual 248966, section on the microarchitecture"

# Vendor, family, models, core type ("" for any).
TABLE: Final[tuple[tuple[str, int, tuple[int, ...], str, Core], ...]] = (
    # Zen 1, and Zen+ with it, as Linux tells them from Zen 2 (arch/x86/kernel/cpu/amd.c, v6.8).
    ("AuthenticAMD", 23, (*range(0x30), *range(0x50, 0x60)), "", Core("Zen 1", 5, _FOG)),
    (
        "AuthenticAMD",
        23,
        (*range(0x30, 0x50), *range(0x60, 0x80), 0x90, 0x91, *range(0xA0, 0xB0)),
        "",
        Core("Zen 2", 6, f"{_AMD} (56305)"),
    ),
    ("AuthenticAMD", 25, (*range(0x10), *range(0x20, 0x60)), "", Core("Zen 3", 6, f"{_AMD} (56665)")),
    (
        "AuthenticAMD",
        25,
        (*range(0x10, 0x20), *range(0x60, 0x80), *range(0xA0, 0xB0)),
        "",
        Core("Zen 4", 6, f"{_AMD} (57647)"),
    ),
    # The family's other models are Zen 6 (Linux, arch/x86/kernel/cpu/amd.c), whose width is not known here.
    (
        "AuthenticAMD",
        26,
        (*range(0x30), *range(0x40, 0x50), *range(0x60, 0x80)),
        "",
        Core("Zen 5", 8, f"{_AMD} (58455)"),
    ),
    (
        "GenuineIntel",
        6,
        (0x4E, 0x5E, 0x55, 0x8E, 0x9E, 0xA5, 0xA6),
        "",
        Core("Skylake", 4, _INTEL),
    ),
    (
        "GenuineIntel",
        6,
        (0x7D, 0x7E, 0x6A, 0x6C, 0x8C, 0x8D, 0xA7),
        "",
        Core("Ice Lake", 5, _INTEL),
    ),
    ("GenuineIntel", 6, (0x97, 0x9A, 0xB7, 0xBA, 0xBF), "core", Core("Golden Cove", 6, _INTEL)),
    ("GenuineIntel", 6, (0x8F, 0xCF), "", Core("Golden Cove", 6, _INTEL)),
)


def core_of(facts: Mapping[str, Any]) -> Core | None:
    """The microarchitecture of a run's processor; None when it is not in the table, or mixed."""
    try:
        family, model = int(str(facts["cpu_family"])), int(str(facts["cpu_model"]))
    except (KeyError, ValueError):
        return None
    for vendor, of_family, models, kind, core in TABLE:
        same = facts.get("cpu_vendor") == vendor and family == of_family and model in models
        if same and kind in ("", facts.get("cpu_core_type")):
            return core
    return None


def processor_line(facts: Mapping[str, Any]) -> str:
    """`AMD EPYC (Zen 3: family 25 model 1 stepping 1)`; the name alone where the run has no numbers."""
    name = said(facts.get("cpu_model_name", "unknown processor"))
    words = [word for word in ("family", "model", "stepping") if f"cpu_{word}" in facts]
    numbers = [f"{word} {said(facts[f'cpu_{word}'])}" for word in words]
    core = core_of(facts)
    if not numbers:
        return name
    text = f"{core.name}: {' '.join(numbers)}" if core else " ".join(numbers)
    kind = said(facts.get("cpu_core_type", ONLY))
    return f"{name} ({text}{'' if kind in (ONLY, UNKNOWN) else f', {kind} CPU'})"
