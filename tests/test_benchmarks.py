"""`python -m benchmarks`: selection, a real run, the pyperf commands, interruption, bad input."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyperf
import pytest

from benchmarks.cases import SelectionError, from_plain, with_arms
from benchmarks.process_settings import can_hold_loads
from benchmarks.selection import select
from benchmarks.timing.calibrate import calibration_cases
from benchmarks.timing.partial import Partial
from benchmarks.timing.plan import plan_in
from benchmarks.timing.scheme import Scheme
from model.common.errors import FileError
from model.kernels import VERSIONS
from model.kernels.v4_3.image import Image
from model.kernels.v4_3.scenarios import SCENARIOS
from model.kernels.v4_3.variants import VARIANTS
from results.reading.load import Run, load
from tests.command import ROOT, refused, run
from tests.kills import default_signals
from tests.waiting import until

TINY = (
    "-p",
    "2",
    "-n",
    "3",
    "--loops",
    "96",
    "--only",
    "memcg=on-idle,page_kind=plain,depth=pcp,checks=on,entry=__free*,v1",
)
"""Two short processes of one scenario."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run, small."""
    target = tmp_path_factory.mktemp("run") / "run.json"
    done = run("benchmarks", *TINY, "--seed", "5", "-o", str(target))
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.parametrize(("options", "values"), [([], 15), (["-n", "1"], 1), (["--fast"], 3)])
def test_four_arms_have_more_values_unless_they_are_given(
    options: list[str], values: int, tmp_path: Path
) -> None:
    """Three times the five of --quick; with -n or pyperf's own shortcuts as many as was said."""
    target = tmp_path / "run.json"
    done = run("benchmarks", "--quick", *TINY[4:], *options, "-p", "1", "-o", str(target))
    assert done.returncode == 0, done.stderr
    suite = pyperf.BenchmarkSuite.load(str(target))
    assert len(suite.get_benchmarks()) == 4
    assert {len(each.values) for bench in suite.get_benchmarks() for each in bench.get_runs()} == {values}


def test_every_variant_is_measured_in_every_memcg_state() -> None:
    """No variant of the design is missing, nor a gate where it has a key."""
    names = (
        "base base-twin v1 v1-ifdef v1-series keyfirst memcg-data nop load load-compare load-compare-store"
    )
    assert [name for name in VARIANTS if name in names.split()] == names.split()
    for state in ("disabled", "on-idle", "on-active"):
        (case,) = select(f"memcg={state},page_kind=plain,depth=pcp,checks=on,entry=__free_pages")
        gates = {(arm.variant, arm.gate) for arm in case.arms}
        for variant in ("v1", "v1-ifdef", "v1-series", "keyfirst", "memcg-data"):
            assert {(variant, "jump-label"), (variant, "memory-flag")} <= gates
    assert {scenario.memcg for scenario in SCENARIOS} == {
        "off",
        "disabled",
        "on-idle",
        "on-active",
        "on-charged",
    }


def test_quick_has_twelve_headline_arms() -> None:
    """Over five memcg states."""
    cases = select(quick=True)[:5]
    assert [case.scenario.memcg for case in cases] == [
        "off",
        "disabled",
        "on-idle",
        "on-active",
        "on-charged",
    ]
    assert [len(case.arms) for case in cases[1:4]] == [12, 12, 12]


def test_selection_keeps_base_and_twin() -> None:
    """Without them nothing could be said."""
    for case in select("keyfirst,gate=memory-flag,memcg=on-*"):
        assert {arm.variant for arm in case.arms} == {"base", "base-twin", "keyfirst"}
        assert {arm.gate for arm in case.arms if arm.variant == "keyfirst"} == {"memory-flag"}


@pytest.mark.parametrize(
    "only", ["v9", "colour=red", "memcg=onn", "load,page_kind=charged,kernel=v4.3", "gate=jump"]
)
def test_selecting_nothing_is_an_error(only: str) -> None:
    """The message names the choices."""
    with pytest.raises(SelectionError):
        select(only)


