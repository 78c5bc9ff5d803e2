"""A schedule that is disturbed in the middle: by Ctrl-C, by a stop, by a clock that jumps."""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from benchmarks.cases import Case
from benchmarks.timing.sampler import Sampler
from benchmarks.timing.scheme import Scheme
from model.common.errors import KernelReportError
from model.kernels.store import Store
from model.vocabulary.scenario import Arm, Scenario
from tests.command import ROOT
from tests.waiting import until_it_ran

ARMS = (Arm("base", "none"), Arm("v1", "jump-label"))
FOREVER = """
import numpy as np
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)  # as in a worker
from benchmarks.timing.schedule import ROW, Walker
walker = Walker()
rows = np.zeros(1 << 20, ROW)
rows["function"] = walker.skip
print("here", flush=True)
for _ in range(10**9):
    walker.run(rows)
"""
MEASURE = """
import json
from tests.test_disturbed import sampler
print("here", flush=True)
subject = sampler()
for _ in range(6):
    subject(96)
subject.check()
print(json.dumps([value.levels.mean(axis=(1, 2)).tolist() for value in subject.values]))
"""


def sampler() -> Sampler:
    """Of base and v1, all builds."""
    return Sampler(Case(Scenario("on-idle"), ARMS), Store(), [1], Scheme())


def started(code: str) -> subprocess.Popen[str]:
    """Python in a session of its own, which has said that it begins."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "here\n"
    return process


def test_ctrl_c_ends_a_schedule_in_the_middle() -> None:
    """Machine code asks nobody: the signal's default ends the worker, however long its schedule is."""
    process = started(FOREVER)
    until_it_ran(process.pid, 0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == -signal.SIGINT
    assert process.stdout is not None
    process.stdout.close()


def test_a_stop_costs_the_slice_that_it_hit() -> None:
    """Three stops of 0.1 s, each as long as 2,000 slices and more: no mean knows of them."""
    process = started(MEASURE)
    for _ in range(3):
        until_it_ran(process.pid, 0.3)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGCONT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    times = np.array(json.loads(said))
    assert times.max() < 3 * np.median(times)  # the stop is 10 % of a value: 0.1 s of 1 s
    assert (np.abs(np.log(times[:, 1] / times[:, 0])) < 0.2).all()


@pytest.fixture(scope="module")
def subject() -> Sampler:
    """One that has measured nothing yet."""
    return sampler()


def test_a_clock_that_goes_backwards_is_seen(subject: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single slice is enough: no estimator gets to see it."""
    real = subject.run

    def disturbed(rows: Any, build: int) -> None:
        real(rows, build)
        if build == 7:
            rows["ticks"][np.flatnonzero(rows["role"] > 0)[20]] = -5_000

    monkeypatch.setattr(subject, "run", disturbed)
    with pytest.raises(KernelReportError, match="went backwards"):
        subject(96)
    assert not subject.values


def test_a_jump_forward_costs_the_slice_that_it_hit(
    subject: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an interruption does; whether the clocks still agree is asked at the end of the process."""
    real = subject.run

    def disturbed(rows: Any, build: int) -> None:
        real(rows, build)
        hit = np.flatnonzero(rows["role"] > 0)[20:21]  # none where a build is only looked at
        rows["ticks"][hit] += 10**9

    monkeypatch.setattr(subject, "run", disturbed)
    subject(96)
    jumped = subject.values[-1].levels
    # 24 of 192 cells are hit; a real interruption of the same arm in the same cell makes a second one.
    assert np.quantile(jumped, 0.98) < 10 * np.median(jumped) and np.isfinite(jumped).all()


def test_no_row_is_longer_than_a_slice() -> None:
    """What Python waits for is one build: some thousand calls, each of a pass over the pages or shorter."""
    made = sampler()
    cells = Scheme().draw(made.rng, made.places)
    made.take_builds(cells)
    addresses = np.array([arm.addresses for arm in made.arms])
    rows = made.table.rows(addresses, cells.stack, 4)[0]
    assert len(rows) < 10_000
    assert (rows["argument"][rows["role"] == 0] < 10_000).sum() == len(rows[rows["role"] == 0])
    assert all(arm.run.record["passes"][0] == 1 for arm in made.arms)
