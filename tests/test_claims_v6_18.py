"""Questions of v6.18 on synthetic data, the lines of the answer about them, and the figures."""

import re
from pathlib import Path

import pytest

from model.vocabulary.margin import Margin
from results.analysis.answer import of_later
from results.analysis.groups import analyse, analysis_of
from results.claims import judging
from results.reading.load import load
from tests import runfile
from tests.command import ROOT, drawn, run

MARGIN = Margin(1.0, percent=True)
AXES = {"kernel": "v6.18", "checks": "off", "config": "distribution"}
FREE = {
    **dict.fromkeys(["base", "base-twin", "no-type-test", "memcg-off", "memcg-flag-first"], 0.0),
    **dict.fromkeys(["no-wipe", "no-cpupid", "no-trylock", "irq-off"], 0.0),
    "check-pages": 0.3,
}
DEAR = FREE | {"no-type-test": -0.5, "memcg-off": -0.5, "memcg-flag-first": 0.6, "no-wipe": -0.4}
DEAR |= {"check-pages": 4.0, "irq-off": 5.0, "no-trylock": -7.0}


def measured(folder: Path, costs: dict[str, float]) -> Path:
    """A run of v6.18 with the memcg key on, off, and without memcg, in which each variant costs so much."""
    gated: runfile.Arms = {(name, "jump-label"): cost for name, cost in costs.items()}
    bare: runfile.Arms = {(name, "none"): cost for name, cost in costs.items()}
    return runfile.write(
        folder / "run.json",
        runfile.document(
            runfile.FakeRun(arms=gated, seed=1, axes={**AXES, "memcg": "on-active"}),
            runfile.FakeRun(arms=gated, seed=2, axes={**AXES, "memcg": "on-idle"}),
            runfile.FakeRun(arms=bare, seed=3, axes={**AXES, "memcg": "off", "config": "default"}),
        ),
    )


HOLDS, FAILS, OPEN = "holds", "fails", "undecided"
OF_DEAR = {"T1": HOLDS, "T2": HOLDS, "T3": HOLDS, "T4": FAILS, "T5": FAILS, "T6": HOLDS}
OF_FREE = {"T1": FAILS, "T2": FAILS, "T3": FAILS, "T4": HOLDS, "T5": HOLDS, "T6": OPEN}


@pytest.mark.parametrize(("costs", "expected"), [(DEAR, OF_DEAR), (FREE, OF_FREE)])
def test_the_questions_are_judged(tmp_path: Path, costs: dict[str, float], expected: dict[str, str]) -> None:
    """A step costs when leaving it out saves; user space cannot refute the sixth claim."""
    answers = judging.answers(analysis_of(load(measured(tmp_path, costs)), MARGIN), None)
    assert {answer.id: answer.verdict for answer in answers} == expected
    assert all(answer.evidence for answer in answers)


@pytest.mark.parametrize(("costs", "verdict"), [(DEAR, HOLDS), (FREE, OPEN)])
def test_the_sixth_is_a_bound(tmp_path: Path, costs: dict[str, float], verdict: str) -> None:
    """User space can run neither cli nor sti: nothing is claimed about that way to disable interrupts."""
    (sixth,) = (
        a for a in judging.answers(analysis_of(load(measured(tmp_path, costs)), MARGIN), None) if a.id == "T6"
    )
    assert sixth.verdict == verdict and sixth.claim.endswith("v4.3's guard, even without its cli")
    assert "undecided for the form of v6.18" in sixth.because
    for page in ("docs/results.md", "docs/claims.md"):
        (row,) = (line for line in (ROOT / page).read_text().splitlines() if line.startswith("| T6 "))
        assert sixth.claim in re.sub(r"[`|]", "", row)


def test_a_run_of_2015_is_not_asked(tmp_path: Path) -> None:
    """A run of v4.3 is judged by the claims of 2015 only."""
    answers = judging.answers(
        analysis_of(load(runfile.write(tmp_path / "run.json", runfile.headline())), MARGIN), None
    )
    assert [answer.id for answer in answers] == ["C1", "C2", "C3", "C4", "C5", "C6"]


def test_what_is_missing_names_its_command(tmp_path: Path) -> None:
    """Only base and its twin: every question is open."""
    only = dict.fromkeys(("base", "base-twin"), 0.0)
    answers = judging.answers(analysis_of(load(measured(tmp_path, only)), MARGIN), None)
    assert {answer.verdict for answer in answers} == {"undecided"}
    assert all("kernel=v6.18" in answer.because for answer in answers)


def test_the_answer_has_both_kernels_words(tmp_path: Path) -> None:
    """The lines are the cells; without v1 the first line says how to get it."""
    file = measured(tmp_path, DEAR)
    assert [line.about for line in of_later(analyse(load(file), MARGIN))["v6.18"]][:2] == [
        "without the type test of 2025",
        "without the memcg test",
    ]
    said = run("results", "answer", str(file))
    assert said.returncode == 0 and "Questions of v6.18: T1 T2 T3 T6 hold; T4 T5 fail." in said.stdout
    assert "no v1" in said.stdout and "Claims of the mails" not in said.stdout


def test_a_report_of_v6_18_leads_with_v6_18(tmp_path: Path) -> None:
    """A run of v6.18 alone is answered by v6.18: its sentence, its rows, its heading."""
    target = tmp_path / "r.html"
    assert drawn("results", "report", str(measured(tmp_path, DEAR)), "-o", str(target)).returncode == 0
    text = target.read_text()
    lead = text.partition('<p class="answer">')[2].partition("</p>")[0]
    assert "a page of v6.18 takes" in lead and "without the type test of 2025 -0." in lead
    assert "<td>memcg test, key on</td>" in text and "v4.3, whole path" not in text
    assert ">Questions of v6.18</h2>" in text and "freepath.png" not in text


def test_the_figure_says_which_way_is_dear(tmp_path: Path) -> None:
    """One panel per configuration; the large ones below."""
    file, out = measured(tmp_path, DEAR), tmp_path / "out"
    done = drawn("plots", str(file), "-o", str(out), "--format", "svg", "--narrow", figures=["today"])
    assert done.returncode == 0
    for name in ("today", "today-narrow"):
        text = (out / f"{name}.svg").read_text()
        assert "defconfig" in text and "no-trylock" in text