def test_a_new_variant_file_is_found() -> None:
    """The recipe in CONTRIBUTING: a file, and no other edit."""
    code = """
import sys, types, model.kernels.v4_3.variants as v; from model.kernels.variants import Variant
module = types.ModuleType("model.kernels.v4_3.variants.my_check"); module.__doc__ = "Mine."
module.SUMMARY = "mine"; module.exact_operation = "movl 24($0), %edx"
sys.modules[module.__name__] = module
v.VARIANTS["my-check"] = Variant("my-check", module)
from benchmarks.selection import select
print(len(select("my-check,memcg=on-idle")[0].arms))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3"


def test_the_run_carries_its_metadata(measured: Path) -> None:
    """What docs/format.md asks for, and pairs that fit."""
    read: Run = load(measured)
    (scenario,) = read.scenarios
    assert scenario.name == "on-idle/plain/warm/sequential/pcp"
    assert len(scenario.processes) == 2
    assert {arm.name for arm in scenario.arms} >= {
        "base/none",
        "base-twin/none",
        "v1/jump-label",
        "v1/memory-flag",
    }
    for process in scenario.processes:
        assert process.per_block == Scheme().cells
        assert all(len(cells) == 3 * process.per_block for cells in process.ns.values())
        assert all(len(places) == 16 for places in process.placements.values())
        assert process.facts["clock_ns"] < 0.01 * process.ns[scenario.arms[0]].mean()
        for name in (
            "commit",
            "seed",
            "load_before",
            "freepath_command",
            "cpu_model_name",
            "hostname",
            "data_offset",
            "ticks_per_ns",
            "cycle_ns",
            "bare_ns",
            "builds",
            "build_scheme",
            "store_bypass",
            "code_digest",
            "compiler_settings",
            "cpu_vendor",
            "cpu_family",
            "cpu_core_type",
        ):
            assert name in process.facts, name


def numbers(run: pyperf.Run, name: str) -> np.ndarray:
    """One of the series that a run carries beside its values."""
    return np.array([float(number) for number in run.get_metadata()[name].split()])


def test_every_cell_is_kept_and_makes_up_the_value(measured: Path) -> None:
    """24 cells of each of 3 values; their mean is the value, and so is that over the places of the stack."""
    for bench in pyperf.BenchmarkSuite.load(str(measured)):
        for run_of_arm in bench.get_runs():
            cells = numbers(run_of_arm, "build_ns").reshape(3, Scheme().cells)
            values = np.array(run_of_arm.values) * 1e9
            assert np.abs(cells.mean(axis=1) - values).max() < 0.001
            assert len(numbers(run_of_arm, "bare_ns")) == 3
            stack = numbers(run_of_arm, "stack_ns")
            assert len(stack) == 8
            assert stack.mean() == pytest.approx(values.mean(), abs=0.001)
            assert run_of_arm.get_metadata()["build_scheme"] == Scheme().name
            assert len(set(values)) > 1


def test_pyperf_commands_work_on_it(measured: Path, tmp_path: Path) -> None:
    """show, stats, check, compare_to, dump."""
    for command in ("show", "stats", "check", "dump", "metadata"):
        assert run("pyperf", command, str(measured)).returncode == 0, command
    assert run("pyperf", "compare_to", str(measured), str(measured)).returncode == 0


def test_results_and_plots_read_it(measured: Path, tmp_path: Path) -> None:
    """The pipeline end to end."""
    document = json.loads(run("results", "show", str(measured), "--format", "json").stdout)
    assert {cell["variant"] for cell in document["cells"]} == {"base-twin", "v1"}
    assert run("plots", str(measured), "-o", str(tmp_path), "--format", "png").returncode == 0


def test_the_same_seed_gives_the_same_placements(measured: Path, tmp_path: Path) -> None:
    """And another seed others; the data's place is the witness."""

    def offsets(path: Path) -> list[int]:
        return [p.facts["data_offset"] for s in load(path).scenarios for p in s.processes]

    again, other = tmp_path / "again.json", tmp_path / "other.json"
    assert run("benchmarks", *TINY, "--seed", "5", "-o", str(again)).returncode == 0
    assert run("benchmarks", *TINY, "--seed", "6", "-o", str(other)).returncode == 0
    assert offsets(again) == offsets(measured)
    assert offsets(other) != offsets(measured)


