"""Compile once, before the workers start; hypothesis the same in every run; `--fast` leaves most out."""

import os
from collections import Counter

import pytest
from hypothesis import settings

from tests import compilers, fast
from tests.images import compile_images

for name in [name for name in os.environ if name.startswith("GIT_")]:
    del os.environ[name]  # a hook of git names its repository, and tests make commits

if "PYTEST_XDIST_WORKER" in os.environ:
    compilers.install()
else:
    compilers.offer()

settings.register_profile("freepath", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("freepath")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--fast`, which `make test FAST=1` gives."""
    parser.addoption("--fast", action="store_true", help="leave out what " + ", ".join(fast.LEFT_OUT))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Only the controlling process compiles; xdist's workers find the code."""
    if not hasattr(session.config, "workerinput") and not session.config.option.fast:
        compile_images(every=session.config.option.markexpr.strip() != "not reliability")


def pytest_collection_finish(session: pytest.Session) -> None:
    """With `--fast` a test ends where it begins with what takes long."""
    if session.config.option.fast and session.items:
        fast.install()


@pytest.fixture(autouse=True)
def _left_out(request: pytest.FixtureRequest) -> None:
    """With `--fast` some tests end before they begin."""
    if request.config.option.fast:
        fast.check(request)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """With `--fast`: what was left out."""
    if terminalreporter.config.option.fast:
        skipped = terminalreporter.stats.get("skipped", [])
        reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
        terminalreporter.write_line(fast.said(reasons))
