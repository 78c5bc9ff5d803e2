"""`python -m results answer`: the sentence that is forwarded says what the tables say."""

import json
from pathlib import Path

import pytest

from model.vocabulary.margin import Margin
from results.analysis import answer
from results.analysis.groups import analyse, analysis_of
from results.claims import judging
from results.output import as_answer
from results.reading.load import Arm, Run, load
from tests import runfile
from tests.command import run

PERCENT = Margin(1.0, percent=True)


@pytest.fixture(scope="module")
def headline(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of all memcg states in which v1 costs."""
    return load(runfile.write(tmp_path_factory.mktemp("run") / "run.json", runfile.headline()))


def test_the_sentence_is_that_of_the_cell(headline: Run) -> None:
    """Number, interval, share of builds, processor, of v1 with memcg on-idle."""
    group = next(g for g in analyse(headline, PERCENT) if g.scenario.name.startswith("on-idle/plain"))
    cell = next(c for c in group.cells if c.overhead.arm == Arm("v1", "jump-label"))
    first = answer.of_2015(analyse(headline, PERCENT))[0]
    said = as_answer.sentence(headline, first)
    assert first.cell.overhead.ns == cell.overhead.ns
    assert cell.judgement.verdict == "costs" and "the 2015 test costs" in said
    assert cell.judgement.ci95 is not None and cell.overhead.spread.paying is not None
    for part in (
        f"{cell.overhead.ns:+.3f} ns",
        f"{cell.judgement.ci95[0]:+.3f} to {cell.judgement.ci95[1]:+.3f}",
        f"{cell.overhead.spread.paying:.0%} of the builds",
        "A/A control",
        "On ",
    ):
        assert part in said


def test_a_larger_margin_makes_it_negligible(headline: Run) -> None:
    """The words follow the verdict."""
    wide = Margin(5.0, percent=False)
    said = as_answer.sentence(headline, answer.of_2015(analyse(headline, wide))[0])
    assert "the 2015 test is negligible (within 5.00 ns either way)" in said


def test_every_state_and_the_later_forms_follow(headline: Run) -> None:
    """One line each; the claims in a few words."""
    answers = judging.answers(analysis_of(headline, PERCENT), None)
    lines = list(as_answer.lines(analysis_of(headline, PERCENT), answers))
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 80
    for about in ("memcg off", "memcg disabled", "memcg on-active", "key first"):
        assert about in text
    assert all(answer.id in text for answer in answers if answer.evidence)


def test_a_run_without_v1_says_what_to_measure(tmp_path: Path) -> None:
    """And exits with 0: it was read."""
    document = runfile.document(runfile.FakeRun(axes={"depth": "prepare"}))
    file = runfile.write(tmp_path / "run.json", document)
    done = run("results", "answer", str(file))
    assert done.returncode == 0, done.stderr
    assert "no v1 for a plain page" in done.stdout and "benchmarks --quick" in done.stdout
    assert json.loads(run("results", "answer", str(file), "--format", "json").stdout)["answer"] is None
