"""A fleet: two Dask workers on this machine, pinned to a CPU each, stand in for two hosts."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.commit import MARK, commit, sources
from model.kernels.store import Store
from results.reading.load import load
from tests.command import ROOT, refused, run
from tests.waiting import until

ARGV = ("--only", "memcg=on-idle,page_kind=plain,depth=pcp,checks=on,entry=__free_pages,v1", "-n", "2")
NOBODY = "tcp://127.0.0.1:9"
WORKER = ("-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean clone with what is here: a fleet measures a commit."""
    place = tmp_path_factory.mktemp("fleet") / "checkout"
    tracked = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=True,
    )
    for name in filter(None, tracked.stdout.decode().split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("results/reference/", "docs/figures/")):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
    identity = ("-c", "user.name=test", "-c", "user.email=test@invalid")
    for words in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-q", "-m", "all")):
        subprocess.run(["git", *words], cwd=place, check=True)
    return place


class Workers:
    """A scheduler, and workers that can be killed."""

    def __init__(self, folder: Path, home: Path, cpus: list[int]) -> None:
        self.file = folder / "scheduler.json"
        environment = {**os.environ, "XDG_CACHE_HOME": str(home)}
        scheduler = [
            sys.executable,
            "-m",
            "distributed.cli.dask_scheduler",
            "--scheduler-file",
            str(self.file),
        ]
        self.processes: list[subprocess.Popen[bytes]] = []
        command = [*scheduler, "--port", "0", "--no-dashboard"]
        self.processes.append(self._started(command, environment, folder))
        until(self.file.exists)
        for cpu in cpus:
            command = ["taskset", "-c", str(cpu), sys.executable, *WORKER, "--scheduler-file", str(self.file)]
            self.processes.append(self._started([*command, "--no-nanny"], environment, folder))
            log = self._log(folder)
            until(lambda log=log: "Registered to" in log.read_text())  # type: ignore[misc]

    def _started(
        self, command: list[str], environment: dict[str, str], folder: Path
    ) -> "subprocess.Popen[bytes]":
        with self._log(folder, one_more=True).open("w") as log:
            return subprocess.Popen(
                command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=log
            )

    def _log(self, folder: Path, *, one_more: bool = False) -> Path:
        """What the latest process says, or the next one will."""
        return folder / f"fleet-{len(self.processes) - (not one_more)}.log"

    def end(self) -> None:
        """All of them."""
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@contextlib.contextmanager
def fleet_of(folder: Path, cpus: list[int]) -> Iterator[Workers]:
    """Workers on these CPUs, ready."""
    home = folder / "home"
    if len(cpus) > 1:  # of several hosts none need compile what this one has; one alone does
        shutil.copytree(Store().folder, home / Store().root.name / Store().folder.name)
    made = Workers(folder, home, cpus)
    try:
        yield made
    finally:
        made.end()


