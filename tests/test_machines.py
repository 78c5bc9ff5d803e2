"""Machines: what makes one, publishing, the table over many, and what is refused or left out."""

import csv
import io
import json
import shutil
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from model.common.files import read_bounded
from model.vocabulary.machine import NAMES
from results.analysis import machines
from results.analysis.groups import analysis_of
from results.analysis.seeds import settled
from results.kept import publishing
from results.output import as_json, as_machines
from results.reading import places
from results.reading.load import Run, load
from results.reading.machine import key_of, machine_of, unlike
from tests import runfile
from tests.command import ROOT, refused, run

SCENARIO = "on-idle/plain/warm/sequential/pcp"


def made(path: Path, day: int = 1, cost: float = 0.25, facts: Mapping[str, str] | None = None) -> Path:
    """A run of a machine, in which v1 costs so much."""
    arms = runfile.HEADLINE | {("v1", "jump-label"): cost}
    data = runfile.document(runfile.FakeRun(arms=arms, processes=4, blocks=4, seed=day))
    return runfile.write(path, runfile.of_machine(data, day, **(facts or {})))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two machines: a Zen 5, and the same with another governor, where v1 is dearer; and their runs."""
    place = tmp_path_factory.mktemp("published")
    for day, governor in ((1, "performance"), (2, "powersave")):
        file = made(place / f"{governor}.json", day, 0.2 * day, {"governor": governor})
        done = run("results", "publish", str(file), "--to", str(place / "machines"))
        assert done.returncode == 0 and done.stdout.strip().startswith(str(place / "machines/amd-26-2-1-"))
    return place


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """The machines, for a test that may change them."""
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    return tmp_path / "machines"


@pytest.mark.parametrize("fact", NAMES)
def test_every_fact_makes_another_machine(fact: str, tmp_path: Path) -> None:
    """And the host's name, the order of siblings and the C library do not."""
    base = {"smt": "on, siblings of cpu0: 0-1", "governor": "performance", "virtual": "no", "thp": "always"}
    one, other = (load(made(tmp_path / f"{name}.json", facts=base)) for name in "ab")
    changed = load(made(tmp_path / "c.json", facts={**base, fact: "another"}))
    moved = {**base, "smt": "on, siblings of cpu1: 0-1", "platform": "Linux-6.1-x86_64-with-glibc9"}
    same = load(made(tmp_path / "d.json", facts={**moved, "hostname": "else"}))
    assert key_of(machine_of(one)) == key_of(machine_of(other)) == key_of(machine_of(same))
    assert key_of(machine_of(one)) != key_of(machine_of(changed))
    assert [line.partition(":")[0] for line in unlike(one, changed)] == [fact]


def test_a_table_has_a_column_for_each_machine(folder: Path) -> None:
    """In every format the same figures: mean, interval, cycles, what is predicted, share of builds."""
    text = run("results", "machines", str(folder)).stdout
    assert text.count("Zen 5, 2026-11-0") == 2 * 9 and "v1/jump-label" in text
    page = run("results", "machines", str(folder), "--format", "markdown").stdout
    (row,) = (line for line in page.splitlines() if line.startswith("| `v1/jump-label`"))
    assert row.count("|") == 4 and "cycles" in row and "pay" in row and "+0.2" in row and "+0.4" in row
    lines = list(
        csv.DictReader(io.StringIO(run("results", "machines", str(folder), "--format", "csv").stdout))
    )
    assert {line["machine"] for line in lines} == {path.name for path in folder.iterdir()}
    document = json.loads(run("results", "machines", str(folder), "--format", "json").stdout)
    cells = [cell for machine in document["machines"] for cell in machine["cells"]]
    assert [line["overhead_ns"] for line in lines] == [str(cell["overhead_ns"]) for cell in cells]
    by_hand = load(folder.parent / "performance.json")
    assert isinstance(by_hand, Run)


