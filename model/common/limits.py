"""What this process may use of the machine: CPUs and memory, as control groups and ulimit leave them.

`os.cpu_count()` and the kernel's free memory are the machine's. In a container, in a job of a batch system or
after `ulimit` a process has less, and one that takes more is slowed down, refused or killed.
"""

import os
import re
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from model.common.errors import OutOfMemoryError
from model.common.system_files import read, read_bytes, unescaped

PROC: Final = Path("/proc/self")
NO_LIMIT: Final = 1 << 60
"""Bytes beyond any memory: version 1 of control groups writes such a number where there is no limit."""


@dataclass(frozen=True)
class Limit:
    """How much memory may still be taken.

    Attributes
    ----------
    free
        Bytes.
    under
        The limit's name, to be put behind "are free"; empty for the machine itself.
    remedy
        What to do.
    """

    free: int
    under: str
    remedy: str


def usable_cpus(proc: Path = PROC) -> int:
    """CPUs that this process may keep busy, at least 1: by its affinity and by its control group's quota."""
    allowed = len(os.sched_getaffinity(0))
    quota = cpu_quota(proc)
    return max(1, allowed if quota is None else min(allowed, int(quota)))


def cpu_quota(proc: Path = PROC) -> float | None:
    """CPUs' worth of time that the control group, or one above it, may use; None without a limit."""
    quotas = []
    for group in _groups("cpu", proc):
        words = read(group / "cpu.max").split() or [
            read(group / "cpu.cfs_quota_us"),
            read(group / "cpu.cfs_period_us"),
        ]
        quota, period = map(_number, [*words, "", ""][:2])
        if quota and period:
            quotas.append(quota / period)
    return min(quotas, default=None)


def memory_limit(proc: Path = PROC) -> Limit:
    """The tightest limit of all on memory: the machine's, the control group's, the address space's.

    Where none of them is known, `NO_LIMIT` bytes are free.
    """
    limits = [_machine_memory(), group_memory(proc), address_space(proc)]
    none = Limit(NO_LIMIT, "", "free some")
    return min((limit for limit in limits if limit), key=lambda limit: limit.free, default=none)


def _machine_memory() -> Limit | None:
    """Free memory of the machine; None where /proc/meminfo is hidden or unusual."""
    import psutil

    try:
        return Limit(psutil.virtual_memory().available, "", "free some")
    except (OSError, KeyError, ValueError, IndexError):
        return None


def group_memory(proc: Path = PROC) -> Limit | None:
    """Memory that the control group, or one above it, still allows; None without a limit.

    Droppable page cache counts as used in the group's statistics, and as free here.
    """
    free = []
    for group in _groups("memory", proc):
        for limit, used, droppable in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most = _number(read(group / limit))
            if most is not None and most < NO_LIMIT:
                kept = _number(read(group / used)) or 0
                statistics = re.search(rf"^{droppable} (\d+)$", read(group / "memory.stat"), re.MULTILINE)
                free.append(most - kept + (int(statistics[1]) if statistics else 0))
    if not free:
        return None
    under = " under the memory limit of the control group (of a container, say)"
    return Limit(max(0, min(free)), under, "raise that limit")


def groups_seen(controller: str, proc: Path = PROC) -> bool:
    """Whether any control group of `cpu` or `memory` can be seen; else their limits are not known."""
    return any(True for _ in _groups(controller, proc))


def address_space(proc: Path = PROC) -> Limit | None:
    """What is left of the address space (ulimit -v); None without a limit."""
    most = address_space_limit()
    if most is None:
        return None
    used = (_number(read(proc / "statm").partition(" ")[0]) or 0) * resource.getpagesize()
    return Limit(max(0, most - used), " under the address-space limit (ulimit -v)", "raise that limit")


def address_space_limit() -> int | None:
    """Bytes of address space that a process may have; None without a limit."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if most == resource.RLIM_INFINITY else most


def check_address_space(need: int, what: str) -> None:
    """Refuse what does not fit: libraries that lack address space crash, or hang.

    Raises
    ------
    OutOfMemoryError
    """
    most = address_space_limit()
    if most is not None and most < need:
        raise OutOfMemoryError(
            f"{what} needs {need >> 20} MiB of address space, and it is limited to {most >> 20} MiB: "
            "raise that limit (ulimit -v unlimited)"
        )


def _groups(controller: str, proc: Path) -> Iterator[Path]:
    """Folders of the process's control group and of those above it, in either version's tree."""
    own: dict[str, str] = {}
    for line in read_bytes(proc / "cgroup").split(b"\n"):
        _, *known = [os.fsdecode(word) for word in line.split(b":", 2)]
        if len(known) == 2:
            own |= dict.fromkeys(known[0].split(","), known[1])
    for line in read_bytes(proc / "mountinfo").split(b"\n"):
        # The fields are parted by one blank each; that of the source may be empty.
        before, _, after = line.partition(b" - ")
        root, mounted = [os.fsdecode(unescaped(name)) for name in [*before.split(b" "), *[b""] * 5][3:5]]
        kind, _, options = [os.fsdecode(word) for word in [*after.split(b" "), b"", b""][:3]]
        name = "" if kind == "cgroup2" else controller
        if name not in own or kind not in ("cgroup", "cgroup2") or (name and name not in options.split(",")):
            continue
        top, group = Path(mounted), PurePosixPath(own[name])
        # A container may see the host's name of a group whose folder is mounted as the top one.
        below = group.relative_to(root) if group.is_relative_to(root) else PurePosixPath()
        folder = top if ".." in below.parts else top / below
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(top))


def _number(text: str) -> int | None:
    """A count; None for `max`, -1 and what is not there."""
    return int(text) if text.isdecimal() else None
