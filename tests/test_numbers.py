"""The numbers of README, docs and the changelog's last section are those of committed runs.

What stands between markers is generated, and compared in tests/test_documents.py. Elsewhere a figure with its
interval must be, to the last digit, that of a cell of a committed run, in one of its conditions, with either
sign: a step costs what leaving it out saves. A number in ns without an interval must be one of a cell's; many
are below 1 ns, so that says little there. Pages of sources and decision records quote experiments and mails,
with the place where each stands.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from results.pages import documents
from tests import committed
from tests.command import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FIGURE = re.compile(r"([+-]?\d+\.\d+) ?\[([+-]?\d+\.\d+), ?([+-]?\d+\.\d+)\]")
"""`+0.17 [+0.15, +0.18]`."""
LONE = re.compile(r"(?<![\w.\[])[+-]?(\d+\.\d+)(?=(?:,? (?:to|and|or) [+-]?\d+\.\d+)* ns\b)")
"""`0.25 to 0.42 ns`."""
DIGITS = (1, 2, 3)
"""Decimals with which a page may quote."""
OF_CELL = ("overhead_ns", "base_ns", "bare_ns", "noise_floor_ns", "build_sd_ns")
Figure = tuple[str, ...]


@cache
def figures_of_runs() -> tuple[set[Figure], set[str]]:
    """Figures with interval, and all numbers, of every cell of every committed run, as texts."""
    figures: set[Figure] = set()
    numbers: set[str] = set()
    for cells in committed.cells().values():
        for whole in cells:
            for cell in filter(None, (whole, whole["alone"], whole["shared"])):
                ends = cell["ci95_ns"]
                known = [*(cell[name] for name in OF_CELL if cell.get(name) is not None), *(ends or [])]
                numbers |= {f"{abs(x):.{digits}f}" for x in known for digits in DIGITS}
                if ends:
                    figures |= {
                        tuple(f"{x:z.{digits}f}" for x in (sign * cell["overhead_ns"], low, high))
                        for digits in DIGITS
                        for sign in (1, -1)
                        for low, high in [sorted((sign * ends[0], sign * ends[1]))]
                    }
    return figures, numbers


def by_hand(page: Path) -> str:
    """What nobody generates, in one line; of the changelog the section of the last day."""
    text = page.read_text()
    if page.name == "CHANGELOG.md":
        text = text.split("\n## ")[1]
    for name in documents.PARTS.get(page.relative_to(ROOT).as_posix(), ()):
        text = re.sub(rf"<!-- {name} -->.*?<!-- /{name} -->", "", text, flags=re.DOTALL)
    return " ".join(text.split())


def quoted(text: str) -> Iterator[Figure]:
    """Figures with interval in a text, with as many digits as they have there."""
    for match in FIGURE.finditer(text):
        yield tuple(f"{float(word):z.{len(word.partition('.')[2])}f}" for word in match.groups())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_figure_is_that_of_a_committed_run(page: Path) -> None:
    """Mean and both ends of the interval, of one cell."""
    figures, numbers = figures_of_runs()
    text = by_hand(page)
    assert [figure for figure in quoted(text) if figure not in figures] == []
    assert [number for number in LONE.findall(text) if number not in numbers] == []


def test_a_figure_that_was_changed_is_noticed() -> None:
    """By one unit of its last digit, at any place: most are no cell's by chance, of 15,000 cells."""
    figures, _ = figures_of_runs()
    found = [figure for page in PAGES for figure in quoted(page.read_text()) if figure in figures]
    assert len(found) > 100
    changed = []
    for figure in found:
        for place in range(3):
            unit = 10 ** -len(figure[place].partition(".")[2])
            other = f"{float(figure[place]) + unit:z.{len(figure[place].partition('.')[2])}f}"
            changed.append((*figure[:place], other, *figure[place + 1 :]))
    assert sum(each in figures for each in changed) < len(changed) / 3