def test_one_machine_has_one_run(folder: Path, tmp_path: Path) -> None:
    """A second one is asked for; what was there stays until somebody says so."""
    again = made(tmp_path / "again.json", 9, 0.9, {"governor": "performance"})
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    refused(run("results", "publish", str(again), "--to", str(folder)), "2026-11-01", "--force")
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    assert run("results", "publish", str(again), "--to", str(folder), "--force").returncode == 0
    assert "2026-11-09" in run("results", "machines", str(folder)).stdout


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda place: (place / "machine.json").write_text("{"), "no JSON"),
        (lambda place: (place / "machine.json").write_text("[]"), "expected"),
        (lambda place: (place / "machine.json").unlink(), "cannot read"),
        (lambda place: (place / "run-2.json").write_text("{}"), "two results for one key"),
        (lambda place: place.rename(place.with_name("amd-1-2-3-4")), "a folder has the key of its machine"),
    ],
)
def test_what_is_damaged_is_left_out(spoil: Any, said: str, folder: Path) -> None:
    """One line each; the other machines are shown."""
    place = sorted(folder.iterdir())[0]
    spoil(place)
    done = run("results", "machines", str(folder))
    assert done.returncode == 0 and "Zen 5" in done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("left out: ") and said in line


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"commit": "0123456789ab-dirty"}, "publish a run of a clean checkout"),
        ({"commit": "unknown"}, "publish a run of a clean checkout"),
        ({"store_bypass": "off"}, "store bypass off"),
        ({"sibling": "busy"}, "--sibling busy: publish a run of the CPU as found"),
    ],
)
def test_what_cannot_stand_for_a_machine_is_refused(facts: dict[str, str], said: str, tmp_path: Path) -> None:
    """A figure belongs to a commit and to the CPU as it runs."""
    file = made(tmp_path / "run.json", facts=facts)
    refused(run("results", "publish", str(file), "--to", str(tmp_path / "machines")), said)
    assert not (tmp_path / "machines").exists()


def test_bad_folders_and_scenarios(folder: Path, tmp_path: Path) -> None:
    """One line that says what there is."""
    refused(run("results", "machines", str(tmp_path / "none")), "no folder of machines", "make publish")
    (tmp_path / "empty").mkdir()
    refused(run("results", "machines", str(tmp_path / "empty")), "holds no machine")
    refused(run("results", "machines", str(folder), "--scenario", "nowhere"), SCENARIO, "all")


def test_fifty_machines_take_no_time(tmp_path: Path) -> None:
    """No run is read for the table: under two seconds, of which most is Python's start."""
    file = made(tmp_path / "run.json")
    place = publishing.publish(load(file), tmp_path / "machines")
    document = json.loads((place / "machine.json").read_text())
    for number in range(50):
        document["machine"]["cpu_microcode"] = f"0x{number:x}"
        (other := place.parent / key_of(document["machine"])).mkdir(exist_ok=True)
        (other / "machine.json").write_text(json.dumps(document))
    started = time.process_time()
    found = machines.entries(place.parent)
    text = "\n".join(as_machines.table(found, machines.scenarios_of(found)))
    assert len(found) >= 50 and text.count("Zen 5") >= 50 * 8
    assert time.process_time() - started < 10  # a command is 0.6 s here


def test_the_figure_is_drawn(folder: Path, tmp_path: Path) -> None:
    """From the folder, wide and narrow."""
    done = run("plots", str(folder), "-o", str(tmp_path / "figures"), "--narrow", "--format", "svg")
    assert done.returncode == 0 and len(done.stdout.split()) == 2, done.stderr
    assert "Zen 5" in (tmp_path / "figures" / "machines.svg").read_text()


def test_runs_of_two_machines_are_not_compared(tmp_path: Path) -> None:
    """A governor is another machine, and in cycles and slots one may compare all the same."""
    files = [str(made(tmp_path / f"{g}.json", facts={"governor": g})) for g in ("performance", "powersave")]
    refused(run("results", "compare", *files), "governor: performance and powersave", "--across-machines")
    text = run("results", "compare", *files, "--across-machines", "--all").stdout
    assert "cycles" in text and "slots (2 inserted)" in text
    (tmp_path / "runs").mkdir()
    for file in files:
        Path(file).rename(tmp_path / "runs" / Path(file).name)
    assert run("results", "history", str(tmp_path / "runs")).stdout.count("machine: ") == 2


