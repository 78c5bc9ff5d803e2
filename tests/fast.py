"""What `make test FAST=1` leaves out: a test is skipped where it begins to do what takes long."""

import subprocess
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

import pytest

from model.kernels.store import Store
from model.machine_code.image_cache import Cache
from tests import forked, kernels

COMMAND: Final = "start a process"
CODE: Final = "run compiled code"
KERNEL: Final = "read a kernel file"
SOAK: Final = "repeat a thing many times"
NAMES: Final = ("parameters", "paths")
"""What a test file has of tests/kernels.py if it reads real kernel files."""
LEFT_OUT: Final = (COMMAND, CODE, KERNEL, SOAK)


def install() -> None:
    """Let a test of this process, or a fixture, skip where it does one of these things."""
    for owner, name, what in (
        (subprocess.Popen, "__init__", COMMAND),
        (forked, "run", COMMAND),
        (Cache, "load", CODE),
        (Store, "ensure", CODE),
    ):
        setattr(owner, name, skipping(what))


def check(request: pytest.FixtureRequest) -> None:
    """Skip this test now, if it is known to do one of the others."""
    if request.node.get_closest_marker("soak"):
        pytest.skip(SOAK)
    if any(getattr(request.module, name, None) in (kernels.parameters, kernels.paths) for name in NAMES):
        pytest.skip(KERNEL)


def skipping(what: str) -> Callable[..., NoReturn]:
    """In the place of a function."""

    def skip(*_: object, **__: object) -> NoReturn:
        pytest.skip(what)

    return skip


def said(reasons: Mapping[str, int]) -> str:
    """One line: how many tests, and why."""
    rest = sum(reasons.values()) - sum(reasons.get(what, 0) for what in LEFT_OUT)
    parts = [f"{reasons.get(what, 0)} that {what}" for what in LEFT_OUT]
    return f"FAST=1 left out {', '.join(parts)}; {rest} were skipped as ever. make test runs all of them."
