"""README and its pages: tables made from published runs, the size that was promised, a mail's text."""

import html
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from model.common.errors import FileError
from model.vocabulary.formats import OLDER_INSTRUMENT
from plots import report
from results.analysis import machines
from results.analysis.groups import analysis_of
from results.analysis.machines import Entry
from results.claims.judging import answers
from results.kept import agreement
from results.output import as_json, as_mail
from results.pages import documents, overview
from results.reading.load import load
from tests import committed, runfile
from tests.command import ROOT, drawn, refused, run

README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def published() -> list[Entry]:
    """What lies in results/machines."""
    return machines.entries()


@pytest.mark.parametrize("page", documents.PARTS)
def test_a_page_says_what_the_published_runs_say(
    page: str, published: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word; `python -m results documents` makes it so."""
    monkeypatch.setattr(agreement, "of_kept", lambda: iter(committed.agreements()))
    text = (ROOT / page).read_text()
    assert text == documents.rewritten(page, text, published)


def test_the_kept_seeds_agree() -> None:
    """Nine of ten cells; `python -m results.agreement` asks for 95 %, and lists those that do not."""
    found = committed.agreements()
    cells = sum(each.cells for each in found)
    assert cells > 1000 and sum(len(each.beyond) for each in found) < 0.1 * cells


def test_a_page_without_its_comments_is_named(published: list[Entry]) -> None:
    """Nothing is written where a part would be lost."""
    with pytest.raises(FileError, match=re.escape("README.md lacks the comments <!-- ")):
        documents.rewritten("README.md", "no part\n", published)


def test_the_readme_is_short() -> None:
    """8 kB, 130 lines; what comes before its first heading fits a screen of 60; nothing wider than 100."""
    lines = README.splitlines()
    assert len(README.encode()) <= 8192 and len(lines) <= 130
    assert next(at for at, line in enumerate(lines[1:], 1) if line.startswith("## ")) <= 60
    assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []


def test_the_report_begins_as_readme_does(tmp_path: Path) -> None:
    """As HTML and as Markdown: question, tool, rule and limits in README's words, and README's rows."""
    both = runfile.of_machine(runfile.headline())
    file = runfile.write(tmp_path / "run.json", both)
    first = plain(re.sub(r"```.*?```", "", README.partition("\n## ")[0], flags=re.DOTALL))
    said = (report.ASKED, report.TOOL, report.RULE, f"{report.NOT_A_KERNEL}: {report.LIMITS}")
    for words in said:
        assert words.format(builds="some 2,200", margin="1 % of the modelled path") in first
    assert report.TITLE[1:] in first
    rows = list(overview.of_run(as_json.document(analysis_of(load(file), machines.MARGIN))["cells"]))
    for name in ("r.html", "r.md"):
        assert drawn("results", "report", str(file), "-o", str(tmp_path / name)).returncode == 0
        text = (tmp_path / name).read_text()
        head = plain(re.sub(r"<[^>]+>", " ", html.unescape(text))).partition(report.LIMITS)[0]
        assert report.TITLE in head and report.ASKED in head and report.NOT_A_KERNEL in head
        assert report.RULE.format(margin="1 % of the modelled path") in head
        assert rows and all(plain(part) in head for row in rows for part in row)


def plain(text: str) -> str:
    """Without marks of Markdown, link targets and line ends."""
    text = re.sub(r"\]\([^)]*\)|\]\[[^\]]*\]|[\\`*\[\]]", "", text)
    return " ".join(text.split())


def test_a_step_left_out_costs_what_it_saves() -> None:
    """Sign, interval and verdict are turned; what is negligible stays so."""
    cell = {
        "overhead_ns": -2.0,
        "ci95_ns": [-2.25, -1.5],
        "verdict": "saves",
        "bare_ns": 20.0,
        "margin_ns": 0.2,
    }
    assert overview.cost_of(cell, left_out=True) == ("+2.00 [+1.50,+2.25]", "costs, 10.0%")
    assert overview.cost_of(cell, left_out=False) == ("-2.00 [-2.25,-1.50]", "saves, -10.0%")
    near = cell | {"margin_ns": 1.75}
    assert overview.cost_of(near, left_out=True) == ("+2.00 [+1.50,+2.25]", "at margin, 10.0%")
    assert overview.cost_of(near, left_out=False) == ("-2.00 [-2.25,-1.50]", "at margin, -10.0%")
    nothing = cell | {"overhead_ns": -0.001, "ci95_ns": None, "verdict": "negligible"}
    assert overview.cost_of(nothing, left_out=True) == ("+0.00", "negligible, 0.0%")


def test_an_overview_has_room_for_every_machine(published: list[Entry]) -> None:
    """Five abreast in 100 columns, further ones below, each once."""
    many = [*published, *published][:6]
    lines = list(overview.table(many))
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("ns per page") for line in lines) == 2
    titles = " ".join(line for line in lines if line.startswith("ns per page"))
    assert all(entry.short in titles for entry in many)


def test_the_newest_run_of_a_core_stands_for_it(published: list[Entry]) -> None:
    """A run by an older instrument gives way to one of the same core, and stays where there is no other."""
    now = next(entry for entry in published if not entry.older)
    before = replace(now, instrument=OLDER_INSTRUMENT)
    assert overview.current([before, now]) == [now] == overview.first([now, before])
    assert overview.current([before]) == [before]


def test_the_overview_command(tmp_path: Path) -> None:
    """As text and as Markdown; a folder without machines is refused."""
    assert "2015 test, memcg" in run("results", "overview").stdout
    assert run("results", "overview", "--format", "markdown").stdout.startswith("| ns per freed page")
    refused(run("results", "overview", str(tmp_path)), "holds no machine")


def test_a_mail_fits_and_says_what_a_reader_needs(tmp_path: Path) -> None:
    """72 columns but for the command; processor, commit, interval, floor, limits; no folder of this user."""
    data = runfile.of_machine(runfile.headline())
    file = runfile.write(tmp_path / "run.json", data)
    done = run("results", "answer", str(file), "--format", "mail")
    assert done.returncode == 0, done.stderr
    loaded = load(file)
    analysis = analysis_of(loaded, machines.MARGIN)
    made = list(as_mail.lines(analysis, answers(analysis, None)))
    assert done.stdout.splitlines() == made
    assert all(len(line) <= as_mail.WIDTH or line.startswith("  ") for line in made)
    text = " ".join(made)
    for part in ("95 % interval", "CPU: ", "commit", "Noise floor", "no kernel", "negligible:", "v4.3"):
        assert part in text
    assert str(tmp_path) not in text and not re.search(r"[|*`#]", text)


def test_a_transcript_becomes_a_picture(tmp_path: Path) -> None:
    """An SVG with the text in it, of a line that was overwritten its last state, and nothing from the net."""
    (tmp_path / "said.txt").write_text("$ make run\n1 of 2\r2 of 2 <done>\n")
    done = run("plots.terminal", str(tmp_path / "said.txt"), "-o", str(tmp_path / "said.svg"))
    assert done.returncode == 0, done.stderr
    picture = (tmp_path / "said.svg").read_text()
    words = "".join(ET.fromstring(picture).itertext()).replace("\xa0", " ")
    assert "2 of 2 <done>" in words and "1 of 2" not in words
    assert "url(http" not in picture and "@import" not in picture
    refused(run("plots.terminal", str(tmp_path / "none.txt"), "-o", str(tmp_path / "n.svg")), "none.txt")
