"""Compile once, before the workers start; hypothesis the same in every run; `--fast` leaves most out."""

import gc
import os
import signal
from collections import Counter
from collections.abc import Iterator

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # each start of numpy has a thread that spins for a while

import pytest
from hypothesis import settings

from model.common import command
from tests import compilers, fast
from tests.images import compile_images

for name in [name for name in os.environ if name.startswith("GIT_")]:
    del os.environ[name]  # a hook of git names its repository, and tests make commits

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts its background jobs
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:
    compilers.install()
else:
    compilers.offer()

settings.register_profile("freepath", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("freepath")


LONG = (
    *("test_fleet", "test_kernel_file_commands", "test_kills", "test_partial", "test_third_version"),
    *("test_places", "test_pythons", "test_arm_code", "test_benchmarks", "test_terminals", "test_matrix"),
)
"""Files whose tests wait for processes: they come first, so that no worker ends with one of them alone."""


TOGETHER = ("test_documents", "test_numbers")
"""Files that ask every committed run, which one process reads once: they stand side by side."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--fast`, which `make test FAST=1` gives."""
    parser.addoption("--fast", action="store_true", help="leave out what " + ", ".join(fast.LEFT_OUT))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Only the controlling process compiles; xdist's workers find the code."""
    if not hasattr(session.config, "workerinput") and not session.config.option.fast:
        compile_images(every=session.config.option.markexpr.strip() != "not reliability")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first, and together what shares; else as they stand."""
    items.sort(key=lambda item: (item.path.stem not in LONG, item.path.stem not in TOGETHER))


def pytest_collection_finish(session: pytest.Session) -> None:
    """With `--fast` a test ends where it begins with what takes long."""
    if session.config.option.fast and session.items:
        fast.install()
    gc.collect()
    gc.freeze()  # three thousand tests, through which each collection would look again
    gc.set_threshold(*command.SELDOM)


@pytest.fixture(autouse=True)
def _left_out(request: pytest.FixtureRequest) -> None:
    """With `--fast` some tests end before they begin."""
    if request.config.option.fast:
        fast.check(request)


@pytest.fixture
def one_cpu() -> Iterator[None]:
    """Let commands have one CPU: with two each starts two compilers, and both compile every function."""
    before = os.sched_getaffinity(0)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.sched_setaffinity(0, {sorted(before)[worker % len(before)]})
    yield
    os.sched_setaffinity(0, before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """With `--fast`: what was left out."""
    if terminalreporter.config.option.fast:
        skipped = terminalreporter.stats.get("skipped", [])
        reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
        terminalreporter.write_line(fast.said(reasons))
