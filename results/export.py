"""`python -m results export FILE --format NAME`: what was measured, for the tools that people have.

Of each cell the overhead over base, in ns per page; smaller is better everywhere. docs/ci.md shows each tool.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from model.common.errors import UsageError
from model.vocabulary.machine import identity, said_of
from model.vocabulary.margin import Margin
from results import claims
from results.analysis.groups import Cell, Group, analyse
from results.output.words import number, text_of
from results.reading.dates import oldest_first, say_zoneless, utc_of
from results.reading.folder import SETTINGS, runs_in
from results.reading.load import BadRunError, Run, is_partial, load
from results.reading.machine import key_of, machine_of

UNIT: Final = "ns/page"
LNT_FORMAT: Final = "2"


def runs(path: str) -> list[Run]:
    """The run of a file, or all runs of a folder, oldest first.

    Raises
    ------
    BadRunError
        When there is none, or there are several machines: no tool here tells machines apart.
    """
    folder = Path(path)
    if not folder.is_dir() or is_partial(path):
        run = load(path)
        if run.mixed:
            raise BadRunError(f"{path} mixes machines ({said_of(run.mixed)}): export a run of one machine")
        return [run]
    found = oldest_first(runs_in(folder))
    if not found:
        raise BadRunError(f"{path} holds no run")
    machines = {
        json.dumps([identity(machine_of(run)), *(run.facts.get(name) for name in SETTINGS)]) for run in found
    }
    if len(machines) > 1:
        raise BadRunError(
            f"{path} holds runs of {len(machines)} machines: export one machine's runs at a time"
        )
    return found


def _only(found: Sequence[Run], kind: str) -> Run:
    if len(found) > 1:
        raise UsageError(f"--format {kind} is of one run: name a file; otava takes a folder")
    return found[0]


def _cells(run: Run, margin: Margin) -> Iterator[tuple[Group, Cell]]:
    for group in analyse(run, margin):
        yield from ((group, cell) for cell in group.cells)


def _name(cell: Cell) -> str:
    return f"{cell.scenario.name}: {cell.overhead.arm.name}"


def _commit(run: Run) -> str:
    commit = run.facts.get("commit", "unknown")
    return str(commit[0] if isinstance(commit, tuple) else commit)


def github_action_benchmark(found: Sequence[Run], margin: Margin) -> str:
    """benchmark-action/github-action-benchmark, tool `customSmallerIsBetter`."""
    rows = []
    for group, cell in _cells(_only(found, "github-action-benchmark"), margin):
        interval = cell.judgement.ci95
        half = (interval[1] - interval[0]) / 2 if interval else None
        rows.append(
            {
                "name": _name(cell),
                "unit": UNIT,
                "value": number(cell.overhead.ns),
                **({"range": f"± {half:.3f}"} if half is not None else {}),
                "extra": f"{cell.judgement.verdict}; base {group.base_ns:.2f} ns",
            }
        )
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def otava(found: Sequence[Run], margin: Margin) -> str:
    """Apache Otava, test of type `csv`: a row per run, oldest first, a column per cell.

    A column's name has letters, digits and underscores only, for Otava's configuration names them.
    """
    columns: dict[str, None] = {}
    lines = []
    for run in found:
        values = {_column(cell): number(cell.overhead.ns) for _, cell in _cells(run, margin)}
        columns |= dict.fromkeys(values)
        lines.append({"time": _time(run), "commit": _commit(run), **values})
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["time", "commit", *columns], lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def _column(cell: Cell) -> str:
    return "".join(char if char.isalnum() else "_" for char in _name(cell)).strip("_")


def _time(run: Run) -> str:
    """As Otava and LNT read a time: `2026-11-26 10:43:40 +0000`."""
    moment = utc_of(run)
    if moment is None:
        raise BadRunError(f"{run.path} does not say when it was measured")
    return f"{moment:%Y-%m-%d %H:%M:%S} +0000"


def lnt(found: Sequence[Run], margin: Margin) -> str:
    """LLVM's LNT, report format 2, test suite `nts`: ns per page of base and of every arm."""
    run = _only(found, "lnt")
    say_zoneless(found)
    time = _time(run).removesuffix(" +0000").replace(" ", "T")
    tests = [{"name": name, "execution_time": values} for name, values in _absolute(run, margin)]
    document = {
        "format_version": LNT_FORMAT,
        "machine": {"name": key_of(machine_of(run)), **machine_of(run)},
        "run": {"start_time": time, "end_time": time, "llvm_project_revision": _commit(run)},
        "tests": tests,
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _absolute(run: Run, margin: Margin) -> Iterator[tuple[str, list[float]]]:
    """Name and levels of each arm: LNT compares times, and a time is not negative."""
    for group in analyse(run, margin):
        yield f"freepath.{group.scenario.name}.base", [round(group.base_ns, 4)]
        for cell in group.cells:
            level = round(cell.overhead.base_ns + cell.overhead.ns, 4)
            yield f"freepath.{group.scenario.name}.{cell.overhead.arm.name}", [level]


def junit(found: Sequence[Run], margin: Margin) -> str:
    """JUnit's XML, as pytest writes it: a suite of claims, and one per scenario.

    An arm that costs, and a claim that fails, is a failure; what could not be told is skipped.
    """
    run = _only(found, "junit")
    suites = ElementTree.Element("testsuites", name="freepath")
    judged = [(a.id, a.verdict, f"{a.claim}: {a.because}") for a in claims.answers(run, None, margin)]
    _suite(suites, "claims", judged, bad="fails")
    for group in analyse(run, margin):
        cells = [
            (c.overhead.arm.name, c.judgement.verdict, text_of(c.overhead, c.judgement)) for c in group.cells
        ]
        _suite(suites, group.scenario.name, cells, bad="costs")
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _suite(
    suites: ElementTree.Element, name: str, judged: Sequence[tuple[str, str, str]], *, bad: str
) -> None:
    verdicts = [verdict for _, verdict, _ in judged]
    counts: dict[str, Any] = {
        "tests": len(judged),
        "failures": verdicts.count(bad),
        "skipped": verdicts.count("undecided"),
        "errors": 0,
    }
    attributes = {"name": name, **{count: str(number) for count, number in counts.items()}}
    suite = ElementTree.SubElement(suites, "testsuite", attributes)
    for case, verdict, said in judged:
        test = ElementTree.SubElement(suite, "testcase", classname=f"freepath.{name}", name=case)
        if verdict == bad:
            ElementTree.SubElement(test, "failure", message=said, type=verdict).text = said
        elif verdict == "undecided":
            ElementTree.SubElement(test, "skipped", message=said)
        else:
            ElementTree.SubElement(test, "system-out").text = said


FORMATS: Final[dict[str, Callable[[Sequence[Run], Margin], str]]] = {
    "github-action-benchmark": github_action_benchmark,
    "otava": otava,
    "lnt": lnt,
    "junit": junit,
}
"""By the name that `--format` takes."""
