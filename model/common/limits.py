"""What this process may use of the machine: CPUs and memory, as control groups and ulimit leave them.

`os.cpu_count()` and the free memory that the kernel names are the machine's. In a container, in a job of a
batch system or after `ulimit` less than that is ours, and who takes more is slowed down, refused or killed.
"""

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from model.common.errors import OutOfMemoryError

PROC: Final = Path("/proc/self")
NO_LIMIT: Final = 1 << 60
"""Version 1 of control groups has no word for "none": it names a number beyond any memory."""


@dataclass(frozen=True)
class Limit:
    """How much memory may still be taken.

    Attributes
    ----------
    free
        Bytes.
    under
        What says so, to be put behind "are free"; nothing for the machine itself.
    remedy
        What helps.
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
        words = _read(group / "cpu.max").split() or [
            _read(group / "cpu.cfs_quota_us"),
            _read(group / "cpu.cfs_period_us"),
        ]
        quota, period = map(_number, words[:2])
        if quota and period:
            quotas.append(quota / period)
    return min(quotas, default=None)


def memory_limit(proc: Path = PROC) -> Limit:
    """The tightest limit of all on memory: the machine's, the control group's, the address space's."""
    import psutil

    machine = Limit(psutil.virtual_memory().available, "", "free some")
    limits = [machine, group_memory(proc), address_space(proc)]
    return min((limit for limit in limits if limit), key=lambda limit: limit.free)


def group_memory(proc: Path = PROC) -> Limit | None:
    """What the control group, or one above it, still allows; None without a limit.

    Files that were read and can be dropped count as used there, and are free all the same.
    """
    free = []
    for group in _groups("memory", proc):
        for limit, used, droppable in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most = _number(_read(group / limit))
            if most is not None and most < NO_LIMIT:
                kept = _number(_read(group / used)) or 0
                statistics = dict(line.split()[:2] for line in _read(group / "memory.stat").splitlines())
                free.append(most - kept + (_number(statistics.get(droppable, "")) or 0))
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
    used = (_number(_read(proc / "statm").partition(" ")[0]) or 0) * resource.getpagesize()
    return Limit(max(0, most - used), " under the address-space limit (ulimit -v)", "raise that limit")


def address_space_limit() -> int | None:
    """Bytes of address space that a process may have; None without a limit."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if most == resource.RLIM_INFINITY else most


def check_address_space(need: int, what: str) -> None:
    """Refuse what is known not to fit: libraries that lack address space crash, or wait for ever.

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
    for line in _read(proc / "cgroup").splitlines():
        _, names, path = line.split(":", 2)
        own |= dict.fromkeys(names.split(","), path)
    for line in _read(proc / "mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        root, mounted = before.split()[3:5]
        kind, _, options = after.split()[:3]
        name = "" if kind == "cgroup2" else controller
        if name not in own or kind not in ("cgroup", "cgroup2") or (name and name not in options.split(",")):
            continue
        top, group = Path(mounted), PurePosixPath(own[name])
        # A container may see the host's name of a group whose folder is mounted as the top one.
        below = group.relative_to(root) if group.is_relative_to(root) else PurePosixPath()
        folder = top if ".." in below.parts else top / below
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(top))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(text: str) -> int | None:
    """A count; None for `max`, -1 and what is not there."""
    return int(text) if text.isdecimal() else None
