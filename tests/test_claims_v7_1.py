"""Questions of v7.1 on synthetic data: each verdict, what is missing, and the lines of the answer."""

import re
from pathlib import Path
from typing import Final

import pytest

from model.vocabulary.margin import Margin
from results.analysis.groups import analysis_of
from results.claims import judging
from results.reading.load import load
from tests import runfile
from tests.command import ROOT, run

MARGIN = Margin(1.0, percent=True)
AXES = {"kernel": "v7.1", "checks": "off", "config": "distribution", "cgroup": "v2", "memcg": "on-active"}
ARMS = (
    *("base", "base-twin", "no-private", "private-conditional", "head-branch", "whole-drain", "to-buddy"),
    *("one-slot", "random-victim"),
)
FREE: Final = {**dict.fromkeys(ARMS, 0.0), "check-pages": 0.1}
DEAR: Final = FREE | {"no-private": -0.6, "head-branch": -0.6, "whole-drain": -0.6, "to-buddy": 6.0}
DEARER: Final = DEAR | {"check-pages": 4.0}
CHEAP: Final = FREE | {"head-branch": 0.8, "to-buddy": -3.0, "one-slot": 5.0}
HOLDS, FAILS, OPEN = "holds", "fails", "undecided"


def measured(folder: Path, costs: dict[str, float]) -> Path:
    """A run in every scenario that is asked about; each variant costs so much."""
    gated: runfile.Arms = {(name, "jump-label"): cost for name, cost in costs.items()}
    charged = {"memcg": "on-charged", "page_kind": "charged"}
    scenarios: list[dict[str, str]] = [{}, {"memcg": "on-idle"}, {"depth": "full"}, {"block": "order-3"}]
    scenarios += [{**charged, "stock": stock} for stock in ("turn-4", "turn-12")]
    return runfile.write(
        folder / "run.json",
        runfile.document(
            *(
                runfile.FakeRun(arms=gated, seed=seed, axes=AXES | axes)
                for seed, axes in enumerate(scenarios, 1)
            )
        ),
    )


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        (FREE, {"T7": HOLDS, "T8": HOLDS, "T9": HOLDS, "T10": FAILS, "T11": FAILS, "T12": HOLDS}),
        (DEARER, {"T7": FAILS, "T8": FAILS, "T9": FAILS, "T10": HOLDS, "T11": FAILS, "T12": FAILS}),
        (CHEAP, {"T7": HOLDS, "T8": HOLDS, "T9": HOLDS, "T10": FAILS, "T11": HOLDS, "T12": HOLDS}),
    ],
)
def test_the_questions_are_judged(tmp_path: Path, costs: dict[str, float], expected: dict[str, str]) -> None:
    """A step that is said to cost nothing does, when the arm without it does not save."""
    answers = judging.answers(analysis_of(load(measured(tmp_path, costs)), MARGIN), None)
    assert {answer.id: answer.verdict for answer in answers} == expected
    assert all(answer.evidence for answer in answers)


def test_a_wide_interval_decides_nothing(tmp_path: Path) -> None:
    """Two noisy processes: nothing holds, nothing fails."""
    gated: runfile.Arms = {
        (name, "jump-label"): cost for name, cost in (FREE | {"check-pages": 0.75}).items()
    }
    noisy = runfile.FakeHost(noise=0.03, between=0.05, placement=0.03)
    sessions = [
        runfile.FakeRun(arms=gated, seed=seed, processes=2, machine=noisy, axes=AXES | axes)
        for seed, axes in enumerate(({}, {"memcg": "on-idle"}, {"depth": "full"}), 1)
    ]
    file = runfile.write(tmp_path / "run.json", runfile.document(*sessions))
    answers = judging.answers(analysis_of(load(file), MARGIN), None)
    assert {answer.verdict for answer in answers} == {OPEN}


def test_what_is_missing_names_its_command(tmp_path: Path) -> None:
    """Only base and its twin: every question is open."""
    only = dict.fromkeys(("base", "base-twin"), 0.0)
    answers = judging.answers(analysis_of(load(measured(tmp_path, only)), MARGIN), None)
    assert [answer.id for answer in answers] == ["T7", "T8", "T9", "T10", "T11", "T12"]
    assert {answer.verdict for answer in answers} == {OPEN}
    assert all("v7.1" in answer.because and "-o FILE" in answer.because for answer in answers)


def test_the_answer_names_the_kernel(tmp_path: Path) -> None:
    """The questions have their own line; those of v6.18 are not asked."""
    said = run("results", "answer", str(measured(tmp_path, DEARER)))
    assert said.returncode == 0 and "Questions of v7.1: T10 holds; T7 T8 T9 T11 T12 fail." in said.stdout
    assert "Questions of v6.18" not in said.stdout
    judged = run("results", "claims", str(tmp_path / "run.json"), "--format", "json")
    assert judged.returncode == 1 and '"T12"' in judged.stdout


def test_the_page_has_every_question_in_the_same_words(tmp_path: Path) -> None:
    """Each with its source below."""
    page, _, sources = (ROOT / "docs" / "claims.md").read_text().partition("Who says so")
    rows = [line for line in page.splitlines() if line.startswith("| T")]
    by_number = {row.split("|")[1].strip(): re.sub(r"[`|]", "", row) for row in rows}
    for answer in judging.answers(analysis_of(load(measured(tmp_path, FREE)), MARGIN), None):
        assert answer.claim in by_number[answer.id]
        assert f"| {answer.id} |" in sources
