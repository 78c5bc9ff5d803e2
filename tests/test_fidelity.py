"""The model beside kernel files: a free in order, its steps, and the tables of docs/fidelity-files.md."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks.census.counting import traced
from benchmarks.census.document import as_json, census, census_cases
from benchmarks.census.in_order import in_order
from benchmarks.emulator import Access, Trace
from model.common.errors import UsageError
from model.kernels.store import Store
from model.kernels.v6_18.scenarios import USUAL
from model.vocabulary.scenario import Arm
from plots import fidelity as figure
from results.analysis import fidelity
from results.analysis.fidelity import STEPS, columns_of, steps_of
from results.pages.documents import ROOT
from results.reading import formats
from results.reading.load import read_json
from tests.command import refused, run

COUNTED = "kernel=v6.18,memcg=on-active,checks=on,page_kind=plain,depth=pcp,hvo=off,block=page,list-check"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Of the model, as it is compared with kernel files."""
    return census(census_cases(COUNTED), ordered=True)


def of_kernel(document: dict[str, Any], kernel: str) -> dict[str, Any]:
    """The same counts under another kernel's name."""
    return document | {"arms": [arm | {"kernel": kernel} for arm in document["arms"]]}


def test_rows_add_up_to_the_census(document: dict[str, Any]) -> None:
    """Every instruction and every access but the stack's, each once; the reader takes such a file."""
    assert formats.fault(json.loads(as_json(document)), "census") is None
    for arm in document["arms"]:
        rows = arm["in_order"]
        assert sum(row["instructions"] for row in rows) == arm["instructions"]
        for op in ("load", "store"):
            wanted = Counter[tuple[str, str]]()
            for access in arm["accesses"]:
                if access["op"] == op and access["object"] != "stack":
                    wanted[access["object"], access["field"]] += access["count"]
            found = Counter((r["object"], r["field"]) for r in rows if r["op"] in (op, "update"))
            assert found == wanted


def test_what_is_not_asked_for_is_not_there() -> None:
    """The reference census stays as it is."""
    assert all("in_order" not in arm for arm in census(census_cases(COUNTED))["arms"])


def test_calls_and_nops_are_told_apart() -> None:
    """By the instructions of the trace itself."""
    _, (trace,) = traced(USUAL, Arm("list-check", "jump-label"), Store())
    rows = in_order(trace)
    names = Counter(trace.decoded[at].mnemonic for at in trace.path)
    assert sum(row["idle"] for row in rows) == names["nop"] + names["endbr64"] > 0
    stack = {at for at, access in trace.sequence if access.object == "stack"}
    least = sum(at in stack for at in trace.path)
    assert least <= sum(row["frame"] for row in rows) <= least + names["sub"] + names["add"] + names["call"]


def test_an_update_is_one_row_and_the_jump_behind_is_its_own() -> None:
    """A locked decrement with its jump: what the step ends with."""
    _, (trace,) = traced(USUAL, Arm("base", "jump-label"), Store())
    row, following = next(
        (row, after) for row, after in pairwise(in_order(trace)) if row["field"] == "_refcount"
    )
    assert (row["op"], following["field"]) == ("update", "vmemmap_base")
    at = next(at for at, access in trace.sequence if access.field == "_refcount")
    assert trace.decoded[trace.path[trace.path.index(at) + 1]].mnemonic in ("je", "jne")


def test_a_loop_that_accesses_at_one_address_keeps_its_order() -> None:
    """Two loads by one instruction, run twice, are two rows."""
    _, (trace,) = traced(USUAL, Arm("base", "jump-label"), Store())
    at = next(at for at, access in trace.sequence if access.field == "flags")
    load = Access("load", "page", "flags", 0, 8)
    twice = Trace(path=[at, at], sequence=[(at, load), (at, load)], decoded={at: trace.decoded[at]})
    assert [row["op"] for row in in_order(twice)] == ["load", "load", "return"]


def test_steps_have_every_row_and_the_accesses_of_their_name(document: dict[str, Any]) -> None:
    """Nothing is lost, and each step has what it is called by."""
    arm = next(arm for arm in document["arms"] if arm["variant"] == "list-check")
    steps = steps_of(arm["in_order"])
    assert sum(step.instructions for step in steps.values()) == arm["instructions"]
    assert steps["drop the last reference"].stores == {"page._refcount": 1}
    assert steps["prepare: head, tests, checks, wipe"].stores == {"page.flags": 1}
    assert steps["push, with the list check"].loads == {"neighbour.lru.prev": 1, "pcp.lists.next": 1}
    assert steps["unlock, return"].stores == {"pcp.lock": 1, "cpu.preempt_count": 2}