def on(checkout: Path, scheduler: object, *words: str) -> "subprocess.Popen[str]":
    """`python -m benchmarks WORDS --on SCHEDULER` in the clone."""
    command = [sys.executable, "-m", "benchmarks", *words, "--on", str(scheduler)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    return subprocess.Popen(
        command, cwd=checkout, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


CPUS = sorted(os.sched_getaffinity(0))[:2]
two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="two hosts are two CPUs, and here is one")


@two_cpus
def test_two_hosts_measure_and_one_that_dies_is_resumed(checkout: Path, tmp_path: Path) -> None:
    """A file each, of all processes; a killed worker loses no complete process, and the other goes on."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    with fleet_of(tmp_path, CPUS) as workers:
        done = on(checkout, workers.file, *ARGV, "-p", "3", "-o", str(whole))
        said = done.communicate(timeout=240)
        assert done.returncode == 0, said
        assert "host 1 (" in said[1] and "host 2 (" in said[1]
        runs = [load(path) for path in sorted(whole.iterdir())]
        assert len(runs) == 2 and [len(made.scenarios[0].processes) for made in runs] == [3, 3]
        here = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True
        ).stdout
        assert {made.facts["commit"] for made in runs} == {here[:12]}
        seeds = [made.facts["seed"] for made in runs]
        assert seeds[0] != seeds[1] and not list(whole.glob("*.partial"))

        going = on(checkout, workers.file, *ARGV, "-p", "8", "-o", str(broken))
        parts = [broken / f"host-{number}.json.partial" for number in (1, 2)]
        until(lambda: all(len(list(part.glob("0-*.json"))) >= 3 for part in parts))
        came = {part: {path.name: path.read_bytes() for path in part.glob("0-*.json")} for part in parts}
        assert all(len(complete) >= 3 for complete in came.values())
        workers.processes[2].kill()
        said = going.communicate(timeout=240)
        assert going.returncode == 2, said
        assert "worker is gone" in said[1] and "--resume" in said[1] and "Traceback" not in said[1]
        (first,), (part,) = broken.glob("*.json"), broken.glob("*.partial")
        assert len(load(first).scenarios[0].processes) == 8
        complete = came[part]
        kept = {path.name: path.read_bytes() for path in part.glob("0-*.json")}
        assert complete.items() <= kept.items()
        before = {process.facts["pair_id"] for process in load(part).scenarios[0].processes}
        assert len(before) >= 3
        # As if a host of another name and kernel goes on with it.
        for path in part.glob("0-*.json"):
            process = json.loads(path.read_text())
            process["metadata"] |= {"hostname": "another-host", "platform": "Linux-5.4.0-x86_64"}
            path.write_text(json.dumps(process))

        again = on(checkout, workers.file, "--resume", str(broken))
        said = again.communicate(timeout=240)
        assert again.returncode == 0, said
        runs = [load(path) for path in broken.iterdir()]
        assert [len(made.scenarios[0].processes) for made in runs] == [8, 8]
        ids = {p.facts["pair_id"] for made in runs for p in made.scenarios[0].processes}
        assert len(ids) == 16
        assert before <= ids
        processes = [p.facts for made in runs for p in made.scenarios[0].processes]
        assert {p["pair_id"] for p in processes if p["hostname"] == "another-host"} == before


@two_cpus
def test_ctrl_c_keeps_what_came(checkout: Path, tmp_path: Path) -> None:
    """Exit status of the signal, and every host is asked to stop."""
    target = tmp_path / "fleet"
    with fleet_of(tmp_path, CPUS[:1]) as workers:
        going = on(checkout, workers.file, *ARGV, "-p", "40", "-o", str(target))
        part = target / "host-1.json.partial"
        until(lambda: len(list(part.glob("0-*.json"))) >= 2)
        going.send_signal(signal.SIGINT)
        said = going.communicate(timeout=240)
        assert going.returncode == 130 and "kept in" in said[1] and "Traceback" not in said[1], said
        assert len(load(part).scenarios[0].processes) >= 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "fleet"), "no scheduler answers there"),
        ((), "-o DIR"),
        (("-o", "fleet", "--append", "run.json"), "--append"),
        (("-o", "fleet", "--variant", "mine.py"), "--variant"),
        (("-o", "pyproject.toml"), "is a file"),
        (("-o", "docs"), "is not empty"),
        (("--resume", "docs", "-o", "fleet"), "leave out -o"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], said: str, checkout: Path) -> None:
    """One line, before anything is shipped."""
    refused(
        run("benchmarks", *ARGV, *words, "--on", NOBODY, cwd=checkout, PYTHONPATH=str(checkout)),
        said,
    )


def test_changes_are_refused(checkout: Path) -> None:
    """A figure belongs to a commit."""
    extra = checkout / "model" / "extra.py"
    extra.write_text('"""New."""\n')
    try:
        done = run(
            "benchmarks", "-o", "f", "--on", "tcp://127.0.0.1:9", cwd=checkout, PYTHONPATH=str(checkout)
        )
    finally:
        extra.unlink()
    refused(done, "-dirty", "commit first")


def test_an_unpacked_checkout_knows_its_commit(tmp_path: Path) -> None:
    """By a mark with the digest of its sources; a change makes it dirty."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a.py").write_text("a = 1\n")
    (tmp_path / MARK).write_text(f"0123456789ab {sources(tmp_path)}\n")
    assert commit(tmp_path) == "0123456789ab"
    (tmp_path / "model" / "a.py").write_text("a = 2\n")
    assert commit(tmp_path) == "0123456789ab-dirty"
