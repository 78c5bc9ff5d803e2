"""`python -m results report`: one self-contained page, verdicts first. No network, no script.

Every string of the run is a stranger's: Jinja escapes it, and figures are embedded as images, in which
scripts do not run. A figure that could not be drawn is named in the page.
"""

import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.common.process import how_it_ended
from results import answer, claims
from results.analysis import Group, analyse
from results.cpus import processor_line
from results.load import CPU, Run
from results.show import HEADINGS, as_markdown, escape, noise_line, row_of, run_facts, run_warnings, title_of
from results.verdict import Margin

TEMPLATES: Final = Path(__file__).parent / "templates"
ALT: Final = {
    "headline": "Overhead of every variant over base, in ns per page with 95 % intervals, by memcg state.",
    "ladder": "Cost of a NOP, a load, a comparison with its branch, and a store, each inserted alone.",
    "memory": "Overhead of v1 against the number of struct pages in play, sequential and random.",
    "share": "Overhead against the share of flagged pages, evenly spread and at random.",
    "builds": "Each arm's overhead build by build, with the mean over builds, memcg on-idle.",
    "distribution": "Each process's own estimate, arm by arm, with memcg on-idle.",
    "noise": "Noise floor of each scenario and the spread of a single code placement.",
    "census": "Instructions per freed page of every arm, by memcg state, and what each adds to base.",
    "calibration": "Injected against measured cycles.",
}
SHOWN: Final = (
    "cpu_model_name",
    *CPU,
    "build_scheme",
    "store_bypass",
    "code_digest",
    "hostname",
    "platform",
    "commit",
    "python_version",
    "numba",
    "freepath_cpu",
    "seed",
)
CONDITIONS: Final = (
    "governor",
    "turbo",
    "smt",
    "clocksource",
    "thp",
    "virtual",
    "mitigations",
    "load_before",
)


NARROW: Final = "-narrow"
DRAW: Final = (sys.executable, "-m", "plots")
FAILED: Final = "cannot draw "
"""How `python -m plots` begins the line about a figure that failed; the others had no data."""


@dataclass(frozen=True)
class Page:
    """A report, and a line on each figure that failed; one without data is no failure."""

    text: str
    failed: tuple[str, ...] = ()


def draw_figures(path: Path, margin_text: str, folder: Path) -> Iterator[str]:
    """Have a file's figures drawn, in a process of its own: this stage does not import the next one.

    Yields a line for each figure that is not there.
    """
    root = Path(__file__).parent.parent
    # What it puts into TMPDIR goes with the folder, however it ends.
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(folder)}
    options = ["--format", "svg", "--narrow", f"--margin={margin_text}"]
    command = [*DRAW, str(path), "-o", str(folder), *options]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, text=True, errors="replace"
    )
    lines = done.stderr.splitlines()
    yield from lines
    if done.returncode != 0 and not any(line.startswith(FAILED) for line in lines):
        yield f"{FAILED}the figures of {path}: the process {how_it_ended(done.returncode, lines)}"


def embedded(folder: Path) -> Iterator[dict[str, str]]:
    """The figures of a folder as data URLs: those of `ALT` in its order, then whatever else was drawn."""
    found = {path.stem for path in folder.glob("*.svg") if not path.stem.endswith(NARROW)}
    for name in (*(name for name in ALT if name in found), *sorted(found - set(ALT))):
        yield {
            "source": _data_url(folder / f"{name}.svg"),
            "narrow": _data_url(folder / f"{name}{NARROW}.svg"),
            "alt": ALT.get(name, f"Figure {name}."),
        }


def _data_url(path: Path) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"


def as_html(run: Run, census: Path | None, margin_text: str) -> Page:
    """The page."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.ChainableUndefined
    )
    content = _content(run, census, Margin.parse(margin_text))
    with tempfile.TemporaryDirectory(prefix="freepath-") as folder:
        paths = (Path(run.path), census or claims.REFERENCE)
        lines = [line for path in paths for line in draw_figures(path, margin_text, Path(folder))]
        failed = tuple(line for line in lines if line.startswith(FAILED))
        template = environment.get_template("report.html")
        text = template.render(**content, figures=list(embedded(Path(folder))), failed=failed)
    return Page(text, failed)


def _content(run: Run, census: Path | None, margin: Margin) -> dict[str, Any]:
    groups = analyse(run, margin)
    floors = [group.floor_ns for group in groups if group.floor_ns is not None]
    facts = run_facts(run)
    conditions = run.scenarios[0].processes[0].facts
    machine = {name: facts[name] for name in SHOWN if name in facts}
    found = answer.cells(run, margin)
    return {
        "facts": facts,
        "processor": processor_line(facts),
        "machine": machine | {name: conditions[name] for name in CONDITIONS if name in conditions},
        "date": _date(run),
        "margin": f"{min(g.cells[0].judgement.margin_ns for g in groups):.2f} ns" if groups else "unknown",
        "floor": f"{max(floors):.3f} ns" if floors else "not measured",
        "answer": answer.sentence(run, found[0]) if found else None,
        "others": [(line.about, *row_of(line.cell)[1:3], line.cell.judgement.verdict) for line in found],
        "doubt": answer.doubt(found),
        "answers": claims.answers(run, census, margin),
        "doubts": [*run_warnings(run), *_doubts(groups)],
        "headings": HEADINGS,
        "groups": [
            {
                "title": title_of(group),
                "rows": [row_of(cell) for cell in group.cells],
                "noise": noise_line(group),
            }
            for group in groups
        ],
    }


def _date(run: Run) -> str:
    """The day, or the days, on which it was measured."""
    days = sorted(
        {str(p.facts["date"])[:10] for s in run.scenarios for p in s.processes if "date" in p.facts}
    )
    return "unknown date" if not days else days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _doubts(groups: Sequence[Group]) -> Iterator[str]:
    """Warnings, each with the scenarios that it is about."""
    about: dict[str, list[str]] = {}
    for group in groups:
        for warning in group.warnings:
            about.setdefault(warning, []).append(group.scenario.name)
    for warning, names in about.items():
        yield f"{warning} ({', '.join(names) if len(names) < len(groups) else 'every scenario'})"


def as_text(run: Run, census: Path | None, margin_text: str) -> Page:
    """The same as Markdown, without figures."""
    margin = Margin.parse(margin_text)
    found = claims.answers(run, census, margin)
    cells = answer.cells(run, margin)
    said = f"{escape(answer.sentence(run, cells[0]))}\n\n" if cells else ""
    head = f"# What does one more test cost in the page free path?\n\n{said}"
    return Page(head + "\n".join(claims.lines(found, markdown=True)) + "\n" + as_markdown(run, margin))
