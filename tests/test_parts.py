"""Cells sorted by how busy the core was: the estimate takes the quiet ones, wherever they lie."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.vocabulary.margin import Margin
from plots import drawing
from results.analysis import history, machines
from results.analysis.compare import compare_runs
from results.analysis.conditions import Levels, beside
from results.analysis.groups import Cell, analyse, analysis_of
from results.analysis.texts import cell_text
from results.claims import judging
from results.kept import publishing
from results.output import as_answer, as_github_action_benchmark, as_machines, as_mail
from results.output.as_csv import as_csv
from results.output.as_json import document
from results.output.as_markdown import as_markdown
from results.output.as_table import as_table
from results.output.words import other_line, title_of
from results.pages import overview
from results.reading import formats
from results.reading.load import BadRunError, Process, load
from results.reading.quiet import quiet_level
from tests import runfile
from tests.runfile import analysed

PARTS = 16
QUIET, SHARED = 0.15, 0.3
"""Cycles per NOP; those of Zen 5, of which the made-up run is."""


def written(tmp_path: Path, busy: list[int], change: Any = lambda facts: None, *, seed: int = 1) -> Path:
    """Six processes; in so many of the sixteen parts of each the core was shared, and everything dearer.

    There an arm costs three times as much, and base half as much again.
    """
    session = runfile.FakeRun(processes=len(busy), seed=3 + seed)
    document = json.loads(json.dumps(runfile.document(session)))
    rng = np.random.default_rng(seed)
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
            facts["part_calm_slot_ns"] = facts["part_slot_ns"]
            facts["slot_ns"] = " ".join([f"{slots.mean():.5f}"] * len(own["values"]))
            facts["cycle_ns"] = runfile.CYCLE_NS
            change(facts)
    return runfile.write(tmp_path / "run.json", document)


def v1(path: Path) -> Cell:
    """As judged."""
    (group,) = analyse(load(path), Margin(1.0, percent=True))
    return next(cell for cell in group.cells if cell.overhead.arm.name == "v1/jump-label")


DEAR: Any = [0, 0, 0, 2, 1, 1]
"""Parts of six processes that were shared: enough in one of them."""


@pytest.mark.parametrize("busy", [[0] * 6, [8] * 6, [0, 4, 8, 12, 14, 2], [14] * 6, DEAR])
def test_quiet_cells_are_enough(tmp_path: Path, busy: list[int]) -> None:
    """However many they are, if two parts or more: the figure is that of a core of one's own."""
    cell = v1(written(tmp_path, busy))
    assert cell.overhead.ns == pytest.approx(0.25, abs=0.01) and cell.overhead.processes == 6
    assert cell.overhead.base_ns == pytest.approx(15.0, abs=0.01)
    assert cell.judgement.verdict == "costs"


def test_a_process_that_shared_its_core_throughout_is_set_aside(tmp_path: Path) -> None:
    """From the figure alone; it counts beside a busy sibling."""
    cell = v1(written(tmp_path, [16, 15, 4, 4, 4, 4]))
    assert cell.overhead.processes == 4 and cell.overhead.ns == pytest.approx(0.25, abs=0.01)
    assert cell.overhead.busy_ns == pytest.approx(0.75, abs=0.02)
    shared = cell.conditions["shared"]
    assert cell.conditions["alone"].overhead == cell.overhead
    assert shared.overhead.processes == 6 and shared.overhead.ns == pytest.approx(0.75, abs=0.01)
    assert shared.overhead.base_ns == pytest.approx(22.5, abs=0.01)
    assert shared.judgement.verdict == "costs" and cell.judgement.verdict == "costs"


@pytest.mark.parametrize(
    ("busy", "conditions"), [(DEAR, ["alone"]), ([2, 2, 2, 0, 0, 0], ["alone", "shared"])]
)
def test_a_condition_needs_two_parts_of_three_processes(
    tmp_path: Path, busy: list[int], conditions: list[str]
) -> None:
    """The same number as for the core alone; with fewer there is no figure, so no verdict."""
    cell = v1(written(tmp_path, busy))
    assert [*cell.conditions] == conditions and cell.condition == "alone"


def test_a_core_that_was_shared_nearly_throughout_has_the_figure_of_that(tmp_path: Path) -> None:
    """It is the headline, which says so, with an interval and a verdict."""
    run = load(written(tmp_path, [16, 16, 16, 16, 15, 0]))
    assert Levels(run.scenarios[0]).lacks_quiet
    (group,) = analyse(run, Margin(1.0, percent=True))
    cell = v1(tmp_path / "run.json")
    assert group.condition == cell.condition == "shared" and not group.busy
    assert cell.overhead.processes == 5 and cell.overhead.ns == pytest.approx(0.75, abs=0.01)
    assert cell.judgement.verdict == "costs" and cell.judgement.ci95 is not None
    assert title_of(group).endswith("beside a busy sibling") and not [*other_line(group)]
    assert cell_text(cell).endswith(": costs, beside a busy sibling")
    assert {c.predicted_cycles for c in group.cells} == {None}, "the width is shared"


