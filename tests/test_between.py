"""What happens between two frees: hand-made code, loops that time each free alone, sweeps along an axis."""

import ctypes
from collections import Counter
from pathlib import Path
from typing import Any

import capstone
import numpy as np
import pytest

from benchmarks.cases import Case
from benchmarks.timing.sampler import Sampler
from benchmarks.timing.scheme import Scheme
from benchmarks.timing.table import CLOCK_SLICES
from model.common.errors import FreepathError
from model.kernels import kernels
from model.kernels.kernel import Kernel
from model.kernels.store import Store
from model.machine_code.cpu_caches import USUAL, sizes
from model.machine_code.disturbance import BRANCHES, Disturbance
from model.vocabulary.margin import Margin
from model.vocabulary.scenario import AXES, Arm, Scenario
from plots import headline, memory, share, sweep
from results.analysis.groups import analyse
from results.reading.load import load
from tests import runfile
from tests.command import drawn, refused, run

KINDS = AXES["between"][1:]


def instructions(kind: str) -> tuple[Disturbance, list[Any]]:
    """The function as the processor decodes it, to its return."""
    made = Disturbance(kind)
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoded: list[Any] = []
    text = ctypes.string_at(made.address, max(made.size, 64) if kind in ("code", "branches") else 64)
    for instruction in decoder.disasm(text, made.address):
        decoded.append(instruction)
        if instruction.mnemonic == "ret":
            break
    return made, decoded


@pytest.mark.parametrize("kind", KINDS)
def test_it_returns_however_often_it_is_called(kind: str) -> None:
    """Also when the branches have gone through all their sets of directions."""
    made = Disturbance(kind)
    function = ctypes.CFUNCTYPE(None)(made.address)
    for _ in range(1200):
        function()