@pytest.mark.parametrize(
    ("alike", "name"),
    [
        (("page", "flags.f"), "page.flags"),
        (("page", "_refcount.counter"), "page._refcount"),
        (("page", "compound_info"), "page.compound_head"),
        (("neighbour", "lru_prev"), "neighbour.lru.prev"),
        (("pcp", "lock.rlock.raw_lock.val.counter"), "pcp.lock"),
        (("percpu", "pcpu_hot+8"), "cpu.preempt_count"),
        (("cpu", "node_data[0]"), "global.node_data"),
        (("mem_section", ""), "mem_section.usage"),
        (("section_roots", ""), "section root"),
        (("zone", "flags"), "zone.flags"),
    ],
)
def test_one_thing_has_one_name(alike: tuple[str, str], name: str) -> None:
    """As the model and kernel files call it."""
    assert fidelity.field_of({"object": alike[0], "field": alike[1]}) == name


def test_the_command_compares_files(tmp_path: Path, document: dict[str, Any]) -> None:
    """Two censuses: tables, and one census that the figure takes; a file without order is refused."""
    for name in ("6.12.1", "7.1.2"):
        (tmp_path / f"{name}.json").write_text(as_json(of_kernel(document, name)))
    files = [str(tmp_path / "6.12.1.json"), str(tmp_path / "7.1.2.json")]
    done = run("results.fidelity", *files, "-o", str(tmp_path / "both.json"))
    assert done.returncode == 0 and "| 6.12.1 | 7.1.2 |" in done.stdout, done
    assert "| list check | +36, +9, +7, +7 | +36, +9, +7, +7 |" in done.stdout
    both = read_json(tmp_path / "both.json")
    assert formats.fault(both, "census") is None and len(columns_of(both)) == 2
    assert figure.draw(both) is not None and figure.draw(document) is None
    kept = (tmp_path / "both.json").read_bytes()
    refused(run("results.fidelity", *files, "-o", str(tmp_path / "both.json")), "exists")
    assert (tmp_path / "both.json").read_bytes() == kept
    plain = {**document, "arms": [{k: v for k, v in a.items() if k != "in_order"} for a in document["arms"]]}
    (tmp_path / "plain.json").write_text(as_json(plain))
    refused(run("results.fidelity", str(tmp_path / "plain.json")), "--in-order --json -o FILE")
    other = of_kernel(document, "7.1.3") | {"cpu": "znver4"}
    (tmp_path / "other.json").write_text(as_json(other))
    refused(run("results.fidelity", files[0], str(tmp_path / "other.json"), "-o", "-"), "the same --cpu")


def test_a_free_that_ends_early_cannot_be_compared(document: dict[str, Any]) -> None:
    """One that went straight to the buddy, say: the step that has no end is named."""
    rows = document["arms"][0]["in_order"]
    early = [row for row in rows if row["object"] != "pcp"]
    with pytest.raises(UsageError, match="do not end the step 'this CPU's lists, trylock'"):
        steps_of(early)


def test_the_kept_files_are_what_the_page_says() -> None:
    """The models' parts of the kept census are what this checkout counts."""
    kept = read_json(fidelity.KEPT_CENSUS)
    assert {column.kernel.partition("+")[0] for column in columns_of(kept)} == {
        "v6.18",
        "v7.1",
        "6.1.0-57",
        "6.12.117",
        "7.1.13",
    }
    for version in ("v6.18", "v7.1"):
        chosen = f"{COUNTED},config=distribution,entry=__free_pages".replace("v6.18", version).replace(
            ",hvo=off", ""
        )
        now = {arm["variant"]: arm for arm in census(census_cases(chosen), ordered=True)["arms"]}
        model = [arm for arm in kept["arms"] if (arm["kernel"], arm["checks"]) == (version, "on")]
        found = [arm for arm in model if arm["variant"] in now]
        assert found and all(arm == now[arm["variant"]] for arm in found)
    page = (ROOT / "docs/fidelity-files.md").read_text()
    assert all(name.partition(":")[0] in page for name, _ in STEPS)