def between(facts: dict[str, Any]) -> None:
    """Every part in which the sibling was busy becomes one of which half was."""
    facts["part_calm_slot_ns"] = " ".join([f"{QUIET * runfile.CYCLE_NS:.5f}"] * PARTS)


def test_cells_with_one_quiet_side_belong_to_neither(tmp_path: Path) -> None:
    """They are not the core alone, and not beside a busy sibling."""
    cell = v1(written(tmp_path, [8] * 6, between))
    assert [*cell.conditions] == ["alone"]
    (group,) = analyse(load(written(tmp_path, [16] * 5 + [0], between)), Margin(1.0, percent=True))
    assert group.busy and group.condition is None
    assert {cell.judgement.verdict for cell in group.cells} == {"undecided"}


def test_both_conditions_are_said_everywhere(tmp_path: Path) -> None:
    """Text, Markdown, JSON, CSV, answer, claims."""
    file = written(tmp_path, [8] * 6)
    cell = v1(file)
    run, margin = load(file), Margin(1.0, percent=True)
    assert cell_text(cell).partition("; ")[2].startswith("beside a busy sibling +0.75")
    for text in (as_table(analysis_of(run, margin)), as_markdown(analysis_of(run, margin))):
        assert "alone on the core" in text and "v1/jump-label +0.75" in text
    (row,) = (
        c
        for c in document(analysis_of(run, margin))["cells"]
        if (c["variant"], c["gate"]) == ("v1", "jump-label")
    )
    assert row["condition"] == "alone" and row["overhead_ns"] == row["alone"]["overhead_ns"]
    assert row["shared"]["overhead_ns"] == pytest.approx(0.75, abs=0.01)
    assert row["shared"]["verdict"] == "costs" and row["shared"]["processes"] == 6
    table = csv.DictReader(as_csv(analysis_of(run, margin)).splitlines())
    (line,) = (each for each in table if (each["variant"], each["gate"]) == ("v1", "jump-label"))
    assert (
        float(line["shared_overhead_ns"]) == row["shared"]["overhead_ns"] and line["alone_verdict"] == "costs"
    )
    shown = document(analysis_of(run, margin))
    assert formats.fault(shown, "show") is None
    for name in row["shared"]:
        changed = json.loads(json.dumps(shown))
        del changed["cells"][0]["shared"][name]
        assert name in str(formats.fault(changed, "show"))
        changed["cells"][0]["shared"][name] = {}
        assert formats.fault(changed, "show"), name
    said = "\n".join(as_answer.lines(analysis_of(run, margin), []))
    assert "alone on the core" in said and "Beside a busy sibling +0.75" in " ".join(said.split())
    evidence = [line for a in judging.answers(analysis_of(run, margin), None) for line in a.evidence]
    assert any("beside a busy sibling +0.75" in line for line in evidence)


def test_compare_sets_like_beside_like(tmp_path: Path) -> None:
    """A row for each condition that both have; alone against shared claims nothing."""
    margin = Margin(1.0, percent=True)
    runs = {}
    for name, busy, seed in (("both", [8] * 6, 1), ("again", [8] * 6, 2), ("shared", [16] * 6, 3)):
        (tmp_path / name).mkdir()
        runs[name] = load(written(tmp_path / name, busy, seed=seed))
        runs[name].scenarios[0].quiet_level = QUIET  # as another scenario of the file would tell
    rows = {c.cell: c for c in compare_runs(*analysed(runs["both"], runs["again"]), margin, across=False)}
    alone = rows["on-idle/plain/warm/sequential/pcp: v1/jump-label"]
    shared = rows["on-idle/plain/warm/sequential/pcp: v1/jump-label, beside a busy sibling"]
    assert (alone.condition, shared.condition) == ("alone", "shared")
    assert alone.old == pytest.approx(0.25, abs=0.01) and shared.old == pytest.approx(0.75, abs=0.01)
    assert (alone.verdict, shared.verdict) == ("same", "same")
    rows = {c.cell: c for c in compare_runs(*analysed(runs["both"], runs["shared"]), margin, across=False)}
    v1s = [c for name, c in rows.items() if "v1/jump-label" in name]
    assert [(c.condition, c.verdict) for c in v1s] == [("shared", "same")]