def test_append_goes_on(measured: Path, tmp_path: Path) -> None:
    """Two processes become four."""
    target = tmp_path / "run.json"
    target.write_bytes(measured.read_bytes())
    assert run("benchmarks", *TINY, "--append", str(target)).returncode == 0
    assert len(load(target).scenarios[0].processes) == 4
    more = ("--append", str(target))
    refused(run("benchmarks", *TINY, "--builds=1", *more), "build_scheme both-24, this would be one")
    refused(run("benchmarks", *TINY, "--seed=5", *more), "--seed 5 was measured already")
    assert len(load(target).scenarios[0].processes) == 4


def test_interrupting_keeps_what_is_complete(tmp_path: Path) -> None:
    """Ctrl-C: complete processes lie beside the file, with every arm; nothing is half written."""
    target = tmp_path / "run.json"
    command = [sys.executable, "-m", "benchmarks", *TINY, "-p", "500", "-o", str(target)]
    worker = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=default_signals,
    )
    until(lambda: list(tmp_path.glob("run.json.partial/0-0001.json")))
    os.killpg(worker.pid, signal.SIGINT)
    _, said = worker.communicate(timeout=30)
    assert worker.returncode == 130, said
    assert "Traceback" not in said and "run.json.partial" in said
    assert not target.exists()
    assert len(load(tmp_path / "run.json.partial").scenarios[0].processes) >= 2


def test_until_decided_adds_processes_where_a_verdict_is_open(tmp_path: Path) -> None:
    """And stops at the budget or when all are settled; every run says how many looks were taken."""
    target = tmp_path / "run.json"
    done = run(
        "benchmarks", *TINY, "--until-decided", "--budget", "10s", "--margin", "0.001ns", "-o", str(target)
    )
    assert done.returncode == 0, done.stderr
    assert "every verdict is settled" in done.stderr or "the budget is spent" in done.stderr
    (scenario,) = load(target).scenarios
    assert len(scenario.processes) > 2
    assert max(process.facts["looks"] for process in scenario.processes) >= 2
    # What is added has the controls, and of the other arms those that were undecided.
    every = {arm.name for arm in scenario.arms}
    controls = {name for name in every if name.startswith("base")}
    for process in scenario.processes:
        arms = {arm.name for arm in process.ns}
        assert controls <= arms <= every if process.facts["looks"] > 1 else arms == every


def test_with_arms() -> None:
    """The chosen ones and the controls, in the order of the case."""
    case = select("kernel=v4.3,memcg=on-idle,page_kind=plain", quick=True)[0]
    names = [arm.name for arm in with_arms(case, {"load/none", "v1/jump-label"}).arms]
    assert names == ["base/none", "base-twin/none", "v1/jump-label", "load/none"]
    assert with_arms(case, [arm.name for arm in case.arms]) == case


def test_a_worker_reads_the_case_that_its_parent_wrote() -> None:
    """Through JSON: every scenario, and those of a calibration."""
    cases = [*select(memory="all"), *calibration_cases()]
    assert [from_plain(case) for case in json.loads(json.dumps(list(map(asdict, cases))))] == cases


def test_a_worker_by_hand(tmp_path: Path) -> None:
    """It says what it needs, and what is wrong with what it was given."""
    alone = ("benchmarks", "--worker", "-l", "96", "-n", "1", "-w", "0")
    refused(run("benchmarks", "--worker"), "--plan", "--case", "how a run starts its workers")
    refused(run(*alone, "--plan", str(tmp_path), "--case", "0"), "plan.json")
    for content in ("{", "[]", '{"schema": "freepath.plan/1"}'):
        (tmp_path / "plan.json").write_text(content)
        refused(run(*alone, "--plan", str(tmp_path), "--case", "0"), "plan.json is damaged")


def test_a_plan_that_its_parent_did_not_write(tmp_path: Path) -> None:
    """Code of a kernel file can write into the folder, and later workers run what the plan says."""
    partial = Partial.begin(tmp_path / "run.json", {"schema": "freepath.plan/1", "append": False})
    sha256 = partial.told(0)[1].partition("=")[2]
    assert plan_in(partial.folder, sha256) == partial.plan
    with (partial.folder / "plan.json").open("a") as file:
        file.write(" ")
    assert plan_in(partial.folder) == partial.plan
    with pytest.raises(FileError, match="is damaged"):
        plan_in(partial.folder, sha256)
    partial.close(done=True)


