"""The six claims on data whose truth is known, and the report made from them."""

import json
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from model.vocabulary.margin import Margin
from results.analysis.groups import analysis_of
from results.claims import judging
from results.claims.claim import Data
from results.reading.load import Arm, load
from tests import runfile
from tests.command import ROOT, drawn, refused, run

MARGIN = Margin(1.0, percent=True)
REFERENCE = (ROOT / "results" / "reference" / "census-x86-64-v3.json").read_text()
FLAGGED: runfile.Arms = {
    ("base", "jump-label"): 0.0,
    ("base", "memory-flag"): 0.1,
    ("base", "none"): 0.4,
    ("base-twin", "jump-label"): 0.0,
    ("v1", "jump-label"): 0.2,
    ("v1", "memory-flag"): 0.3,
    ("v1", "none"): 0.7,
}


def quick(off: float = 0.3, idle: float = 0.25, ungated: float = 0.7) -> dict[str, Any]:
    """A run with what every claim reads; v1's cost by memcg state, and of a call without a gate."""
    plain = dict(runfile.HEADLINE) | {("v1", "jump-label"): idle, ("v1", "memory-flag"): idle}
    without = {(variant, "none"): cost for (variant, _), cost in plain.items()}
    without |= {("v1", "none"): off, ("v1-ifdef", "none"): 0.0}
    return runfile.document(
        runfile.FakeRun(arms=without, seed=1, axes={"memcg": "off"}),
        runfile.FakeRun(arms=plain, seed=2, axes={"memcg": "disabled"}),
        runfile.FakeRun(arms=plain, seed=3),
        runfile.FakeRun(arms=FLAGGED | {("v1", "none"): ungated}, seed=4, axes={"page_kind": "flagged"}),
    )


def verdicts(tmp_path: Path, data: dict[str, Any], census: dict[str, Any] | None = None) -> dict[str, str]:
    """By claim."""
    other = runfile.write(tmp_path / "census.json", census) if census else None
    answers = judging.answers(analysis_of(load(runfile.write(tmp_path / "run.json", data)), MARGIN), other)
    return {answer.id: answer.verdict for answer in answers}


def test_the_answers_of_a_run_in_which_v1_costs(tmp_path: Path) -> None:
    """C1 to C4 hold; C5 and C6 fail, since a quarter of a nanosecond is more than 1 %."""
    expected = dict.fromkeys(["C1", "C2", "C3", "C4"], "holds") | {"C5": "fails", "C6": "fails"}
    assert verdicts(tmp_path, quick()) == expected


def test_the_answers_of_a_run_in_which_it_is_free(tmp_path: Path) -> None:
    """C1 fails, C5 and C6 hold; a call that costs nothing without a gate makes C2 fail."""
    answers = verdicts(tmp_path, quick(off=0.0, idle=0.0, ungated=0.2))
    assert (answers["C1"], answers["C2"], answers["C5"], answers["C6"]) == (
        "fails",
        "fails",
        "holds",
        "holds",
    )


def test_a_cost_in_some_states_only_refutes_all_kernels(tmp_path: Path) -> None:
    """C1 says all."""
    assert verdicts(tmp_path, quick(off=0.0))["C1"] == "fails"


def test_without_data_a_claim_is_undecided_and_names_the_command(tmp_path: Path) -> None:
    """Never a guess."""
    arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0, ("nop", "none"): 0.0}
    file = runfile.write(tmp_path / "run.json", runfile.document(runfile.FakeRun(arms=arms)))
    answers = {answer.id: answer for answer in judging.answers(analysis_of(load(file), MARGIN), None)}
    for number in ("C1", "C2", "C5", "C6"):
        assert answers[number].verdict == "undecided"
        assert "python -m benchmarks" in answers[number].because


@pytest.mark.parametrize(("number", "kind"), [("C3", "flagged"), ("C4", "plain")])
def test_one_access_more_refutes_the_instruction_claims(tmp_path: Path, number: str, kind: str) -> None:
    """The census decides them exactly."""
    census = json.loads(REFERENCE)
    row = next(
        arm
        for arm in census["arms"]
        if (arm["variant"], arm["page_kind"], arm["memcg"], arm["depth"]) == ("v1", kind, "off", "pcp")
    )
    row["over_base"]["accesses"].append(
        {"op": "store", "object": "page", "field": "flags", "offset": 0, "size": 8, "count": 1}
    )
    answers = verdicts(tmp_path, quick(), census)
    assert answers[number] == "fails"
    assert answers["C4" if number == "C3" else "C3"] == "holds"


def appended(*parts: runfile.Arms, **axes: str) -> dict[str, Any]:
    """One scenario whose processes measured different arms, as --append with another --only leaves it."""
    common: runfile.Arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0}
    sessions = [runfile.FakeRun(arms=common | arms, seed=20 + i, axes=axes) for i, arms in enumerate(parts)]
    return runfile.document(*sessions)


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (
            "C2",
            appended(
                {("v1", "none"): 0.7},
                {("v1", "jump-label"): 0.2, ("v1", "memory-flag"): 0.3},
                page_kind="flagged",
            ),
        ),
        ("C6", appended({("v1", "none"): 0.3}, {("v1-ifdef", "none"): 0.0}, memcg="off")),
    ],
)
def test_arms_that_no_process_shares_are_not_compared(
    tmp_path: Path, number: str, data: dict[str, Any]
) -> None:
    """Both were measured, but never side by side: undecided, with the command, and no traceback."""
    answers = judging.answers(analysis_of(load(runfile.write(tmp_path / "run.json", data)), MARGIN), None)
    answer = next(answer for answer in answers if answer.id == number)
    assert answer.verdict == "undecided" and "python -m benchmarks" in answer.because


