"""Tables of kernel files: what their own steps cost, from the kept runs, a table for each CPU.

README has three kernels on the CPU that was measured last, docs/findings-kernels.md every arm on every CPU,
with a second seed beside it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from model.vocabulary.formats import INSTRUMENT
from model.vocabulary.scenario import RELEASE
from results.analysis.groups import Analysis
from results.analysis.machines import MARK
from results.analysis.seeds import agreed, settled, verdicts_of
from results.kept.analysed import analysed
from results.output.as_json import cell_document
from results.pages.overview import AT_MARGIN, TURNED, cost_of
from results.reading.cpus import processor_line
from results.reading.dates import date_of
from results.reading.folder import REFERENCE
from results.reading.machine import product

PATTERN: Final = "kernel-*-seed1.json.gz"
"""Kept runs of kernel files, one each; the second seed of a run ends in `-seed2.json.gz`."""
SECOND: Final = "kernel-*-seed2.json.gz"
README: Final = ("6.1.", "6.12.", "7.1.")
"""Series that README has room for."""
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


def runs(folder: Path = REFERENCE, pattern: str = PATTERN) -> list[Analysis]:
    """The kept runs, by the version of the kernel.

    Parameters
    ----------
    folder, pattern
        Where they are.

    Raises
    ------
    BadRunError
        When one is damaged.
    """
    return sorted((analysed(path) for path in folder.glob(pattern)), key=_version)


def _release(each: Analysis) -> str:
    return next(s.axes["kernel"] for s in each.run.scenarios if RELEASE.fullmatch(s.axes["kernel"]))


def _version(each: Analysis) -> tuple[int, ...]:
    return tuple(int(part) for part in _release(each).partition("+")[0].partition("-")[0].split("."))


def by_cpu(every: Iterable[Analysis]) -> dict[str, list[Analysis]]:
    """Processor -> its runs; the one that was measured last comes first."""
    found: dict[str, list[Analysis]] = {}
    for each in every:
        found.setdefault(processor_line(each.run.facts), []).append(each)
    return dict(
        sorted(found.items(), key=lambda item: max(date_of(each.run) for each in item[1]), reverse=True)
    )


def table(kept_runs: Sequence[Analysis], second: Sequence[Analysis] = ()) -> Iterator[str]:
    """README's: plain text of at most 100 columns; nothing where no run is kept.

    Parameters
    ----------
    second
        The same with another seed: a verdict on which the two do not agree is undecided.
    """
    chosen = (_of_readme(each) for each in by_cpu(kept_runs).values())
    kept = max(chosen, key=len, default=[])  # the first of the longest: that was measured last
    if not kept:
        return
    others = [verdicts_of(again.groups) if (again := _again(each, second)) else {} for each in kept]
    cells = [
        {c["variant"]: settled(c, other) for c in _cells(each)}
        for each, other in zip(kept, others, strict=True)
    ]
    levels = [f"{next(iter(each.values()))['bare_ns']:.1f}" for each in cells]
    releases = [_release(each).partition("-cloud")[0].partition("+")[0] for each in kept]
    older = MARK * any(each.run.facts.get("instrument") != INSTRUMENT for each in kept)
    yield _line(
        f"Debian on {product(kept[0].run)}{older}", map(": ".join, zip(releases, levels, strict=True))
    )
    for label, (variant, left_out) in ROWS.items():
        yield _line(label, [_text(each.get(variant), left_out=left_out) for each in cells])


def _of_readme(of_cpu: Sequence[Analysis]) -> list[Analysis]:
    """The newest kernel of each series for which README has room."""
    found = [[each for each in of_cpu if _release(each).startswith(series)] for series in README]
    return [runs_of_series[-1] for runs_of_series in found if runs_of_series]


def _again(run: Analysis, second: Sequence[Analysis]) -> Analysis | None:
    """The second seed of a run."""
    cpu, release = processor_line(run.run.facts), _release(run)
    same = (each for each in second if (processor_line(each.run.facts), _release(each)) == (cpu, release))
    return next(same, None)


def markdown(kept: Sequence[Analysis], second: Sequence[Analysis]) -> Iterator[str]:
    """Every arm of every kernel, its difference to the path as booted, and that of the second seed below.

    A table for each CPU, with the line that says when and from which commit it was measured.
    """
    seconds = by_cpu(second)
    for number, (cpu, runs_there) in enumerate(by_cpu(kept).items()):
        if number:
            yield ""
        every = [each.run for each in (*runs_there, *seconds.get(cpu, []))]
        dates = " and ".join(sorted({date_of(run)[:10] for run in every}))
        commits = " and ".join(sorted({str(run.facts["commit"]) for run in every}))
        processes = max(len(scenario.processes) for run in every for scenario in run.scenarios)
        older = "; an older instrument" * any(run.facts.get("instrument") != INSTRUMENT for run in every)
        yield from wrap(f"{cpu}; {dates}; commit {commits}; {processes} processes a run{older}.", 100)
        yield ""
        yield from _of_one_cpu(runs_there, seconds.get(cpu, []))


def _of_one_cpu(kept: Sequence[Analysis], second: Sequence[Analysis]) -> Iterator[str]:
    first = [{c["variant"]: c for c in _cells(each)} for each in kept]
    again = {_release(each): {c["variant"]: c for c in _cells(each)} for each in second}
    names = [_release(each) for each in kept]
    yield f"| ns per freed page | {' | '.join(name.partition('-amd64')[0] for name in names)} |"
    yield f"|---|{'---:|' * len(kept)}"
    levels = (_both(each, again.get(name, {})) for each, name in zip(first, names, strict=True))
    yield f"| base | {' | '.join(levels)} |"
    for variant in dict.fromkeys(variant for each in first for variant in each):
        row = (_arm(each, again.get(name, {}), variant) for each, name in zip(first, names, strict=True))
        yield f"| `{variant}` | {' | '.join(row)} |"


def _both(cells: Mapping[str, Any], again: Mapping[str, Any]) -> str:
    """The level in both seeds."""
    return ", ".join(f"{next(iter(each.values()))['bare_ns']:.1f}" for each in (cells, again) if each)


def _arm(cells: Mapping[str, Any], again: Mapping[str, Any], variant: str) -> str:
    """The figures of both seeds and the verdict of both."""
    found = [each[variant] for each in (cells, again) if variant in each]
    texts = [cost_of(cell, left_out=False) for cell in found]
    words = {verdict.partition(",")[0] for _, verdict in texts}
    verdict = agreed(cell["verdict"] for cell in found) if found else ""
    shown = AT_MARGIN if AT_MARGIN in words and verdict in TURNED else verdict
    return "<br>".join([*(number for number, _ in texts), shown]) if found else ""


def _cells(each: Analysis) -> Iterator[dict[str, Any]]:
    """Cells of its first scenario: __free_pages, warm, as booted."""
    yield from (cell_document(cell) for cell in each.groups[0].cells)


def _text(cell: Mapping[str, Any] | None, *, left_out: bool) -> str:
    if cell is None:
        return "not in this kernel"
    number, verdict = cost_of(cell, left_out=left_out)
    low, high = cell["ci95_ns"] or (0.0, 0.0)
    return f"{number.partition(' ')[0]} ±{(high - low) / 2:.2f} {verdict.partition(',')[0]}"


def _line(label: str, texts: Iterable[str]) -> str:
    return (f"{label:{LABEL}}" + "".join(f"{text:{COLUMN}}" for text in texts)).rstrip()
