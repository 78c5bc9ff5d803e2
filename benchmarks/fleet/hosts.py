"""Which hosts a scheduler has, and which of them can measure what this checkout measures."""

import importlib.util
import logging
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.fleet import remote
from benchmarks.processor import IDENTITY
from model.common.errors import UsageError
from model.common.streams import note, printable

TIMEOUT: Final = "10s"
SSH: Final = "ssh:"
SHIPPED: Final = "freepath_remote"
"""Module name of `remote` on hosts, which lack freepath's packages."""


@dataclass(frozen=True)
class Host:
    """One host: a set of CPUs of a machine, with the worker through which it is reached.

    Attributes
    ----------
    number
        From 1, in the order of addresses.
    facts
        As `remote.describe` has them.
    """

    number: int
    address: str
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """For people, while it measures; figures are filed under what the machine is."""
        cpus = ",".join(map(str, self.facts["cpus"]))
        return printable(f"host {self.number} ({self.facts['name']}, CPU {cpus})")


def connect(on: str) -> Any:
    """A client of the scheduler that `--on` names: an address, a scheduler file, or `ssh:host1,host2`.

    Raises
    ------
    UsageError
        When Dask is not installed, or nobody answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--on needs Dask: pip install -e '.[fleet]' in the checkout's .venv") from None
    for name in ("distributed", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        if on.startswith(SSH):
            from distributed import SSHCluster

            names = [name for name in on.removeprefix(SSH).split(",") if name]
            if not names:
                raise UsageError(f"--on {on}: name hosts, as in ssh:alpha,beta")
            return Client(SSHCluster([names[0], *names]), timeout=TIMEOUT)
        if Path(on).is_file():
            return Client(scheduler_file=on, timeout=TIMEOUT)
        return Client(on, timeout=TIMEOUT)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        what = printable(str(error)) or type(error).__name__
        raise UsageError(f"--on {on}: no scheduler answers there ({what.splitlines()[0][:120]})") from None


def shipped(client: Any) -> Any:
    """What runs on hosts, as a module that scheduler and workers have: Dask sends functions by name."""
    if SHIPPED not in sys.modules:
        spec = importlib.util.spec_from_file_location(SHIPPED, remote.__file__)
        assert spec is not None and spec.loader is not None
        sys.modules[SHIPPED] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    with tempfile.TemporaryDirectory(prefix="freepath-") as folder:
        file = Path(folder) / f"{SHIPPED}.py"
        file.write_text(Path(remote.__file__).read_text())
        client.upload_file(str(file))
    return sys.modules[SHIPPED]


def find(client: Any) -> list[Host]:
    """The hosts that can measure, each once; those that cannot are named, one line each.

    Workers whose CPUs overlap are one host; pinned to CPUs of their own they are several.

    Raises
    ------
    UsageError
        When none is left.
    """
    found = sorted(client.run(shipped(client).describe, IDENTITY, on_error="return").items())
    hosts: list[Host] = []
    for address, facts in found:
        reason = _unfit(facts)
        if reason:
            note(f"left out: {printable(address)}: {reason}")
        elif not any(_same(facts, host.facts) for host in hosts):
            hosts.append(Host(len(hosts) + 1, address, facts))
    if not hosts:
        raise UsageError("the scheduler has no worker on a host that can measure: start one with dask worker")
    return hosts


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["boot"] == other["boot"] and bool(set(one["cpus"]) & set(other["cpus"]))


def _unfit(facts: Any) -> str | None:
    """Why a host cannot measure, in words; None where it can."""
    if not isinstance(facts, dict):
        return f"it does not say what it is ({printable(str(facts))[:80]})"
    if facts["architecture"] != platform.machine():
        return f"it is {facts['architecture']}, and the path is compiled for {platform.machine()}"
    here = ".".join(map(str, sys.version_info[:2]))
    if facts["python"] != here:
        return f"it has Python {facts['python']}, and this is {here}"
    for name, there in facts["packages"].items():
        if there != version(name):
            return f"it has {name} {there}, and this is {version(name)}: make setup there"
    return None


def like(hosts: Sequence[Host], context: dict[str, Any]) -> Iterator[Host]:
    """Hosts with the processor that a run began on; each checks the rest of the machine when it resumes."""
    return (host for host in hosts if all(host.facts[name] == context.get(name) for name in IDENTITY))
