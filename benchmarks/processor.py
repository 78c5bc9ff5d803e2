"""Which processor this is."""

import ctypes
from pathlib import Path
from typing import Final

from benchmarks.core_types import SYSTEM, core_type
from model.common.system_files import lines, read

IDENTITY: Final = {
    "cpu_model_name": "model name",
    "cpu_vendor": "vendor_id",
    "cpu_family": "cpu family",
    "cpu_model": "model",
    "cpu_stepping": "stepping",
    "cpu_microcode": "microcode",
}
"""Metadata name -> name in /proc/cpuinfo."""


def processor(
    cpu: int | None = None, cpuinfo: Path = Path("/proc/cpuinfo"), system: Path = SYSTEM
) -> dict[str, str]:
    """Which processor this is: name, vendor, family, model, stepping, microcode, core type.

    The name alone is not enough: "AMD EPYC" is three generations. `cpu` is by default the one that this
    process runs on; a hybrid processor has two core types, which count as two machines.
    """
    text = read(cpuinfo)
    if not text:
        return {}
    number = current_cpu() if cpu is None else cpu
    facts: dict[str, str] = {}
    for block in text.split("\n\n"):
        pairs = (line.partition(":") for line in lines(block))
        fields = {name.strip(): value.strip() for name, _, value in pairs}
        if fields.get("processor") == str(number) or not facts:
            facts = {name: fields.get(field, "unknown") for name, field in IDENTITY.items()}
    return facts | {"cpu_core_type": core_type(number, system)}


def current_cpu() -> int:
    """Number of the CPU that this thread runs on at this moment."""
    return int(ctypes.CDLL(None).sched_getcpu())