def test_alone_against_shared_is_no_change(tmp_path: Path) -> None:
    """Three times the cost, and no regression: the core was shared."""
    margin = Margin(1.0, percent=True)
    runs = []
    for name, busy in (("alone", [0] * 6), ("shared", [16] * 6)):
        (tmp_path / name).mkdir()
        runs.append(load(written(tmp_path / name, busy)))
        runs[-1].scenarios[0].quiet_level = QUIET
    changes = compare_runs(*analysed(runs[0], runs[1]), margin, across=False)
    assert {c.verdict for c in changes} == {"unsure"}
    assert all("beside a busy sibling" in c.detail for c in changes)


def test_without_parts_values_are_chosen_as_ever(tmp_path: Path) -> None:
    """A file of the older instrument."""

    def older(facts: dict[str, Any]) -> None:
        del facts["part_ns"], facts["part_slot_ns"], facts["part_calm_slot_ns"]

    process = load(written(tmp_path, [0] * 6, older)).scenarios[0].processes[0]
    assert process.parts is None
    (group,) = analyse(load(written(tmp_path, [0] * 6, older)), Margin(1.0, percent=True))
    assert group.condition == "alone"


def test_a_file_without_the_calmer_side_is_read(tmp_path: Path) -> None:
    """Of the instrument's first week: the busier side decides."""
    cell = v1(written(tmp_path, [8] * 6, lambda facts: facts.pop("part_calm_slot_ns")))
    assert cell.conditions["shared"].overhead.ns == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize("calm", ["0.0375 " * 15, "0.0375 " * 17, "0.05 " * 16, "", "nan " * 16])
def test_a_calmer_side_that_does_not_fit_is_refused(tmp_path: Path, calm: str) -> None:
    """It has a number for each part, none above that of the busier side."""
    with pytest.raises(BadRunError, match="part_calm_slot_ns does not fit part_slot_ns"):
        load(written(tmp_path, [0] * 6, lambda facts: facts.update(part_calm_slot_ns=calm)))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("part_calm_slot_ns", "fast", "expected a text of times"),
        ("part_calm_slot_ns", 3, "expected a text of times"),
        ("sibling", "idle", "expected as-found or busy"),
        ("sibling", ["busy"], "expected"),
        ("sibling", True, "expected as-found or busy"),
    ],
)
def test_wrong_facts_are_one_line(tmp_path: Path, name: str, value: Any, said: str) -> None:
    """Before any number is used: the place, what is there, what should be."""
    with pytest.raises(BadRunError, match=said) as refusal:
        load(written(tmp_path, [0] * 6, lambda facts: facts.update({name: value})))
    assert str(refusal.value).isprintable() and name in str(refusal.value)


