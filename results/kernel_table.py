"""README's table of kernel files: what their own steps cost, from the kept runs of one CPU."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from model.vocabulary.scenario import RELEASE
from results.analysis.groups import analyse
from results.machines import MARGIN
from results.output.as_json import cell_document
from results.overview import cost_of, product
from results.reading.load import Run, load

REFERENCE: Final = Path(__file__).parent / "reference"
PATTERN: Final = "kernel-*.json.gz"
"""Kept runs of kernel files, one each."""
LABEL: Final = 22
COLUMN: Final = 26
"""Columns of a row's label and of a kernel: three of them fit 100."""
ROWS: Final[Mapping[str, tuple[str, bool]]] = {
    "  2015 test, put in": ("v1", False),
    "  memcg test, key on": ("memcg-off", True),
    "  page checks": ("check-pages-off", True),
    "  list check": ("no-list-check", True),
}
"""Label -> arm, and whether it leaves the step out."""


def runs(folder: Path = REFERENCE) -> list[Run]:
    """The kept runs, by the version of the kernel.

    Raises
    ------
    BadRunError
        When one is damaged.
    """
    return sorted((load(path) for path in folder.glob(PATTERN)), key=_version)


def _release(run: Run) -> str:
    return next(s.axes["kernel"] for s in run.scenarios if RELEASE.fullmatch(s.axes["kernel"]))


def _version(run: Run) -> tuple[int, ...]:
    return tuple(int(part) for part in _release(run).partition("+")[0].partition("-")[0].split("."))


def table(kept: Sequence[Run]) -> Iterator[str]:
    """Plain text of at most 100 columns; nothing where no run is kept."""
    if not kept:
        return
    cells = [{c["variant"]: c for c in _cells(run)} for run in kept]
    levels = [f"{next(iter(each.values()))['bare_ns']:.1f}" for each in cells]
    releases = [_release(run).partition("-cloud")[0].partition("+")[0] for run in kept]
    yield _line(f"Debian on {product(kept[0])}", map(": ".join, zip(releases, levels, strict=True)))
    for label, (variant, left_out) in ROWS.items():
        yield _line(label, [_text(each.get(variant), left_out=left_out) for each in cells])


def _cells(run: Run) -> Iterator[dict[str, Any]]:
    """Cells of its first scenario: __free_pages, warm, as booted."""
    yield from (cell_document(cell) for cell in analyse(run, MARGIN)[0].cells)


def _text(cell: Mapping[str, Any] | None, *, left_out: bool) -> str:
    if cell is None:
        return "not in this kernel"
    number, verdict = cost_of(cell, left_out=left_out)
    return f"{number} {verdict.partition(',')[0]}"


def _line(label: str, texts: Iterable[str]) -> str:
    return (f"{label:{LABEL}}" + "".join(f"{text:{COLUMN}}" for text in texts)).rstrip()
