"""`--sibling busy`: which two CPUs, what is refused, and the partner's life and end."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from benchmarks.timing import partner
from benchmarks.timing.append import check_append
from benchmarks.timing.partner import check, core_for, kept_busy, siblings_of, spinning
from model.common.errors import FreepathError, UsageError
from tests import runfile
from tests.command import ROOT, refused, run
from tests.waiting import until, until_it_ran


def cores(folder: Path, siblings: dict[int, str], name: str = "thread_siblings_list") -> Path:
    """A made-up sysfs: CPU -> the CPUs of its core."""
    for cpu, text in siblings.items():
        place = folder / "system" / "cpu" / f"cpu{cpu}" / "topology"
        place.mkdir(parents=True)
        (place / name).write_text(f"{text}\n")
    return folder


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """CPUs that this process may use: 0 to 7."""
    found = set(range(8))
    monkeypatch.setattr("os.sched_getaffinity", lambda process: found)
    return found


@pytest.mark.parametrize("name", partner.TOPOLOGY)
@pytest.mark.parametrize(
    ("affinity", "pair"), [(None, (0, 4)), ("0", (0, 4)), ("6", (6, 2)), ("3,1", (3, 7)), ("0,4", (0, 4))]
)
def test_the_pair_is_of_one_core(
    name: str, affinity: str | None, pair: tuple[int, int], ours: set[int], tmp_path: Path
) -> None:
    """The first of the workers' CPUs that has a sibling of ours, and that sibling."""
    system = cores(tmp_path, {cpu: f"{cpu % 4},{cpu % 4 + 4}" for cpu in range(8)}, name)
    assert core_for(affinity, system) == pair
    assert siblings_of(pair[0], system) == sorted(pair)


def test_a_cpu_without_a_sibling_is_passed_over(ours: set[int], tmp_path: Path) -> None:
    """Atom cores have one thread; of a core with more than two any will do."""
    system = cores(tmp_path, {0: "0", 1: "1", 2: "2-5", 3: "2-5"})
    assert core_for(None, system) == (2, 3)
    ours -= {3}
    assert core_for("2", system) == (2, 4)


@pytest.mark.parametrize(
    ("siblings", "affinity", "said"),
    [
        ({0: "0", 1: "1"}, None, "no second thread on the core of CPUs 0-7: SMT is off, or hidden"),
        ({}, "1", "no second thread on the core of CPU 1: "),
        ({0: "nonsense"}, "0", "no second thread on the core of CPU 0: "),
        ({0: "0,8", 1: "1,9"}, "0-1", "the siblings of CPUs 0-1 (CPUs 8-9) are not ours: allow both"),
    ],
)
def test_where_no_sibling_is_to_be_had_one_line_says_so(
    siblings: dict[int, str], affinity: str | None, said: str, ours: set[int], tmp_path: Path
) -> None:
    """And what to do."""
    with pytest.raises(UsageError, match=re.escape(said)) as refusal:
        core_for(affinity, cores(tmp_path, siblings))
    assert str(refusal.value).isprintable()


def test_threads_need_the_other_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenarios with two threads are refused; without a partner nothing is."""
    monkeypatch.setattr(partner, "siblings_of", lambda cpu, system: sorted(os.sched_getaffinity(0)))
    if len(os.sched_getaffinity(0)) > 1:
        check("busy", None, ["1", "1"])
        with pytest.raises(UsageError, match="leave out scenarios with threads"):
            check("busy", None, ["1", "2"])
    check("as-found", None, ["2"])


def test_the_command_refuses_before_it_measures(tmp_path: Path) -> None:
    """Exit status 2, one line, no file; also a word that is no state."""
    one = str(min(os.sched_getaffinity(0)))
    if len(siblings_of(int(one))) < 2:
        done = run(
            "benchmarks", "--quick", "--sibling", "busy", "--affinity", one, "-o", str(tmp_path / "r.json")
        )
        refused(done, f"no second thread on the core of CPU {one}")
    refused(run("benchmarks", "--quick", "--sibling", "lazy"), "as-found")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def cpu() -> int:
    """One that we may use; the last."""
    return max(os.sched_getaffinity(0))


def test_the_partner_spins_where_it_should_and_ends_with_the_block(cpu: int) -> None:
    """On one CPU, most of the time, until the block is left, by an exception too."""
    with pytest.raises(KeyError), spinning(cpu) as process:
        own = psutil.Process(process.pid)
        assert own.cpu_affinity() == [cpu]
        before = own.cpu_times().user
        until(lambda: own.cpu_times().user > before + 0.05)  # others may have that CPU, too
        raise KeyError
    assert process.poll() == -signal.SIGKILL


def test_nothing_spins_where_it_was_not_asked_for() -> None:
    """The default."""
    before = psutil.Process().children()
    with kept_busy(SimpleNamespace(sibling="as-found", affinity="0", python=sys.executable)):
        assert psutil.Process().children() == before


def test_a_partner_that_does_not_last_or_start_is_told(cpu: int) -> None:
    """What was measured was not beside a busy sibling."""
    with pytest.raises(FreepathError, match=f"CPU {cpu} was ended meanwhile"), spinning(cpu) as process:
        process.kill()
        process.wait()
    with pytest.raises(FreepathError, match="does not run"), spinning(1 << 20):
        raise AssertionError
    with pytest.raises(FreepathError, match="does not start"), spinning(cpu, "/nowhere/python"):
        raise AssertionError


PARENT = """
import signal, sys, time
from benchmarks.timing.partner import spinning
if sys.argv[1] == "ignored":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
with spinning(int(sys.argv[2])) as process:
    print(process.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def parents() -> Iterator[list[subprocess.Popen[str]]]:
    """Killed in the end, with what they started."""
    made: list[subprocess.Popen[str]] = []
    yield made
    for process in made:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_parent_however_that_ends(
    number: signal.Signals, cpu: int, parents: list[subprocess.Popen[str]]
) -> None:
    """Ctrl-C, and by the kernel where the parent had no time."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PARENT, "usual", str(cpu)]
    parent = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    parents.append(parent)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.send_signal(number)
    parent.wait(timeout=20)
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_ctrl_c_on_a_terminal_is_the_parents_business(cpu: int) -> None:
    """The signal reaches the whole group: the partner stays until its parent ends it."""
    with spinning(cpu) as process:
        for number in (signal.SIGINT, signal.SIGHUP):
            process.send_signal(number)
        until_it_ran(process.pid, 0.05)
        assert process.poll() is None


def test_unlike_conditions_are_not_appended(tmp_path: Path) -> None:
    """Either way; a file that does not say was measured as found."""
    facts = {name: value for name, value in runfile.document()["metadata"].items() if name != "seed"}
    for old, new in (("busy", "as-found"), ("as-found", "busy"), (None, "busy")):
        data = runfile.document(**({"sibling": old} if old else {}))
        file = runfile.write(tmp_path / "run.json", data)
        known = runfile.ZEN5 | facts
        with pytest.raises(
            FreepathError, match=f"measured with sibling {old or 'as-found'}, this would be {new}"
        ):
            check_append(file, known | {"sibling": new}, None)
        check_append(file, known | {"sibling": old or "as-found"}, None)
