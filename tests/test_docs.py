"""The documentation: its commands run as written; audience, length, width, links and words of each page."""

import re
import shlex
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import runfile
from tests.command import ROOT, drawn, run

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
OURS = list(PAGES)
PAGES += sorted(ROOT.glob("model/kernels/*/kernel-map.md"))
COMMAND = re.compile(r"`(python\s+-m\s[^`]+)`|^ *(python -m [^`\n]+)$", re.MULTILINE)
"""In backticks, where a wrapped line may break it, or on a line of its own, indented or not."""
MOST_LINES, MOST_COLUMNS = 200, 100
BANNED = (
    *("ask the key", "asks the key", "another's", "whoever", "is a draw", "kindest", "loads wait"),
    *("nothing that matters", "putting away", "words of our own", "today"),
)
"""Phrases that readers stumbled over; the field has words for each."""
AFTER = re.compile(r"\s+(#|>|\|).*$")
"""A comment, or where a shell line sends its output."""
NAMES = {"FILE": "run.json", "OLD": "old.json", "NEW": "new.json", "DIR": "runs"}
NAMES |= {"fleet/host-2.json.partial": "run.json", "seed-1.json": "old.json", "seed-2.json": "new.json"}
NAMES |= {"kernel.json": "run.json", "pair.json": "run.json"}
NAMES |= dict.fromkeys(("model.json", "6.12.117.json"), "results/reference/fidelity-census.json.gz")
NAMES |= {"old-census.json": "census.json", "new-census.json": "census.json"}
NAMES |= {"NAME": "junit", "SCHEDULER": "tcp://127.0.0.1:9"}
NAMES |= {"OUT": "out", "[CENSUS]": "census.json", "results/runs": "runs", "FILE.partial": "run.json"}
BARE = {
    "show": ["run.json"],
    "answer": ["run.json"],
    "claims": ["run.json"],
    "compare": ["old.json", "new.json"],
    "history": ["runs"],
    "calibration": ["calibration.json"],
}
"""What a command reads, where the text speaks of it without its files."""
TUTORIAL = ROOT / "docs/price-your-check.md"
"""Its commands need its files, and run in tests/test_own.py."""
WRITES = ("results.filing", "plots.figures")
"""As `results documents` does, into the checkout."""
MEASURES = ("benchmarks", "benchmarks.census")


def commands() -> list[str]:
    """Each once, however many pages have it."""
    texts = (page.read_text() for page in PAGES if page != TUTORIAL)
    spans = (" ".join((span or line).split()) for text in texts for span, line in COMMAND.findall(text))
    return sorted({AFTER.sub("", command) for command in spans if "pyperf" not in command})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files under the names that the pages use."""
    place = tmp_path_factory.mktemp("docs")
    (place / "runs").mkdir()
    for name in ("run.json", "old.json", "new.json", "runs/run.json"):
        runfile.write(place / name, runfile.of_machine(runfile.headline()))
    runfile.write(place / "calibration.json", runfile.calibration())
    assert run("benchmarks", "--new-variant", "my-check", "-o", str(place / "my_check.py")).returncode == 0
    (place / "census.json").symlink_to(ROOT / "results/reference/census-x86-64-v3.json")
    (place / "results").symlink_to(ROOT / "results")
    return place


@pytest.mark.parametrize("command", commands())
def test_a_command_runs_as_written(command: str, folder: Path) -> None:
    """What measures is listed instead, or cut down to one arm; what takes an hour exists; the rest runs."""
    module, *words = shlex.split(command)[2:]
    if module.startswith(("tests.", "model.")):
        assert find_spec(module)
        return
    words = [NAMES.get(word, word).replace("<name>", "v1") for word in words]
    for option, name in (("--variant", "my_check.py"), ("--new-variant", "another-check")):
        if option in words:
            words[words.index(option) + 1] = name
    if "-o" in words:
        words[words.index("-o") + 1] = f"made-{Path(words[words.index('-o') + 1]).name}"
        words += [] if module == "benchmarks" else ["--force"]
    if (words and words[-1].removeprefix("--") in BARE) or (words[1:2] == ["--format"] and len(words) == 3):
        words += BARE.get(words[0], [])
    if words and words[0] == "publish":
        words += ["--to", "machines", "--force"]
    if "--vmlinux" in words:  # with real kernels in tests/test_kernel_file_commands.py
        words = ["--help"]
    if module == "benchmarks.figures":
        words += ["--list"]
    if not words or words in (["report"], ["documents"]) or module in WRITES:
        words = [*words, "--help"]
    if module in MEASURES and not {"--help", "--doctor", "--list"} & {*words}:
        if "--resume" in words:
            words = ["--help"]
        elif module == "benchmarks":
            words += ["--list"]
        elif "--only" not in words:
            words += ["--only", "memcg=on-idle,page_kind=plain,depth=pcp,checks=on,v1"]
        elif "--in-order" in words:  # of every arm in tests/test_fidelity.py
            words[words.index("--only") + 1] += ",base"
    done = ran(folder, module, *words)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr


@cache
def ran(folder: Path, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command: run once, also where pages have it with other names for the same files."""
    return drawn(module, *words, cwd=folder, figures=["census", "fidelity"] * (module == "plots"))


