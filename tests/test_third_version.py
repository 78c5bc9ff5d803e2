"""Another kernel version takes one folder and one name: every command and figure has it then."""

import json
import shutil
from pathlib import Path
from typing import Final

import pytest

from results.reading.load import load
from tests import runfile
from tests.command import ROOT, run

NEW: Final = "v5.10"
USUAL: Final = "on-idle/plain/warm/sequential/pcp/v5.10"
"""What is usual on a kernel of which the vocabulary says nothing else."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Freepath with one more version, whose folder is v4.3's under another name."""
    root = tmp_path_factory.mktemp("third")
    unwanted = shutil.ignore_patterns("__pycache__", "machines", "runs")
    for package in ("model", "benchmarks", "results", "plots"):
        shutil.copytree(ROOT / package, root / package, ignore=unwanted)
    folder = root / "model/kernels/v5_10"
    shutil.copytree(root / "model/kernels/v4_3", folder)
    for file in folder.rglob("*.py"):
        file.write_text(file.read_text().replace("v4_3", "v5_10").replace('"v4.3"', f'"{NEW}"'))
    words = root / "model/vocabulary/scenario.py"
    old = 'KernelVersion = Literal["v4.3", '
    assert words.read_text().count(old) == 1
    words.write_text(words.read_text().replace(old, f'{old}"{NEW}", '))
    return root


def met(checkout: Path, *words: str) -> str:
    """Standard output of a command there, which must do its work."""
    cache = str(checkout.parent / "cache")
    done = run(*words, cwd=checkout, PYTHONPATH=str(checkout), XDG_CACHE_HOME=cache)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def three(checkout: Path) -> Path:
    """A run along the kernels, as `--sweep kernel` measures it on each one's usual state."""
    newer = {"memcg": "on-active", "checks": "off", "config": "distribution", "cgroup": "v2"}
    name = "on-active/plain/warm/sequential/pcp"
    usual = {
        "v4.3": {},
        NEW: {"scenario": USUAL},
        **{kernel: {**newer, "scenario": f"{name}/{kernel}"} for kernel in ("v6.18", "v7.1")},
    }
    sessions = [
        runfile.FakeRun(seed=n, axes={"kernel": kernel, **axes})
        for n, (kernel, axes) in enumerate(usual.items(), 1)
    ]
    return runfile.write(checkout / "three.json", runfile.of_machine(runfile.document(*sessions)))


@pytest.mark.usefixtures("one_cpu")
def test_it_is_listed_and_measured(checkout: Path) -> None:
    """By the options that every version has; the name says which kernel it is."""
    listed = json.loads(met(checkout, "benchmarks", "--list", "--json", "--only", f"kernel={NEW}"))
    assert USUAL in {scenario["scenario"] for scenario in listed["scenarios"]}
    along = json.loads(met(checkout, "benchmarks", "--list", "--json", "--sweep", "kernel"))
    assert [scenario["kernel"] for scenario in along["scenarios"]] == ["v4.3", NEW, "v6.18", "v7.1"]
    insert = ("--kernel", NEW, "--insert", "nop", "-p", "1", "-n", "1", "-o", "run.json")
    assert USUAL in met(checkout, "benchmarks", *insert)
    (scenario,) = load(checkout / "run.json").scenarios
    assert scenario.axes["kernel"] == NEW and scenario.name == USUAL


def test_it_is_drawn_beside_the_others(checkout: Path, three: Path) -> None:
    """In the figure of kernels, by its usual memcg state."""
    met(checkout, "plots", str(three), "-o", str(checkout / "figures"), "--format", "svg")
    svg = (checkout / "figures" / "kernels.svg").read_text()
    idle = (f"{kernel}, memcg on-idle" for kernel in ("v4.3", NEW))
    for title in (*idle, "v6.18, memcg on-active", "v7.1, memcg on-active"):
        assert title in svg


@pytest.mark.parametrize("command", ["show", "answer", "report"])
def test_it_is_shown(checkout: Path, three: Path, command: str) -> None:
    """Whatever is asked of the run."""
    more = ("-o", str(checkout / "report.md")) if command == "report" else ()
    said = met(checkout, "results", command, str(three), *more)
    assert command == "answer" or NEW in (said or (checkout / "report.md").read_text())


def test_a_table_of_machines_has_it(checkout: Path, three: Path) -> None:
    """In its usual scenario or, where no machine has that, in the first that there is."""
    machines = str(checkout / "published")
    met(checkout, "results", "publish", str(three), "--to", machines)
    table = met(checkout, "results", "machines", machines)
    assert all(f"{name}, ns per page" in table for name in (USUAL, USUAL.removesuffix(f"/{NEW}")))
    name = USUAL.replace("pcp", "full")
    unusual = runfile.FakeRun(axes={"kernel": NEW, "depth": "full", "scenario": name})
    file = runfile.write(checkout / "unusual.json", runfile.of_machine(runfile.document(unusual)))
    met(checkout, "results", "publish", str(file), "--to", str(checkout / "others"))
    assert f"{name}, ns per page" in met(checkout, "results", "machines", str(checkout / "others"))
    by_who_does_not_know_it = run("results", "machines", str(checkout / "others"))
    assert f"{name}, ns per page" in by_who_does_not_know_it.stdout
