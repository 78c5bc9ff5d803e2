"""The instrument's self-test: its figures on data whose truth is known, and its command."""

import json
from pathlib import Path

import pytest

from benchmarks.calibrate import SESSION, calibration_cases
from results import calibration
from results.load import BadRunError, load
from results.verdict import spending
from tests import runfile
from tests.command import refused, run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Made data: chains cost 0.27 ns per addition, v1 0.25 ns."""
    return runfile.write(tmp_path / "cal.json", runfile.calibration())


def test_a_known_cost_comes_out(file: Path) -> None:
    """Linear in k, one cycle each, the cycle from the longest chain."""
    cost = calibration.known_cost(load(file))
    assert cost.cycle_ns == pytest.approx(0.27, rel=0.01)
    assert cost.slope == pytest.approx(1.0, abs=max(0.1, 2 * cost.slope_half))
    assert [k for k, _, _ in cost.points] == [0, 1, 2, 4, 8, 256]


def test_false_alarms_and_coverage(tmp_path: Path) -> None:
    """Forty sessions of nothing: few alarms, most intervals cover zero."""
    file = runfile.write(tmp_path / "cal.json", runfile.calibration(sessions=40))
    alarms = calibration.false_alarms(load(file))
    assert alarms.sessions == 40 and alarms.intervals == 160
    assert alarms.alarms <= 4
    # The arms of a session share one base, so their intervals miss together: few independent draws.
    assert alarms.covering >= 138


def test_a_real_difference_would_alarm(tmp_path: Path) -> None:
    """Else the rate above would prove nothing."""
    data = runfile.calibration()
    for bench in data["benchmarks"]:
        if bench["metadata"]["variant"] == "keyfirst" and bench["metadata"]["memcg"] == "off":
            for made in bench["runs"]:
                made["values"] = [value * 1.02 for value in made["values"]]
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


def test_the_command(file: Path, tmp_path: Path) -> None:
    """Text, JSON, figure; a run that is no calibration is refused."""
    assert "cycles per dependent addition" in run("results", "calibration", str(file)).stdout
    document = json.loads(run("results", "calibration", str(file), "--format", "json").stdout)
    assert document["schema"] == "freepath.calibration/1" and document["aa"]["sessions"] == 4
    done = run("plots", str(file), "-o", str(tmp_path / "figures"), "--format", "png")
    assert "calibration.png" in done.stdout
    other = runfile.write(tmp_path / "run.json", runfile.document())
    refused(run("results", "calibration", str(other)), "no calibration", "--calibrate")
    with pytest.raises(BadRunError):
        calibration.known_cost(load(runfile.write(tmp_path / "h.json", runfile.headline())))


def test_what_is_measured_is_what_is_read() -> None:
    """Session length, null arms and chains are named on both sides of the file."""
    null, _, chains, *plain = calibration_cases()
    assert SESSION == calibration.SESSION
    assert null.processes == 40 * SESSION
    assert {arm.variant for arm in null.arms} == calibration.NULL | {"base"}
    assert sum(arm.variant.startswith(calibration.CHAIN) for arm in chains.arms) == 6
    assert [case.plain for case in plain] == [True, True]


def test_looks_share_the_error() -> None:
    """However many looks --until-decided takes, their errors add up to the whole at most."""
    assert spending(0) == 1
    assert sum(1 / spending(look) for look in range(1, 1000)) == pytest.approx(1, abs=0.002)