def test_a_target_of_make_exists() -> None:
    """Every `make TARGET` that a page names."""
    text = "".join(page.read_text() for page in PAGES)
    for target in sorted(set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE))):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_a_command_is_found_wherever_it_stands() -> None:
    """In a line of text, in a wrapped one, in a fenced block and in one indented by four blanks."""
    page = "`python -m a b` and `python\n-m c d`\n\n    python -m e f\n\n```sh\npython -m g\n```\n"
    found = [" ".join((span or line).split()) for span, line in COMMAND.findall(page)]
    assert found == ["python -m a b", "python -m c d", "python -m e f", "python -m g"]


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_says_for_whom_it_is(page: Path) -> None:
    """Its first paragraph, behind the title, begins with the audience."""
    title, first, *_ = re.split(r"\n\n+", page.read_text())
    assert title.startswith("# ") and first.startswith("Audience: ")


@pytest.mark.parametrize("page", OURS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_short_narrow_and_in_the_fields_words(page: Path) -> None:
    """Columns count outside tables, images and code; words count everywhere but in link targets."""
    text = page.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in prose.splitlines() if not line.startswith(("|", "![", "    "))]
    assert [line for line in lines if len(line) > MOST_COLUMNS] == []
    flat = " ".join(re.sub(r"\]\([^)]*\)", "]", text).lower().split())
    assert [words for words in BANNED if re.search(rf"\b{words}", flat)] == []


def test_every_page_is_two_clicks_from_readme() -> None:
    """README links to it, or to a page that does."""
    first = linked(ROOT / "README.md")
    second = {page for near in first if near.suffix == ".md" for page in linked(near)}
    lost = {page.relative_to(ROOT) for page in PAGES[1:]} - {
        page.relative_to(ROOT) for page in first | second
    }
    assert not lost


def linked(page: Path) -> set[Path]:
    """Files of the checkout to which a page links."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    return {(page.parent / link).resolve() for link in links if "://" not in link}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_somewhere(page: Path) -> None:
    """Files in the checkout; the index names every decision."""
    targets = linked(page)
    assert [target for target in targets if not target.exists()] == []
    if page == ROOT / "docs/decisions/README.md":
        assert set(page.parent.glob("[0-9]*.md")) <= targets


def test_a_cited_fact_is_there() -> None:
    """What sources cite of docs/kernel-facts/, page and sections, exists."""
    cited = re.compile(r"docs/kernel-facts/([\w.-]+\.md)(?:,\s+sections?\s+([\d.]+[\d]|\d+))?")
    folder = ROOT / "docs" / "kernel-facts"
    sources = [
        *(ROOT / "model").rglob("*.py"),
        *(ROOT / "results").rglob("*.py"),
        *Path(__file__).parent.glob("*.py"),
    ]
    seen = 0
    for source in sources:
        text = source.read_text()
        assert "kernel-facts" not in re.sub(r"docs/kernel-facts/", "", text) or source == Path(__file__), (
            source
        )
        for page, section in cited.findall(text):
            assert (folder / page).is_file(), f"{source}: {page}"
            seen += 1
            if section:
                heading = re.compile(rf"^##+ {re.escape(section)}\.? ", re.MULTILINE)
                assert heading.search((folder / page).read_text()), f"{source}: {page}, section {section}"
    assert seen > 8