def test_doctor() -> None:
    """Every fact with what to do about it, and the same for programs."""
    assert "virtual machine" in run("benchmarks", "--doctor").stdout
    names = {finding["name"] for finding in json.loads(run("benchmarks", "--doctor", "--json").stdout)}
    assert {"load", "steal", "smt", "turbo", "clock source", "mitigations", "frequency governor"} <= names


def test_store_bypass_is_offered_where_it_can_be_had(tmp_path: Path) -> None:
    """`make run` ends with a command that works as printed: it names the switch only where the CPU has it."""
    asked = run("benchmarks", *TINY, "--store-bypass", "off", "-o", str(tmp_path / "held.json"))
    if can_hold_loads():
        assert asked.returncode == 0
    else:
        refused(asked, "--store-bypass off", "measure with it on")


def test_bad_input(measured: Path, tmp_path: Path) -> None:
    """One line on stderr that says what to do, exit status 2, nothing overwritten."""
    before = measured.read_bytes()
    refused(run("benchmarks", *TINY, "-o", str(measured)), "exists", "--append")
    assert measured.read_bytes() == before
    refused(run("benchmarks", "--only", "v9", "-o", str(tmp_path / "x")), "v9", "base")
    refused(
        run("benchmarks", "--only", "load,page_kind=charged,kernel=v4.3", "-o", str(tmp_path / "x")), "--list"
    )
    refused(run("benchmarks", "-o", str(tmp_path / "no" / "x.json")), "cannot write")
    refused(run("benchmarks", *TINY, NUMBA_DISABLE_JIT="1"), "NUMBA_DISABLE_JIT", "unset")
    refused(run("benchmarks", "--memory", "tape"), "tape", "dram")
    assert run("benchmarks", "-p", "many").returncode == 2
    refused(run("benchmarks", *TINY, "--until-decided", "--budget", "1s"), "too small")
    refused(run("benchmarks", *TINY, "--budget", "soon"), "10min")
    refused(run("benchmarks", *TINY, "--margin=-1"), "--margin", "0.05ns")
    for builds in ("0", "25", "-1"):
        refused(run("benchmarks", *TINY, f"--builds={builds}"), f"--builds {builds}", "24")
    refused(run("benchmarks", *TINY, "--loops", "100"), "--loops 100", "such as 96")
    refused(run("benchmarks", *TINY, "--loops", "0"), "--loops 0", "such as 96")
    assert not list(tmp_path.iterdir())


def test_too_little_memory_is_said_before_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """With both figures."""
    from types import SimpleNamespace

    from model.common.errors import OutOfMemoryError
    from model.kernels.v4_3.memory import Memory

    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1 << 20))
    with pytest.raises(OutOfMemoryError, match=r"4 MiB .*1 MiB are free.*--memory"):
        Memory(65536)


def test_listing(tmp_path: Path) -> None:
    """For people and for programs, in well under a second, without compiling."""
    document = json.loads(run("benchmarks", "--list", "--json").stdout)
    assert {s["memcg"] for s in document["scenarios"]} == {
        "off",
        "disabled",
        "on-idle",
        "on-active",
        "on-charged",
    }
    listed = [variant["name"] for variant in document["variants"] if variant["kernel"] == "v4.3"]
    assert listed == list(VARIANTS)
    assert {variant["kernel"] for variant in document["variants"]} == set(VERSIONS)
    assert "keyfirst" in run("benchmarks", "--list").stdout
    assert "--only" in run("benchmarks", "--help").stdout


def test_start_states_are_what_allocation_leaves() -> None:
    """A page is measured as alloc_pages or alloc_kmem_pages hands it out."""
    from tests.booted import Booted

    for variant, state in (
        ("v1", "on-idle"),
        ("v1", "on-charged"),
        ("keyfirst", "on-charged"),
        ("memcg-data", "on-charged"),
    ):
        kernel = Booted(Image(variant, "jump-label", memcg=True), state)  # type: ignore[arg-type]
        page = kernel.alloc_kmem_pages()
        assert page is not None
        ours = kernel.machine.template("charged" if state == "on-charged" else "flagged", variant)[0]
        allocated = kernel.machine.memory.mem_map[page]
        for name in ("flags", "mapping", "_mapcount", "_count", "mem_cgroup"):
            assert ours[name] == allocated[name], (variant, state, name)
