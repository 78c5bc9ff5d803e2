"""Every format that is written has a schema, the schema says something, and what is read is held to it."""

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from model.vocabulary.margin import Margin
from model.vocabulary.scenario import AXES
from results.analysis import compare, history, machines
from results.analysis.groups import analysis_of
from results.claims import judging
from results.kept import publishing
from results.output import as_answer, as_calibration, as_changes, as_claims, as_history, as_json, as_machines
from results.reading import formats
from results.reading.load import load
from tests import runfile
from tests.command import ROOT, refused, run
from tests.runfile import analysed

PERCENT = Margin(1.0, percent=True)
REFERENCE = ROOT / "results" / "reference" / "census-x86-64-v3.json"
OPTIONAL = {"run.metadata", "run.benchmarks[].metadata", "run.benchmarks[].runs[].metadata", "run.version"}
OPTIONAL |= {"run.benchmarks[].runs[].values", "show.run", "answer.run", "history.series[].machine"}
OPTIONAL |= {"machine.machine", "machine.instrument", "machine.figures.run", "machines.machines[].machine"}
OPTIONAL |= {f"census.arms[].{name}" for name in formats.ARM_LATER}
LATER = ("cells[].condition", "cells[].alone", "cells[].shared", "scenarios[].condition")
OPTIONAL |= {f"{where}.{name}" for where in ("show", "answer", "machine.figures") for name in LATER}
OPTIONAL |= {f"machines.machines[].{name}" for name in LATER}
"""What may be left out, or holds facts by name that may be."""


