"""Another kernel version takes one folder and one name: every command and figure has it then."""

import json
import shutil
from pathlib import Path
from typing import Final

import pytest

from model.vocabulary.scenario import AXES, DEFAULTS, USUAL_OF, usual_of, usual_scenario
from results.reading.load import load
from tests import runfile
from tests.checkouts import copied, met
from tests.command import run

NEW: Final = "v5.10"
LATER: Final = AXES["kernel"][1:]
USUAL: Final = "on-idle/plain/warm/sequential/pcp/v5.10"
"""What is usual on a kernel of which the vocabulary says nothing else."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Freepath with one more version, whose folder is v4.3's under another name."""
    root = copied(tmp_path_factory.mktemp("third"), after="v4.3", name=NEW)
    folder = root / "model/kernels/v5_10"
    shutil.copytree(root / "model/kernels/v4_3", folder)
    for file in folder.rglob("*.py"):
        file.write_text(file.read_text().replace("v4_3", "v5_10").replace('"v4.3"', f'"{NEW}"'))
    return root


@pytest.fixture(scope="module")
def three(checkout: Path) -> Path:
    """A run along the kernels, as `--sweep kernel` measures it on each one's usual state."""
    usual = {
        DEFAULTS["kernel"]: {},
        NEW: {"scenario": USUAL},
        **{kernel: {**USUAL_OF.get(kernel, {}), "scenario": usual_scenario(kernel).name} for kernel in LATER},
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
    assert [scenario["kernel"] for scenario in along["scenarios"]] == [DEFAULTS["kernel"], NEW, *LATER]
    insert = ("--kernel", NEW, "--insert", "nop", "-p", "1", "-n", "1", "-o", "run.json")
    assert USUAL in met(checkout, "benchmarks", *insert)
    (scenario,) = load(checkout / "run.json").scenarios
    assert scenario.axes["kernel"] == NEW and scenario.name == USUAL


def test_it_is_drawn_beside_the_others(checkout: Path, three: Path) -> None:
    """In the figure of kernels, by its usual memcg state."""
    met(checkout, "plots", str(three), "-o", str(checkout / "figures"), "--format", "svg")
    svg = (checkout / "figures" / "kernels.svg").read_text()
    idle = (f"{kernel}, memcg on-idle" for kernel in (DEFAULTS["kernel"], NEW))
    for title in (*idle, *(f"{kernel}, memcg {usual_of(kernel)['memcg']}" for kernel in LATER)):
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
