"""The instrument's self-test: its figures on data whose truth is known, and its command."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.timing.calibrate import calibration_cases
from model.vocabulary.calibration import CHAIN, NOP_BYTES, NULL, SESSION
from results.analysis import calibration
from results.analysis.conditions import Levels
from results.analysis.verdict import alpha_divisor
from results.output import as_calibration
from results.reading.load import BadRunError, load
from tests import runfile
from tests.command import drawn, refused, run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Made data: chains cost 0.27 ns per addition, v1 0.25 ns."""
    return runfile.write(tmp_path / "cal.json", runfile.calibration())


@pytest.fixture
def steady(tmp_path: Path) -> Path:
    """The same on a machine so quiet that every target is reached."""
    data = runfile.calibration(machine=runfile.STEADY)
    return runfile.write(tmp_path / "steady.json", data)


def test_a_known_cost_comes_out(file: Path) -> None:
    """Linear in k, one cycle each, the cycle from the longest chain."""
    cost = calibration.known_cost(load(file))
    assert cost.cycle_ns == pytest.approx(0.27, rel=0.01)
    assert cost.slope == pytest.approx(1.0, abs=max(0.1, 2 * cost.slope_half))
    assert [k for k, _, _ in cost.points] == [0, 1, 2, 4, 8, 256]


@pytest.mark.soak
def test_false_alarms_and_coverage(tmp_path: Path) -> None:
    """Forty sessions of nothing: few alarms, most intervals cover zero."""
    file = runfile.write(tmp_path / "cal.json", runfile.calibration(sessions=40))
    alarms = calibration.false_alarms(load(file))
    assert alarms.sessions == 40 and alarms.intervals == 40 * (4 + 8)
    assert alarms.alarms <= 4
    # Null arms of a session share one base, and neighbours an arm: they miss together, so few draws.
    assert alarms.covering >= 0.9 * alarms.intervals


def test_targets_are_reached_or_not(steady: Path, file: Path, tmp_path: Path) -> None:
    """Each is one line; a single one that is missed makes the exit status 1."""
    run_ = load(steady)
    assert [target.name for target in calibration.targets(run_, None) if not target.reached] == []
    assert calibration.exit_status(run_, None) == 0
    missed = {target.name for target in calibration.targets(load(file), None) if not target.reached}
    assert "half-width of base-twin after 30 s, ns" in missed
    assert calibration.exit_status(load(file), None) == 1
    data = json.loads(steady.read_text())
    for bench in data["benchmarks"]:
        if bench["metadata"]["variant"] == "nop-bytes-7":
            shift(bench, 1.001)
    run = load(runfile.write(tmp_path / "one.json", data))
    names = [target.name for target in calibration.targets(run, None) if not target.reached]
    assert "NOPs of 1 to 9 bytes lie within, ns" in names


def shift(bench: dict[str, Any], factor: float) -> None:
    """Make one arm slower in all its cells."""
    bench |= runfile.scaled({"benchmarks": [bench]}, factor)["benchmarks"][0]


def test_nops_by_length(file: Path) -> None:
    """Nine lengths, each 0.05 ns over base; a calibration from before them has no layout floor."""
    floors = calibration.layout_floor(load(file))
    assert floors is not None and [length for length, _, _ in floors.points] == list(range(1, 10))
    assert all(ns == pytest.approx(0.05, abs=3 * half) for _, ns, half in floors.points)
    data = json.loads(file.read_text())
    data["benchmarks"] = [b for b in data["benchmarks"] if "nop-bytes" not in b["metadata"]["variant"]]
    old = load(runfile.write(file.with_name("old.json"), data))
    assert calibration.layout_floor(old) is None
    assert not any("NOPs" in target.name for target in calibration.targets(old, None))


def test_the_chain_of_none_is_no_point_of_the_line(file: Path) -> None:
    """Two lfence with nothing between them are cheaper: only the point of k = 0 moves with them."""
    data = json.loads(file.read_text())
    for bench in data["benchmarks"]:
        if bench["metadata"]["variant"] == "chain-0":
            shift(bench, 0.97)
    before, after = (
        calibration.known_cost(load(path))
        for path in (file, runfile.write(file.with_name("cheap.json"), data))
    )
    assert (before.slope, before.cycle_ns) == (after.slope, after.cycle_ns)
    assert after.points[0][1] < before.points[0][1] - 0.5


def test_chains_that_are_no_longer_are_refused(file: Path) -> None:
    """One that takes no time cannot define a cycle; one that a process lacks is left out with it."""
    data = json.loads(file.read_text())
    for bench in data["benchmarks"]:
        if bench["metadata"]["variant"] == "chain-256":
            del bench["runs"][0]
    assert calibration.known_cost(load(runfile.write(file.with_name("a.json"), data))).slope > 0.9
    for bench in data["benchmarks"]:
        if bench["metadata"]["variant"] == "chain-256":
            shift(bench, 0.1)
    with pytest.raises(BadRunError, match="no longer"):
        calibration.known_cost(load(runfile.write(file.with_name("b.json"), data)))