def test_the_committed_machines_are_whole() -> None:
    """Each entry is of the run beside it, and says of it what this checkout says, and a second seed."""
    for entry in machines.entries():
        place = machines.FOLDER / entry.key
        document = json.loads((place / machines.ENTRY).read_text())
        packed = read_bounded(place / machines.RUN, 1 << 28)
        assert document["run"]["sha256"] == sha256(packed).hexdigest()
        shown = as_json.document(analysis_of(load(place / machines.RUN), machines.MARGIN))
        other = document.get("second", {}).get("verdicts", {})
        assert [settled(cell, other) for cell in shown["cells"]] == entry.cells


def test_what_is_published_says_what_it_is_of_and_not_whose(tmp_path: Path) -> None:
    """No host, no folder; the figures are the run's own."""
    facts = {"hostname": "atlas-7", "python_executable": "/home/me/python", "freepath_command": COMMAND}
    file = made(tmp_path / "run.json", facts=facts)
    place = publishing.publish(load(file), tmp_path / "machines")
    text = read_bounded(place / machines.RUN, 1 << 20).decode() + (place / machines.ENTRY).read_text()
    assert "atlas-7" not in text and "/home" not in text and "/tmp" not in text
    assert "python -m benchmarks --quick -o run.json" in text
    shown = as_json.document(analysis_of(load(file), machines.MARGIN))
    assert (
        as_json.document(analysis_of(load(place / machines.RUN), machines.MARGIN))["cells"] == shown["cells"]
    )


COMMAND = "python -m benchmarks --quick -o /home/me/run.json"


@pytest.mark.parametrize("option", ["-o ", "-o", "--output="])
def test_a_command_names_no_folder(option: str) -> None:
    """However its file was given; a check of one's own, which has slashes and signs too, stays as it was."""
    check = "--insert 'half=movl 48($0), %edx /* a/b */'"
    command = f"python -m benchmarks {check} {option}/home/me/run.json"
    assert places.command_without_places(command) == f"python -m benchmarks {check} {option}run.json"


def test_data_that_is_kept_names_no_place() -> None:
    """Of nobody's machine."""
    kept = [*machines.FOLDER.rglob(machines.RUN), *(machines.FOLDER.parent / "reference").glob("*.json.gz")]
    assert len(kept) > 3
    for file in kept:
        data = read_bounded(file, 1 << 28)
        assert not [name for name in places.PLACES if f'"{name}":'.encode() in data], file


def test_the_results_page_has_the_table() -> None:
    """Word for word what the command prints for the published runs."""
    made = run("results", "machines", "--format", "markdown").stdout
    text = (ROOT / "docs/results.md").read_text()
    assert text.partition("<!-- machines -->\n")[2].partition("<!-- /machines -->")[0] == made


def test_an_entry_from_before_conditions_is_read(folder: Path) -> None:
    """Its figures are what they were; none of them says a condition."""
    for entry in folder.glob(f"*/{machines.ENTRY}"):
        document = json.loads(entry.read_text())
        for each in (*document["figures"]["cells"], *document["figures"]["scenarios"]):
            for name in ("condition", "alone", "shared"):
                each.pop(name, None)
        entry.write_text(json.dumps(document))
    found = machines.entries(folder)
    assert len(found) > 1 and not any("condition" in cell for entry in found for cell in entry.cells)
    names = machines.scenarios_of(found)
    texts = ["\n".join(make(found, names)) for make in (as_machines.table, as_machines.markdown)]
    texts.append(as_machines.as_csv(found, names))
    assert all("beside a busy sibling" not in text.partition("sibling.")[2] for text in texts)
    assert "v1/jump-label" in texts[0]
