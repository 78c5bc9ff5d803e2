"""Cells sorted by how busy the core was: the estimate takes the quiet ones, wherever they lie."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.vocabulary.margin import Margin
from results.analysis.estimate import Levels
from results.analysis.groups import Cell, analyse
from results.reading.load import BadRunError, load
from tests import runfile

PARTS = 16
QUIET, SHARED = 0.25, 0.5
"""Cycles per NOP."""


def written(tmp_path: Path, busy: list[int], change: Any = lambda facts: None) -> Path:
    """Six processes; in so many of the sixteen parts of each the core was shared, and everything dearer.

    There an arm costs three times as much, and base half as much again.
    """
    session = runfile.FakeRun(processes=len(busy), seed=4)
    document = json.loads(json.dumps(runfile.document(session)))
    rng = np.random.default_rng(1)
    for bench in document["benchmarks"]:
        for number, own in enumerate(bench["runs"]):
            facts = own["metadata"]
            shared = np.arange(PARTS) >= PARTS - busy[number]
            level = 15.0 * np.where(shared, 1.5, 1.0)
            arm = {**bench.get("metadata", {}), **facts}
            cost = runfile.HEADLINE[arm["variant"], arm["gate"]] * np.where(shared, 3.0, 1.0)
            ns = (level + cost) * (1 + 0.0005 * rng.standard_normal(PARTS))
            facts["part_ns"] = " ".join(f"{time:.5f}" for time in ns)
            slots = runfile.CYCLE_NS * np.where(shared, SHARED, QUIET)
            facts["part_slot_ns"] = " ".join(f"{slot:.5f}" for slot in slots)
            facts["slot_ns"] = " ".join([f"{slots.mean():.5f}"] * len(own["values"]))
            facts["cycle_ns"] = runfile.CYCLE_NS
            change(facts)
    return runfile.write(tmp_path / "run.json", document)


def v1(path: Path) -> Cell:
    """As judged."""
    (group,) = analyse(load(path), Margin(1.0, percent=True))
    return next(cell for cell in group.cells if cell.overhead.arm.name == "v1/jump-label")


@pytest.mark.parametrize("busy", [[0] * 6, [8] * 6, [0, 4, 8, 12, 14, 2], [14] * 6])
def test_quiet_cells_are_enough(tmp_path: Path, busy: list[int]) -> None:
    """However many they are, if two parts or more: the figure is that of a core of one's own."""
    cell = v1(written(tmp_path, busy))
    assert cell.overhead.ns == pytest.approx(0.25, abs=0.01) and cell.overhead.processes == 6
    assert cell.overhead.base_ns == pytest.approx(15.0, abs=0.01)
    assert cell.judgement.verdict == "costs"


def test_a_process_that_shared_its_core_throughout_is_set_aside(tmp_path: Path) -> None:
    """Its busy figure is told apart."""
    cell = v1(written(tmp_path, [16, 15, 4, 4, 4, 4]))
    assert cell.overhead.processes == 4 and cell.overhead.ns == pytest.approx(0.25, abs=0.01)
    assert cell.overhead.busy_ns == pytest.approx(0.75, abs=0.02)


def test_a_core_that_was_shared_nearly_throughout_gives_no_verdict(tmp_path: Path) -> None:
    """All cells are used, and the group says so."""
    run = load(written(tmp_path, [16, 16, 16, 16, 15, 0]))
    assert Levels(run.scenarios[0]).lacks_quiet
    (group,) = analyse(run, Margin(1.0, percent=True))
    assert group.busy and {cell.judgement.verdict for cell in group.cells} == {"undecided"}


def test_without_parts_values_are_chosen_as_ever(tmp_path: Path) -> None:
    """A file of the older instrument."""

    def older(facts: dict[str, Any]) -> None:
        del facts["part_ns"], facts["part_slot_ns"]

    process = load(written(tmp_path, [0] * 6, older)).scenarios[0].processes[0]
    assert process.parts is None


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Each arm has as many as there are references."""

    def cut(facts: dict[str, Any]) -> None:
        if facts.get("part_ns"):
            facts["part_ns"] = facts["part_ns"].rpartition(" ")[0]

    with pytest.raises(BadRunError, match="differ in their parts"):
        load(written(tmp_path, [0] * 6, cut))
