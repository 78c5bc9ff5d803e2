"""pyperf's facts of the machine, as far as they can be read.

pyperf reads /proc and /sys as strict UTF-8, takes `isolcpus=managed_irq,3` for numbers, and asks for the time
of boot where /proc/stat may be hidden; whatever it cannot read ends the worker, once everything is measured.
Here each of its collectors returns what it has read so far. They are no public interface of pyperf: if one is
renamed, no run begins, and the tests say so.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import pyperf._collect_metadata as collecting

from model.common.system_files import lines, read

COLLECTORS: Final = (
    "collect_linux_metadata",
    "collect_system_metadata",
    "collect_memory_metadata",
    "collect_cpu_model",
    "collect_cpu_freq",
    "collect_cpu_config",
    "collect_cpu_temperatures",
    "collect_cpu_metadata",
)


def collect_what_can_be_read() -> None:
    """From now on a file that pyperf cannot read loses its own facts, and no measurement."""
    collecting.read_proc = _lines_of
    for name in COLLECTORS:
        collect = getattr(collecting, name)
        if not hasattr(collect, "__wrapped__"):
            setattr(collecting, name, _as_far_as_it_gets(collect))


def _lines_of(name: str) -> list[str]:
    """Lines of a file of /proc; none where it cannot be read."""
    text = read(f"/proc/{name}")
    return [line.rstrip() for line in lines(text)] if text else []


def _as_far_as_it_gets(collect: Callable[..., None]) -> Callable[..., None]:
    @wraps(collect)
    def collected(*arguments: Any) -> None:
        try:
            collect(*arguments)
        except (OSError, ValueError, LookupError, RuntimeError):
            return  # what it knew by then is in its first argument

    return collected