@pytest.mark.parametrize(
    ("facts", "slots", "level"),
    [
        ({"cpu_family": "25", "cpu_model": "1"}, 0.171, 0.171),
        ({"cpu_family": "25", "cpu_model": "1"}, 0.19, 0.19),
        ({"cpu_family": "25", "cpu_model": "1"}, 0.3, 0.171),  # Zen 3 that was never alone
        ({"cpu_family": "23", "cpu_model": "49"}, 0.3, 0.3),  # no level of Zen 2 is known
        ({"cpu_family": "23", "cpu_model": "49", "sibling": "busy"}, 0.3, 0.15),
        ({"cpu_family": "25", "cpu_model": "1", "sibling": "busy"}, 0.3, 0.171),
        ({"cpu_family": "25", "cpu_model": "1", "sibling": "busy"}, 0.172, 0.172),  # the partner did nothing
    ],
)
def test_the_level_of_a_core_that_was_never_alone(facts: dict[str, str], slots: float, level: float) -> None:
    """By the core where its level is known; else a partner is believed to take half."""
    own = {"cpu_vendor": "AuthenticAMD", "cpu_core_type": "only", **facts}
    process = Process("a", facts=own, slot_cycles=np.full(8, slots))
    assert quiet_level([process, process]) == pytest.approx(level)
    assert quiet_level([process, Process("b", facts=own)]) is None


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Each arm has as many as there are references."""

    def cut(facts: dict[str, Any]) -> None:
        if facts.get("part_ns"):
            facts["part_ns"] = facts["part_ns"].rpartition(" ")[0]

    with pytest.raises(BadRunError, match="differ in their parts"):
        load(written(tmp_path, [0] * 6, cut))


def test_a_headline_beside_a_sibling_says_so_wherever_it_stands(tmp_path: Path) -> None:
    """README's table, the machines' table, answer, mail, report, history, export."""
    machine = {"cpu_vendor": "AuthenticAMD", "cpu_family": "25", "cpu_model": "1", "cpu_core_type": "only"}
    machine |= {"date": "2026-11-29 12:00:00+00:00"}
    file = written(tmp_path, [16] * 6, lambda facts: facts.update(machine))
    run, margin = load(file), Margin(1.0, percent=True)
    assert v1(file).condition == "shared"
    publishing.publish(run, tmp_path / "machines")
    entries = machines.entries(tmp_path / "machines")
    (idle,) = (cell for cell in entries[0].cells if (cell["variant"], cell["gate"]) == ("v1", "jump-label"))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "run.json").write_text(file.read_text())
    shown = {
        "overview": [*overview.table(entries)],
        "overview in Markdown": [*overview.markdown(entries)],
        "the report's first table": [label for label, *_ in overview.of_run(entries[0].cells)],
        "machines": as_machines.text_of(idle),
        "answer": [" ".join(" ".join(as_answer.lines(analysis_of(run, margin), [])).split())],
        "mail": [*as_mail.lines(analysis_of(run, margin), [])],
        "history": [series.cell for series in history.history(tmp_path / "runs")],
        "export": [as_github_action_benchmark.github_action_benchmark([analysis_of(run, margin)])],
    }
    assert not [name for name, lines in shown.items() if not any(BESIDE in line for line in lines)]
    assert max(map(len, shown["mail"][:-1])) <= as_mail.WIDTH


BESIDE = "beside a busy sibling"


def test_figures_of_a_headline_beside_a_sibling_say_so(tmp_path: Path) -> None:
    """Every figure of a run, of a pair of runs, of machines."""
    machine = {"cpu_vendor": "AuthenticAMD", "cpu_family": "25", "cpu_model": "1", "cpu_core_type": "only"}
    machine |= {"date": "2026-11-29 12:00:00+00:00"}
    run = load(written(tmp_path, [16] * 6, lambda facts: facts.update(machine)))
    groups = analyse(run, Margin(1.0, percent=True))
    publishing.publish(run, tmp_path / "machines")
    drawn = {
        **{
            name: drawing.draw(name, each, [".svg"], (run, groups))
            for name, each in drawing.figures("run").items()
        },
        "overlay": drawing.draw(
            "overlay", drawing.figures("pair")["overlay"], [".svg"], (groups, groups, [], run)
        ),
        "machines": drawing.draw(
            "machines",
            drawing.figures("machines")["machines"],
            [".svg"],
            (machines.entries(tmp_path / "machines"),),
        ),
    }
    texts = {name: each.images[".svg"].decode() for name, each in drawn.items() if each.images}
    assert {"headline", "ladder", "builds", "distribution", "noise", "overlay", "machines"} <= {*texts}
    assert not [name for name, text in texts.items() if f"measured {BESIDE}" not in text]
    assert "old: measured" in texts["overlay"]


def test_of_several_scenarios_those_beside_a_sibling_are_named() -> None:
    """All of them need no names, and none of them no line."""
    assert beside({"a": "shared", "b": "alone", "c": "shared", "d": None}) == f"{BESIDE}: a; c"
    assert beside({"a": "shared", "b": "shared"}) == BESIDE
    assert beside({"a": "alone", "b": None}) == beside({}) == ""


def test_the_mail_has_both_conditions_in_its_width(tmp_path: Path) -> None:
    """A row for each."""
    lines = [*as_mail.lines(analysis_of(load(written(tmp_path, [8] * 6)), Margin(1.0, percent=True)), [])]
    rows = [line for line in lines if line.startswith(f"    {BESIDE}")]
    assert len(rows) > 1 and all(len(line) <= as_mail.WIDTH or "python" in line for line in lines)


def test_a_partner_begins_another_series(tmp_path: Path) -> None:
    """What a neighbour did and what a partner does are two loads; as found and unsaid are one."""
    (tmp_path / "runs").mkdir()
    for day, sibling in enumerate((None, "as-found", "busy"), 1):
        facts = {"date": f"2026-11-2{day} 12:00:00+00:00"} | ({"sibling": sibling} if sibling else {})
        file = written(tmp_path, [16] * 6, lambda own, facts=facts: own.update(facts), seed=day)
        (tmp_path / "runs" / f"{day}.json").write_text(file.read_text())
    series = [each for each in history.history(tmp_path / "runs") if "v1/jump-label" in each.cell]
    assert [len(each.points) for each in series] == [2, 1]
    assert ["sibling" in each.machine for each in series] == [False, True]
