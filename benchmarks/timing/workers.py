"""Where pyperf's workers run and what they are given, and why one could not start.

pyperf gives a worker few variables of the environment, so that a run does not depend on who started it.
"""

import os
import subprocess
from pathlib import Path
from typing import Any, Final

from model.common.command import note
from model.common.process import NEEDED_BY_PYTHON
from model.common.system_files import cpu_list, cpus_in, read

ISOLATED: Final = Path("/sys/devices/system/cpu/isolated")


def prepare(args: Any) -> None:
    """Complete pyperf's arguments: CPUs that we may use, and what this Python needs to be found."""
    args.affinity = affinity_of_workers(args.affinity)
    args.inherit_environ = [*(args.inherit_environ or ()), *NEEDED_BY_PYTHON]


def affinity_of_workers(asked: str | None, isolated: Path = ISOLATED) -> str:
    """CPUs for the workers, in the form of `--affinity`: those asked for, else the isolated ones among ours.

    pyperf's own choice is every isolated CPU; where a cpuset or taskset leaves us none of them, its workers
    fail with EINVAL.
    """
    if asked:
        return asked
    ours, reserved = os.sched_getaffinity(0), set(cpus_in(read(isolated)))
    if reserved and not ours & reserved:
        note(
            f"the isolated CPUs ({cpu_list(reserved)}) are not among those that this process may use "
            f"({cpu_list(ours)}): measuring on these"
        )
    return cpu_list(ours & reserved or ours)


def what_stops_a_worker(args: Any) -> list[str]:
    """What a Python says that fails where workers start, for one that failed before it could write it down.

    Parameters
    ----------
    args
        pyperf's. It gives workers PATH, HOME, the locale and what is named in `inherit_environ`.
    """
    names = ("PATH", "HOME", *args.inherit_environ)
    given = {name: value for name, value in os.environ.items() if args.copy_env or name in names}
    command = [args.python, "-c", "import benchmarks.__main__, benchmarks.timing.runner"]
    try:
        done = subprocess.run(command, env=given, stdin=subprocess.DEVNULL, capture_output=True)
    except OSError as error:
        return [f"{args.python}: {error.strerror}"]
    return done.stderr.decode(errors="replace").strip().splitlines() if done.returncode else []