def test_a_real_difference_would_alarm(tmp_path: Path) -> None:
    """Else the rate above would prove nothing."""
    data = runfile.calibration()
    for bench in data["benchmarks"]:
        if bench["metadata"]["variant"] == "keyfirst" and bench["metadata"]["memcg"] == "off":
            shift(bench, 1.02)
    alarms = calibration.false_alarms(load(runfile.write(tmp_path / "cal.json", data)))
    assert alarms.alarms == alarms.sessions


def test_half_widths_use_half_a_minute(file: Path) -> None:
    """Processes beyond it are left out."""
    halves = calibration.half_widths(load(file), None)
    assert 30 <= halves.seconds < 31.5
    assert 0 < halves.twin_ns < 0.05 and halves.v1_overhead_ns == pytest.approx(0.25, abs=0.05)
    assert halves.plain_ns is None


def test_plain_pyperf_is_compared_where_it_was_measured(file: Path) -> None:
    """The second file lies beside the first."""
    benches = [
        {
            "metadata": {"name": name},
            "runs": [{"values": [(15 + extra + 0.1 * (i % 3)) * 1e-9] * 3} for i in range(20)],
        }
        for name, extra in (("base", 0.0), ("v1", 0.3))
    ]
    plain = runfile.write(file.with_suffix(".plain.json"), {"benchmarks": benches})
    halves = calibration.half_widths(load(file), plain)
    assert halves.plain_overhead_ns == pytest.approx(0.3)
    assert halves.plain_ns == pytest.approx(0.053, abs=0.01)


def test_the_command(file: Path, steady: Path, tmp_path: Path) -> None:
    """Text, JSON, figure, exit status; a run that is no calibration is refused."""
    missed = run("results", "calibration", str(file))
    assert missed.returncode == 1
    assert "cycles per dependent addition" in missed.stdout and "NOT REACHED" in missed.stdout
    done = run("results", "calibration", str(steady))
    assert done.returncode == 0, done.stdout
    assert "NOT REACHED" not in done.stdout
    document = json.loads(run("results", "calibration", str(file), "--format", "json").stdout)
    assert len(document["targets"]) == 6 and len(document["layout_floor"]["points"]) == 9
    assert document["schema"] == "freepath.calibration/1" and document["aa"]["sessions"] == 4
    out = str(tmp_path / "figures")
    done = drawn("plots", str(file), "-o", out, "--format", "png", figures=["calibration"])
    assert "calibration.png" in done.stdout
    other = runfile.write(tmp_path / "run.json", runfile.document())
    refused(run("results", "calibration", str(other)), "no calibration", "--calibrate")
    with pytest.raises(BadRunError):
        calibration.known_cost(load(runfile.write(tmp_path / "h.json", runfile.headline())))


def test_what_is_measured_is_what_is_read() -> None:
    """Enough sessions; the null arms and chains that results look for."""
    null, _, chains, *plain = calibration_cases()
    assert null.processes is not None
    assert null.processes >= 20 * SESSION and null.processes % SESSION == 0
    lengths = {f"{NOP_BYTES}{length}" for length in range(1, 10)}
    assert {arm.variant for arm in null.arms} == {*NULL, "base"} | lengths
    assert sum(arm.variant.startswith(CHAIN) for arm in chains.arms) == 6
    assert [case.pyperf_alone for case in plain] == [True, True]


def test_looks_share_the_error() -> None:
    """However many looks --until-decided takes, their errors add up to the whole at most."""
    assert alpha_divisor(0) == 1
    assert sum(1 / alpha_divisor(look) for look in range(1, 1000)) == pytest.approx(1, abs=0.002)


def test_a_calibration_beside_a_busy_sibling_is_one(tmp_path: Path) -> None:
    """All its parts are in that condition, and it says so; its figures are those of the same times."""
    data = runfile.calibration(machine=runfile.STEADY)
    plain = load(runfile.write(tmp_path / "plain.json", data))
    for bench in data["benchmarks"]:
        for each in bench["runs"]:
            each["metadata"] |= {"slot_ns": "0.075 " * len(each["values"]), "sibling": "busy"}
    beside = load(runfile.write(tmp_path / "beside.json", data))
    assert {Levels(scenario).condition for scenario in beside.scenarios} == {"shared"}
    (first, *others), (head, *same) = (as_calibration.lines(each, None) for each in (beside, plain))
    assert first == f"{head}, beside a busy sibling: off, on-idle, disabled" and others == same
