"""`python -m results export FILE --format NAME`: a run in the format of another tool.

Values are ns per page; smaller is better. A tool that draws or lists values gets overheads over base. A tool
that divides or compares gets levels (ns per page of base and of every arm), since an overhead may be zero or
negative. docs/ci.md shows each tool.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from model.common.command import note
from model.common.errors import UsageError
from model.vocabulary.machine import identity, said_of
from model.vocabulary.margin import Margin
from results import claims
from results.analysis.conditions import apart
from results.analysis.groups import Cell, Group, analyse
from results.output.words import cell_text, number
from results.reading.dates import oldest_first, say_zoneless, utc_of
from results.reading.folder import runs_in, settings_of
from results.reading.load import BadRunError, Run, is_partial, load
from results.reading.machine import key_of, machine_of

UNIT: Final = "ns/page"
LNT_FORMAT: Final = "2"


def runs(path: str) -> list[Run]:
    """The run of a file, or all runs of a folder, oldest first.

    Raises
    ------
    BadRunError
        When there is none, or when there are several machines: none of these tools distinguishes machines.
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
    machines = {json.dumps([identity(machine_of(run)), settings_of(run)]) for run in found}
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
    """Cells with a finite overhead: a chart shows no other."""
    for group in analyse(run, margin):
        yield from ((group, cell) for cell in group.cells if math.isfinite(cell.overhead.ns))


def _name(cell: Cell) -> str:
    return f"{cell.scenario.name}: {cell.overhead.arm.name}{apart(cell.condition)}"


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
    """Apache Otava, test of type `csv`: a row per run, oldest first, a column for base and for each arm.

    Values are levels, since Otava divides a change by the level before it; a negative one would turn the
    sign. Rows are in the order of time, since Otava does not sort them. Only series that every run has are
    written, since one missing cell stops the analysis; the others are named on standard error.

    A column's name has letters, digits and underscores only, so that Otava's configuration can name it.

    Raises
    ------
    BadRunError
        When the runs have no series in common.
    """
    rows = sorted(((_time(run), run, _row(run, margin)) for run in found), key=lambda row: row[0])
    columns = dict.fromkeys(name for *_, row in rows for name in row)
    lacking = {name: [run.path for _, run, row in rows if name not in row] for name in columns}
    whole = [name for name, paths in lacking.items() if not paths]
    if not whole:
        raise BadRunError("the runs have no series in common: export those of one command at a time")
    for name, paths in lacking.items():
        if paths:
            others = f" and {len(paths) - 1} of the others" if len(paths) > 1 else ""
            note(f"left out {name}: it is not in {paths[0]}{others}")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["time", "commit", *whole])
    for time, run, row in rows:
        writer.writerow([time, _commit(run), *(row[name] for name in whole)])
    return stream.getvalue()


def _row(run: Run, margin: Margin) -> dict[str, float]:
    return {_column(f"{scenario}: {arm}"): level for scenario, arm, level in _levels(run, margin)}


def _column(name: str) -> str:
    return "".join(char if char.isalnum() else "_" for char in name).strip("_")


def _time(run: Run) -> str:
    """As Otava and LNT read a time: `2026-11-26 10:43:40 +0000`."""
    moment = utc_of(run)
    if moment is None:
        raise BadRunError(f"{run.path} does not say when it was measured")
    return f"{moment:%Y-%m-%d %H:%M:%S} +0000"


def lnt(found: Sequence[Run], margin: Margin) -> str:
    """LLVM's LNT, report format 2, test suite `nts`: ns per page of base and of every arm.

    LNT orders runs by the numbers in the revision, and those in a commit's hash are arbitrary. So the
    revision is the time of measuring in digits, `20261126104340`; the commit is a fact of the run.
    """
    run = _only(found, "lnt")
    say_zoneless(found)
    time = _time(run).removesuffix(" +0000").replace(" ", "T")
    order = {"llvm_project_revision": re.sub(r"\D", "", time), "commit": _commit(run)}
    tests = [
        {"name": f"freepath.{scenario}.{arm}", "execution_time": [level]}
        for scenario, arm, level in _levels(run, margin)
    ]
    document = {
        "format_version": LNT_FORMAT,
        "machine": {"name": key_of(machine_of(run)), **machine_of(run)},
        "run": {"start_time": time, "end_time": time, **order},
        "tests": tests,
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _levels(run: Run, margin: Margin) -> Iterator[tuple[str, str, float]]:
    """Scenario, arm and ns per page, `base` first; a value that is not finite is left out."""
    for group in analyse(run, margin):
        levels = {"base": group.base_ns}
        levels |= {c.overhead.arm.name: c.overhead.base_ns + c.overhead.ns for c in group.cells}
        for arm, level in levels.items():
            if math.isfinite(level):
                yield f"{group.scenario.name}{apart(group.condition)}", arm, round(level, 4)


def junit(found: Sequence[Run], margin: Margin) -> str:
    """JUnit's XML, as pytest writes it: a suite of claims, and one per scenario.

    An arm that costs and a claim that fails are failures; an undecided one is skipped.
    """
    run = _only(found, "junit")
    suites = ElementTree.Element("testsuites", name="freepath")
    judged = [(a.id, a.verdict, f"{a.claim}: {a.because}") for a in claims.answers(run, None, margin)]
    _suite(suites, "claims", judged, bad="fails")
    for group in analyse(run, margin):
        cells = [(c.overhead.arm.name, c.judgement.verdict, cell_text(c)) for c in group.cells]
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
"""Name that `--format` takes -> function that writes that format."""
