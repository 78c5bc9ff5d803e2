"""What is not known is said to be unknown, and no default stands for it."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import doctor, machine_load, process_settings
from benchmarks.commit import UNKNOWN
from model.common.limits import groups_seen
from model.machine_code import cpu_caches
from model.vocabulary.margin import Margin
from results.analysis.calibration import half_widths
from results.analysis.groups import analyse
from results.output.words import run_warnings
from results.reading.load import BadRunError, load
from tests import runfile
from tests.command import ROOT, drawn, run

FIXED = """
import ctypes, os, sys
ctypes.CDLL(None).personality(0x0040000)
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])
"""
"""As `setarch -R`, which a small container lacks."""
TINY = ("--only", "memcg=on-idle,page_kind=plain,depth=pcp,checks=on,entry=__free_pages,v1", "-p1", "-n1")


def fixed(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Python -m ARGUMENTS without address randomisation."""
    command = [sys.executable, "-c", FIXED, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that says nothing: no /proc, no /sys."""
    monkeypatch.setattr(doctor, "read", lambda path: UNKNOWN)
    monkeypatch.setattr(doctor, "SYS", Path("/nowhere"))
    monkeypatch.setattr(doctor, "STEAL_S", 0.0)
    monkeypatch.setattr(machine_load.Watch, "metadata", lambda watch: {})
    monkeypatch.setattr(doctor, "cpu_quota", lambda: None)
    monkeypatch.setattr(doctor, "group_memory", lambda: None)
    monkeypatch.setattr(doctor, "groups_seen", lambda controller: False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    monkeypatch.setattr(cpu_caches, "CPU", Path("/nowhere"))


@pytest.mark.usefixtures("nothing")
def test_the_doctor_claims_nothing_where_nothing_is_known() -> None:
    """Neither that the machine is quiet, nor that it is no virtual one, nor that nothing limits it."""
    rows = {row.name: row for row in doctor.findings()}
    here = {"store bypass", "executable memory", "address-space limit", "CPUs usable", "CPU caches"}
    for name in rows.keys() - here:
        assert rows[name].value == "unknown" and not rows[name].disturbs, name
    assert rows["CPUs usable"].value.endswith("of unknown, by a quota that is unknown")
    assert "unknown" in rows["CPU caches"].value and rows["CPU caches"].disturbs
    assert "0" not in doctor.facts()["mitigations"]


def test_whether_a_control_group_can_be_seen(tmp_path: Path) -> None:
    """A container may have one that is not mounted, and then its limits are unknown."""
    (tmp_path / "cgroup").write_text("0::/job\n")
    (tmp_path / "mountinfo").write_text("")
    assert not groups_seen("memory", tmp_path) and not groups_seen("memory", tmp_path / "none")
    (tmp_path / "mountinfo").write_text(f"31 24 0:27 / {tmp_path} rw - cgroup2 cgroup2 rw\n")
    assert groups_seen("memory", tmp_path) and groups_seen("cpu", tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("processor\t: 0\nflags\t\t: fpu hypervisor sse\n", "yes"),
        ("processor\t: 0\nmodel name\t: a hypervisor\nflags\t\t: fpu sse\n", "no"),
        ("processor\t: 0\nFeatures\t: fp asimd\n", "unknown"),
        ("unknown", "unknown"),
    ],
)
def test_only_who_has_flags_says_that_there_is_no_hypervisor(
    text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another architecture, or a sandbox without the file, says nothing."""
    read = doctor.read
    monkeypatch.setattr(doctor, "read", lambda path: text if path.name == "cpuinfo" else read(path))
    assert doctor.facts()["virtual"] == told


def test_mitigations_that_cannot_be_read_are_not_inactive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that can are counted, and how many cannot is said."""
    (tmp_path / "vulnerabilities").mkdir()
    for name, text in (("spectre_v1", "Mitigation: barriers"), ("mds", "Not affected"), ("l1tf", "")):
        (tmp_path / "vulnerabilities" / name).write_text(text)
    monkeypatch.setattr(doctor, "SYS", tmp_path)
    assert doctor.mitigations() == "1 of 3 active, 1 unknown"


def test_the_doctor_sees_that_addresses_are_not_drawn() -> None:
    """`setarch -R` leaves the kernel's setting as it is, and pyperf looks at nothing else."""
    done = fixed("benchmarks", "--doctor", "--json")
    (row,) = (row for row in json.loads(done.stdout) if row["name"] == "address randomisation")
    assert row["disturbs"] and "setarch -R" in row["value"]
    (row,) = (
        row
        for row in json.loads(run("benchmarks", "--doctor", "--json").stdout)
        if row["name"] == "address randomisation"
    )
    assert "setarch" not in row["value"]


def test_a_run_without_drawn_addresses_says_so(tmp_path: Path) -> None:
    """While it is measured, in the file, and wherever it is shown."""
    file = tmp_path / "run.json"
    done = fixed("benchmarks", *TINY, "-o", str(file))
    assert done.returncode == 0 and "setarch -R" in done.stderr
    assert load(file).scenarios[0].processes[0].facts["aslr"] == "No randomization (setarch -R)"
    assert "warning: measured without address randomisation" in run("results", "show", str(file)).stdout


@pytest.mark.parametrize(
    ("aslr", "warned"), [("Full randomization", False), ("No randomization", True), (None, False)]
)
def test_files_of_pyperf_say_so_too(tmp_path: Path, aslr: str | None, warned: bool) -> None:
    """Older ones as well, where the kernel's setting was off."""
    facts = {} if aslr is None else {"aslr": aslr}
    made = load(runfile.write(tmp_path / "run.json", runfile.document(runfile.FakeRun(), **facts)))
    assert any("address randomisation" in line for line in run_warnings(made)) == warned


@pytest.mark.parametrize(
    ("state", "held"), [(0, False), (2, False), (3, False), (4, True), (5, True), (9, True), (17, True)]
)
def test_store_bypass_is_what_the_kernel_says(
    state: int, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel's command line, or seccomp, switches it off without being asked."""
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(prctl=lambda *arguments: state))
    assert process_settings.loads_wait() == held


def test_a_switch_that_is_off_already_is_stored_as_off(tmp_path: Path) -> None:
    """Not as the option's default has it; where the CPU has no such switch nothing is stored as off."""
    line = "import ctypes; ctypes.CDLL(None).prctl(53, 0, 4, 0, 0)\n"
    command = [sys.executable, "-c", line + FIXED, "benchmarks", *TINY, "-o", str(tmp_path / "run.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    stored = load(tmp_path / "run.json").facts["store_bypass"]
    assert stored == ("off" if process_settings.can_hold_loads() else stored)
    assert ("SSBD is on" in done.stderr) == (stored == "off")


def undated(data: dict[str, Any]) -> dict[str, Any]:
    """A run that does not say how long its processes took."""
    for bench in data["benchmarks"]:
        for made in bench["runs"]:
            del made["metadata"]["duration"]
    return data


def test_how_long_it_would_take_is_unknown_where_it_was_not_stored(tmp_path: Path) -> None:
    """No duration is no duration of zero."""
    arms = runfile.HEADLINE | {("v1", "jump-label"): 0.15}
    noisy = runfile.FakeRun(arms=arms, processes=4, machine=runfile.FakeHost(between=0.005))
    margin = Margin(1.0, percent=True)
    needed = [
        [cell.seconds_needed for group in analyse(load(file), margin) for cell in group.cells]
        for file in (
            runfile.write(tmp_path / "a.json", runfile.document(noisy)),
            runfile.write(tmp_path / "b.json", undated(runfile.document(noisy))),
        )
    ]
    assert any(needed[0]) and not any(needed[1])
    calibration = runfile.write(tmp_path / "c.json", undated(runfile.calibration()))
    with pytest.raises(BadRunError, match="does not say how long"):
        half_widths(load(calibration), None)


def test_pages_say_what_is_unknown(tmp_path: Path) -> None:
    """A kernel that is not named, a fact that only one of two files has."""
    data = runfile.document(runfile.FakeRun())
    known = runfile.write(tmp_path / "known.json", data)
    del data["metadata"]["platform"]
    unknown, page = runfile.write(tmp_path / "unknown.json", data), tmp_path / "page.html"
    assert drawn("results", "report", str(unknown), "-o", str(page)).returncode == 0
    assert "unknown kernel" in page.read_text()
    files = (str(known), str(unknown), "--across-machines")
    drawn("results", "compare", *files, "--html", "-o", str(page), "--force")
    assert "<td>unknown</td>" in page.read_text()