def test_looks_narrow_the_paired_claims_too(tmp_path: Path) -> None:
    """C2 and C6 compare arms with one another: each look's share of the error holds there as well."""
    v1 = Arm("v1", "none")
    widths: dict[int, list[float]] = {}
    for looks in (0, 3):
        data = quick()
        for bench in data["benchmarks"]:
            for each in bench["runs"]:
                each["metadata"] |= {"looks": looks} if looks else {}
        analysis = analysis_of(load(runfile.write(tmp_path / "run.json", data)), MARGIN)
        read = Data(analysis, json.loads(REFERENCE))
        for group, reference in (
            (read.group("on-idle", "flagged"), Arm("v1", "jump-label")),
            (read.group("off"), Arm("v1-ifdef", "none")),
        ):
            between = read.between(group, v1, reference)
            assert between is not None and between.judgement.ci95_corrected is not None
            low, high = between.judgement.ci95_corrected
            widths.setdefault(looks, []).append(high - low)
    assert all(wide > 1.3 * narrow for narrow, wide in zip(widths[0], widths[3], strict=True))


def test_evidence_says_which_builds_pay(tmp_path: Path) -> None:
    """The mean and the share; a run of one build has no share."""
    answers = judging.answers(analysis_of(load(runfile.write(tmp_path / "run.json", quick())), MARGIN), None)
    assert all("% of builds pay" in line for line in answers[0].evidence)


def test_the_command(tmp_path: Path) -> None:
    """Exit status 1 when a claim fails; JSON as in the contract; bad input."""
    file = runfile.write(tmp_path / "run.json", quick())
    done = run("results", "claims", str(file), "--format", "json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["schema"] == "freepath.claims/1"
    assert [claim["id"] for claim in document["claims"]] == ["C1", "C2", "C3", "C4", "C5", "C6"]
    assert set(document["claims"][0]) == {"id", "claim", "verdict", "because", "evidence"}
    assert "C5 fails" in run("results", "claims", str(file)).stdout
    refused(run("results", "claims", str(file), str(file)), "no census")
    refused(run("results", "claims", "nowhere.json"), "nowhere.json")


class Page(HTMLParser):
    """What the checks below need to know of a page."""

    VOID = frozenset({"meta", "img", "br", "source"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must close the innermost open one."""
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)


HEADINGS = ("Claims of the mails of 2015", "Figures", "Overhead by scenario")


def test_the_page_is_whole_and_needs_nothing(tmp_path: Path) -> None:
    """Balanced tags, headings in order, alternative texts, labelled regions; no script, no network."""
    file = runfile.write(tmp_path / "run.json", quick())
    target = tmp_path / "report.html"
    assert run("results", "report", str(file), "-o", str(target)).returncode == 0
    text = target.read_text()
    page = Page(text)
    assert not page.unbalanced and not page.open
    assert len(page.ids) == len(set(page.ids))
    names = [tag for tag, _ in page.tags]
    assert "script" not in names and "link" not in names and "iframe" not in names
    levels = [int(name[1]) for name in names if name in ("h1", "h2", "h3")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert images and all(image["alt"] and (image["src"] or "").startswith("data:") for image in images)
    narrow = [attrs for tag, attrs in page.tags if tag == "source"]
    assert len(narrow) == len(images) and all((n["srcset"] or "").startswith("data:") for n in narrow)
    assert dict(page.tags[0][1])["lang"] == "en"
    assert all(attrs.get("scope") for tag, attrs in page.tags if tag == "th")
    assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text
    places = [text.index(f">{heading}</h2>") for heading in HEADINGS]
    assert places == sorted(places)


def test_a_strangers_run_does_not_execute(tmp_path: Path) -> None:
    """Every string is data: it is shown, escaped."""
    data = quick()
    data["metadata"]["cpu_model_name"] = "<script>alert(1)</script>"
    data["metadata"]["freepath_command"] = '"><img src=x onerror=alert(2)>'
    data["metadata"]["hostname"] = "{{ 7 * 7 }}"
    file = runfile.write(tmp_path / "run.json", data)
    target = tmp_path / "report.html"
    assert drawn("results", "report", str(file), "-o", str(target)).returncode == 0
    text = target.read_text()
    assert "<script" not in text and "<img src=x" not in text
    assert "&lt;script&gt;" in text and "{{ 7 * 7 }}" in text


def test_markdown_and_bad_input(tmp_path: Path) -> None:
    """The same without figures; a name decides the format; nothing is overwritten."""
    file = runfile.write(tmp_path / "run.json", quick())
    target = tmp_path / "report.md"
    assert run("results", "report", str(file), "-o", str(target)).returncode == 0
    assert "**C1 holds" in target.read_text() and "| v1/jump-label |" in target.read_text()
    refused(run("results", "report", str(file), "-o", str(target)), "exists", "--force")
    refused(run("results", "report", str(file), "-o", str(tmp_path / "report.pdf")), ".html or .md")
    refused(run("results", "report", str(file)), "-o")
    refused(run("results", "report", str(file), "-o", str(tmp_path / "r.html"), "--margin=0"), "--margin")
