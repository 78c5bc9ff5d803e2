"""`--sibling busy`: a partner process keeps the other thread of the workers' core busy, on purpose.

What a check costs beside a busy sibling is then measured throughout, and not only while a neighbour happens
to be there. The partner runs a loop of Python: short instructions, branches and loads, as most programs do.
"""

import argparse
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.core_types import SYSTEM
from benchmarks.timing.affinity import usable
from model.common.errors import FreepathError, UsageError
from model.common.process import end_with_parent, python_path
from model.common.system_files import cpu_list, cpus_in, read

ROOT: Final = Path(__file__).parents[2]
AS_FOUND: Final = "as-found"
BUSY: Final = "busy"
TOPOLOGY: Final = ("core_cpus_list", "thread_siblings_list")
"""Files that list the CPUs of a core: since Linux 5.3, and before (admin-guide/cputopology.rst)."""
READY: Final = b"r"
START_S: Final = 30.0
"""Longest wait for the partner to run, seconds."""


def add_option(group: argparse._ArgumentGroup) -> None:
    """Add `--sibling`."""
    group.add_argument(
        "--sibling",
        choices=(AS_FOUND, BUSY),
        default=AS_FOUND,
        help="busy: keep the other thread of the core busy, where both are ours; as-found (default)",
    )


def core_for(affinity: str | None, system: Path = SYSTEM) -> tuple[int, int]:
    """The workers' CPU and the partner's: two threads of one core that this process may use.

    Parameters
    ----------
    affinity
        CPUs of the workers, in the form of `--affinity`; None: any.

    Raises
    ------
    UsageError
        Where the topology shows no such pair.
    """
    wanted, ours = cpus_in(affinity) if affinity else usable(system), os.sched_getaffinity(0)
    shared: list[int] = []
    for cpu in wanted:
        others = [other for other in siblings_of(cpu, system) if other != cpu]
        shared += others
        if usable_ones := sorted(ours.intersection(others)):
            return cpu, usable_ones[0]
    cpus = f"{'CPU' if len(wanted) == 1 else 'CPUs'} {cpu_list(wanted)}"
    if shared:
        raise UsageError(
            f"--sibling busy: the siblings of {cpus} (CPUs {cpu_list(set(shared))}) are not ours: "
            "allow both threads of a core (taskset, cpuset)"
        )
    raise UsageError(
        f"--sibling busy: the topology shows no second thread on the core of {cpus}: SMT is off, or "
        "hidden by a hypervisor; measure as found, the reference tells when a sibling is busy"
    )


def siblings_of(cpu: int, system: Path = SYSTEM) -> list[int]:
    """CPUs on the same core, itself included; empty where the system does not say."""
    folder = system / "system" / "cpu" / f"cpu{cpu}" / "topology"
    return next((cpus for name in TOPOLOGY if (cpus := cpus_in(read(folder / name)))), [])


def check(sibling: str, affinity: str | None, threads: Sequence[str] = ()) -> None:
    """Refuse what could not be measured beside a partner.

    Parameters
    ----------
    threads
        Of the scenarios, how many threads free at a time.

    Raises
    ------
    UsageError
    """
    if sibling != BUSY:
        return
    core_for(affinity)
    if any(count != "1" for count in threads):
        raise UsageError(
            "--sibling busy takes the other thread of the core: leave out scenarios with threads"
        )


@contextmanager
def kept_busy(args: Any) -> Iterator[None]:
    """Keep the sibling of the workers' CPU busy while the block lasts, if that was asked for.

    Parameters
    ----------
    args
        Of the command: `sibling`, `affinity` (one CPU then), `python`.

    Raises
    ------
    FreepathError
        When the partner cannot run, or did not last.
    """
    if args.sibling != BUSY:
        yield
        return
    with spinning(core_for(args.affinity)[1], args.python):
        yield


@contextmanager
def spinning(cpu: int, python: str = sys.executable) -> Iterator[subprocess.Popen[bytes]]:
    """A process that spins on a CPU; it is killed at the end of the block, and ends with this process."""
    environment = {**os.environ, "PYTHONPATH": python_path(ROOT)}
    command = [python, "-m", "benchmarks.timing.partner", str(cpu), str(os.getpid())]
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise FreepathError(f"the partner on CPU {cpu} does not start: {error.strerror}") from None
    try:
        assert process.stdout is not None
        came, _, _ = select.select([process.stdout], [], [], START_S)
        if not came or process.stdout.read(1) != READY:
            raise FreepathError(f"the partner on CPU {cpu} does not run: the sibling stayed idle")
        yield process
        if process.poll() is not None:
            raise FreepathError(
                f"the partner on CPU {cpu} was ended meanwhile: not all of this is beside a busy sibling"
            )
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def spin(cpu: int, parent: int) -> None:
    """Be the partner. Ctrl-C and a closed terminal are its parent's business."""
    end_with_parent(parent)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.sched_setaffinity(0, {cpu})
    os.write(sys.stdout.fileno(), READY)
    count = 0
    while True:
        count = (count + 1) & 0xFF


if __name__ == "__main__":
    spin(*map(int, sys.argv[1:]))