def census() -> Any:
    """The kept reference."""
    return json.loads(REFERENCE.read_text())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A document of every format, by the code that writes it."""
    folder = tmp_path_factory.mktemp("written")
    file = runfile.write(folder / "run.json", runfile.headline())
    measured = load(file)
    calibrated = load(runfile.write(folder / "calibration.json", runfile.calibration()))
    machine = load(runfile.write(folder / "published.json", runfile.of_machine(runfile.headline())))
    place = publishing.publish(machine, folder / "machines")
    spoiled = census()
    spoiled["arms"][7]["instructions"] += 1
    del spoiled["arms"][3]
    changes = [
        *compare.compare_runs(*analysed(measured, measured), PERCENT, across=False),
        *compare.compare_census(census(), spoiled),
    ]
    return {
        "run": json.loads(file.read_text()),
        "census": census(),
        "show": as_json.document(analysis_of(measured, PERCENT)),
        "claims": json.loads(
            as_claims.as_json(judged := judging.answers(analysis_of(measured, PERCENT), None))
        ),
        "answer": as_answer.document(analysis_of(measured, PERCENT), judged),
        "compare": json.loads(as_changes.as_json(changes)),
        "history": json.loads(as_history.as_json(history.history(folder))),
        "calibration": as_calibration.document(calibrated, None),
        "machine": json.loads((place / machines.ENTRY).read_text()),
        "machines": json.loads(as_machines.as_json(machines.entries(folder / "machines"), [SCENARIO])),
        "list": json.loads(run("benchmarks", "--list", "--json").stdout),
        "doctor": json.loads(run("benchmarks", "--doctor", "--json").stdout),
    }


SCENARIO = "on-idle/plain/warm/sequential/pcp"
PLAN = "plan"
"""Of FILE.partial: only the code that wrote it reads it again."""


def test_every_format_has_a_schema() -> None:
    """One each, in one place, of a draft that is published; no source names another format."""
    said = set(re.findall(r'"freepath\.(\w+)/1"', (ROOT / "model/vocabulary/formats.py").read_text()))
    assert said - {PLAN} <= formats.MADE_BY.keys() and len(said) > 6
    names = {path.name.removesuffix(".schema.json") for path in formats.SCHEMAS.iterdir()}
    assert names == set(formats.MADE_BY)
    for name in names:
        assert formats.schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert jsonschema_rs.meta.is_valid(formats.schema(name))
        assert {"title", "description"} <= formats.schema(name).keys()


@pytest.mark.parametrize("name", formats.MADE_BY)
def test_what_is_written_is_as_its_schema_says(name: str, written: dict[str, Any]) -> None:
    """The very documents that users get."""
    assert formats.fault(written[name], name) is None


def walked(value: Any, path: str, steps: tuple[Any, ...] = ()) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    """Every kind of place in a document, the first of it: name, way and value."""
    yield path, steps, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from walked(item, f"{path}.{name}", (*steps, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from walked(item, f"{path}[]", (*steps, number))


NONSENSE: tuple[Any, ...] = ({"nonsense": {}}, [[]])


def parent_of(document: Any, steps: tuple[Any, ...]) -> Any:
    """What holds the place at the end of a way."""
    for step in steps[:-1]:
        document = document[step]
    return document


@pytest.mark.parametrize("name", formats.MADE_BY)
def test_every_place_is_looked_at(name: str, written: dict[str, Any]) -> None:
    """Else a schema would prove nothing: nonsense in any place is told, and what is left out."""
    document = copy.deepcopy(written[name])
    places = {path: steps for path, steps, _ in reversed(list(walked(document, name))) if steps}
    for path, steps in places.items():
        parent, last = parent_of(document, steps), steps[-1]
        kept = parent[last]
        told = []
        for nonsense in NONSENSE:
            parent[last] = nonsense
            told.append(formats.fault(document, name))
        assert any(told), path
        parent[last] = kept
        facts = any(path.startswith(f"{named}.") for named in OPTIONAL)
        if isinstance(parent, dict) and path not in OPTIONAL and not facts:
            items = list(parent.items())
            del parent[last]
            assert last in str(formats.fault(document, name)), path
            parent.clear()
            parent.update(items)


@cache
def described() -> str:
    """docs/format.md and docs/format-outputs.md."""
    return "".join((ROOT / "docs" / name).read_text() for name in ("format.md", "format-outputs.md"))


@pytest.mark.parametrize("name", formats.MADE_BY)
def test_the_page_names_every_field(name: str) -> None:
    """In a section of its own; a field that comes later must be explained too."""
    section = described().partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert formats.MADE_BY[name] in section
    for field in set(fields(formats.schema(name))) - AXES.keys():
        assert f"`{field}`" in section, field


def fields(node: Any) -> Iterator[str]:
    """Names of all properties in a schema."""
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for part in node.values():
            yield from fields(part)


NAMES = ("variant", "gate", "memcg", "page_kind", "depth", "checks")
ESC = "\x1b]0;gone\x07"
WRONG = [
    *((f"arms.0.{name}", value) for name in NAMES for value in (ESC, "<script>", "`|`", ["v1"], None)),
    ("cpu", "x86\x1b[2J"),
    ("numba", {"a": 1}),
    ("arms", {"v1": 1}),
    ("arms.0", "v1"),
    ("arms.0.free", "never"),
    ("arms.0.instructions", "many"),
    ("arms.0.loads", True),
    ("arms.0.stores", None),
    ("arms.0.lines", -1),
    ("arms.0.lines", 10**400),
    ("arms.0.code_bytes", [1]),
    ("arms.0.accesses", 3),
    ("arms.0.accesses.0", None),
    ("arms.0.accesses.0.op", "steal"),
    ("arms.0.accesses.0.object", ESC),
    ("arms.0.accesses.0.field", "a|b"),
    ("arms.0.accesses.0.offset", 1.5),
    ("arms.0.accesses.0.size", 10**400),
    ("arms.0.accesses.0.count", "1"),
    ("arms.0.over_base", []),
    ("arms.0.over_base.instructions", "x"),
    ("arms.0.over_base.accesses.0", {"op": "load"}),
    ("arms.1", "twice"),
]


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_a_wrong_census_is_one_line(path: str, value: Any, tmp_path: Path) -> None:
    """Every kind of wrong field: the file, the place, what is there, what should be; nothing raw."""
    document = census()
    document["arms"] = [arm for arm in document["arms"] if arm["over_base"]["accesses"]][:2]
    steps = tuple(int(step) if step.isdecimal() else step for step in path.split("."))
    parent_of(document, steps)[steps[-1]] = document["arms"][0] if value == "twice" else value
    file = runfile.write(tmp_path / "census.json", document)
    from results.reading.load import BadRunError, read_json

    with pytest.raises(BadRunError) as refusal:
        read_json(file)
    text = str(refusal.value)
    assert str(file) in text and text.isprintable() and len(text) < len(str(file)) + 400
    where = path.replace(".0", "[0]").replace(".1", "[1]")
    assert value == "twice" or f"{where} " in text or f"{where} lacks" in text
    assert "python -m benchmarks.census --json" in text


def test_a_message_is_short_and_obeys_nobody(tmp_path: Path) -> None:
    """As a command prints it."""
    data = runfile.document()
    facts = data["benchmarks"][2]["runs"][1]["metadata"]
    for name, value, said in (
        ("builds", "\x1b[31m\nred" * 90, "is '\\x1b[31m\\nred"),
        ("x" * 500 + "\x07", None, "is null, expected a text or a number"),
        ("seed", 10**400, "is 1000000"),
        ("cycle_ns", float("inf"), "is no number"),
        ("memcg", "\ud800", "not Unicode"),
    ):
        facts[name] = value
        done = run("results", "show", str(runfile.write(tmp_path / "run.json", data)))
        del facts[name]
        refused(done, "run.json", said if name != "cycle_ns" else "Infinity")
        assert "\x1b" not in done.stderr and "\x07" not in done.stderr and len(done.stderr) < 700
    facts["builds"] = "x"
    refused(
        run("results", "show", str(runfile.write(tmp_path / "run.json", data))),
        "benchmarks[2].runs[1].metadata.builds is 'x', expected a whole number from 1 to 4096",
    )