def test_data_are_walked_line_by_line() -> None:
    """A load, a step of a line, twice the first-level data cache."""
    made, decoded = instructions("data")
    assert [i.mnemonic for i in decoded] == ["movabs", "mov", "mov", "add", "dec", "jne", "ret"]
    assert made.size == 2 * sizes()["data"] and decoded[1].op_str.endswith(hex(made.size // 64))
    assert decoded[3].op_str == "rax, 0x40" and int(decoded[5].op_str, 16) == decoded[2].address


def test_code_is_as_long_as_twice_the_cache() -> None:
    """NOPs of eight bytes, and a return behind them."""
    made, decoded = instructions("code")
    assert made.size == 2 * sizes()["code"]
    assert {(i.mnemonic, i.size) for i in decoded} <= {("nop", 8), ("ret", 1)}
    assert len(decoded) >= made.size // 8


def test_branches_ask_one_bit_each() -> None:
    """1,024 of them, each over one NOP; the pointer to the next directions is stored."""
    _, decoded = instructions("branches")
    counted = Counter(i.mnemonic for i in decoded)
    assert counted["jae"] == counted["shr"] == counted["nop"] == BRANCHES
    assert decoded[-1].mnemonic == "ret" and decoded[-2].op_str == "qword ptr [rdx], rcx"


def test_nothing_else_is_known() -> None:
    """And what there is, is named."""
    with pytest.raises(FreepathError, match="pause, flip, data, code, branches"):
        Disturbance("tea")


def test_caches_are_read_where_the_system_tells(tmp_path: Path) -> None:
    """Level, type and size; what is not told is usual."""
    for number, facts in enumerate(
        (("1", "Data", "48K"), ("1", "Instruction", "64K"), ("3", "Unified", "480M"))
    ):
        (tmp_path / f"index{number}").mkdir()
        for name, fact in zip(("level", "type", "size"), facts, strict=True):
            (tmp_path / f"index{number}" / name).write_text(f"{fact}\n")
    (tmp_path / "index9").mkdir()
    assert sizes(tmp_path) == {"data": 48 << 10, "code": 64 << 10, "l2": USUAL["l2"], "l3": 480 << 20}
    assert sizes(tmp_path / "nowhere") == USUAL


@pytest.mark.parametrize("between", KINDS)
def test_each_free_is_timed_alone(between: str) -> None:
    """Every page is freed, whatever happens between; the clock is subtracted."""
    arms = (Arm("base", "none"), Arm("v1", "jump-label"))
    case = Case(Scenario("on-idle").but(between=between), arms)
    subject = Sampler(case, Store(), [1], Scheme(2))
    subject(1)
    (value,) = subject.values
    assert subject.start.between and subject.empty_pass_ns > 1.0
    assert subject.pages_per_slice == (1 if between == "flip" else 64) and (value.levels > 0).all()
    middle = float(np.median(value.levels))  # an interruption moves the mean of so few
    assert abs(middle - value.bare.mean()) < value.bare.mean()
    subject.check()


def test_a_clock_that_was_disturbed_takes_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is measured in each build; where that took three times as long, the others' counts."""
    case = Case(Scenario("on-idle").but(between="pause"), (Arm("base", "none"), Arm("v1", "jump-label")))
    subject = Sampler(case, Store(), [1], Scheme())
    real = subject.run

    def disturbed(rows: Any, build: int) -> None:
        real(rows, build)
        looked = subject.table.references.count in rows["function"]  # there no clock is measured
        if build == 3 and not looked:
            rows["ticks"][1 : 1 + CLOCK_SLICES] *= 3

    monkeypatch.setattr(subject, "run", disturbed)
    subject(Scheme().unit)
    (value,) = subject.values
    assert np.median(value.levels[:, 3]) > 0.5 * np.median(value.levels)
    assert np.median(value.bare[3]) > 0.5 * np.median(value.bare)


def test_a_sweep_is_listed_and_wrong_ones_are_refused() -> None:
    """What can vary here is named."""
    listed = run("benchmarks", "--sweep", "between", "--list", "--json")
    assert listed.returncode == 0 and listed.stdout.count('"between"') == len(AXES["between"])
    refused(run("benchmarks", "--sweep", "path"), "axis 'path' cannot vary on v4.3", "between")
    refused(run("benchmarks", "--sweep", "tea"), "axis 'tea' does not exist", "memory")
    refused(
        run("benchmarks", "--sweep", "between", "--only", "v1"), "--sweep chooses scenarios and arms itself"
    )


def test_a_sweep_has_its_figure(tmp_path: Path) -> None:
    """A panel with every value; nothing of a run that varies none."""
    names = {between: Scenario("on-idle").but(between=between).name for between in AXES["between"]}
    runs = [runfile.FakeRun(seed=len(n), axes={"between": b, "scenario": n}) for b, n in names.items()]
    file = runfile.write(tmp_path / "run.json", runfile.document(*runs))
    words = ("--format", "svg", "-o")
    assert drawn("plots", str(file), *words, str(tmp_path / "out"), figures=["sweep"]).returncode == 0
    svg = (tmp_path / "out" / "sweep.svg").read_text()
    assert all(between in svg for between in AXES["between"])
    alone = runfile.write(tmp_path / "one.json", runfile.document(runfile.FakeRun()))
    done = drawn("plots", str(alone), *words, str(tmp_path / "one"), figures=["sweep"])
    assert "no sweep: the data is not in" in done.stderr


SWEEPS = [(kernel, axis) for kernel in kernels() for axis in kernel.sweeps]
OWN_FIGURE = {("v4.3", "memcg"): headline, ("v4.3", "memory"): memory, ("v4.3", "share"): share}


@pytest.mark.soak
@pytest.mark.parametrize(("kernel", "axis"), SWEEPS, ids=lambda part: getattr(part, "name", part))
def test_every_sweep_of_every_kernel_is_drawn(kernel: Kernel, axis: str, tmp_path: Path) -> None:
    """By a figure of its own, or in a panel that is called by the axis."""
    fakes = [
        runfile.FakeRun(processes=2, blocks=2, seed=n, axes={**s.axes, "scenario": s.name})
        for n, s in enumerate(kernel.sweeps[axis], 1)
    ]
    run_of_it = load(runfile.write(tmp_path / "run.json", runfile.document(*fakes)))
    groups = analyse(run_of_it, Margin(1.0, percent=True))
    own = OWN_FIGURE.get((kernel.name, axis))
    figure = (own or sweep).draw(run_of_it, groups)
    assert figure is not None
    if not own:
        titles = [panel.get_title("left") for panel in figure.axes]
        assert any(title.partition(":")[0] == axis for title in titles), titles
        assert kernel.name == "v4.3" or any(kernel.name in title for title in titles), titles
