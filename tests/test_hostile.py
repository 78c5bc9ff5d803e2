"""Ten seconds of `python -m tests.hostile`, and that it would notice."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.common.errors import FreepathError
from results.output import as_json, as_markdown
from results.reading import formats, load, times
from tests.hostile import Sandbox, attempt, call_commands, hostile
from tests.spoiled import KINDS, Spoiled, original


@pytest.mark.soak
def test_a_short_run_finds_nothing() -> None:
    """The same inputs every time; some are read, some refused."""
    counts, defects = hostile(60, first_seed=11, every=1000)
    assert not defects, "\n".join(defects)
    assert counts["refused"] > 12 and counts["read"] > 12, counts


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """Its folder has two other runs for the history."""
    return Sandbox(tmp_path)


def without_schema(patch: pytest.MonkeyPatch, data: Any) -> None:
    """A stranger's value is acted upon."""
    patch.setattr(formats, "fault", lambda read, name: None)
    data["benchmarks"][1]["runs"][0]["metadata"]["layout_ns"] = 5


def without_times(patch: pytest.MonkeyPatch, data: Any) -> None:
    """Zero is a time."""
    patch.setattr(times, "LEAST_NS", -1.0)
    facts = data["benchmarks"][1]["runs"][0]["metadata"]
    facts["layout_ns"] = facts["layout_ns"].replace(facts["layout_ns"].split()[0], "0")


def without_escapes(patch: pytest.MonkeyPatch, data: Any) -> None:
    """Markdown as it comes."""
    patch.setattr(as_markdown, "escape", str)
    data["metadata"]["cpu_model_name"] = "<script>"


def without_printable(patch: pytest.MonkeyPatch, data: Any) -> None:
    """What a terminal obeys."""
    patch.setattr(load, "printable", str)
    data["metadata"]["hostname"] = "\x1b[2J"


def without_bounds(patch: pytest.MonkeyPatch, data: Any) -> None:
    """A document that its own schema refuses."""
    patch.setattr(as_json, "number", lambda value: "none" if value is None else value)


HOLES = (without_schema, without_times, without_escapes, without_printable, without_bounds)


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_would_be_found(
    hole: Callable[[pytest.MonkeyPatch, Any], None], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the counts would prove nothing: take a guard away, and one input is a defect."""
    data = json.loads(original("run"))
    hole(monkeypatch, data)
    made = Spoiled("run", (), json.dumps(data).encode())
    with warnings.catch_warnings(), pytest.raises(Exception) as raised:
        warnings.simplefilter("error")
        attempt(sandbox, made)
    assert not isinstance(raised.value, FreepathError)
    monkeypatch.undo()
    assert attempt(sandbox, made) in ("read", "set aside", "refused")


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_as_it_was(kind: str, sandbox: Sandbox) -> None:
    """What is spoiled is valid before."""
    assert attempt(sandbox, Spoiled(kind, (), original(kind).encode())) == "read"


def test_commands_as_a_user_calls_them(sandbox: Sandbox) -> None:
    """A run of which a process is set aside, and strange words in free text, through all seven."""
    data = json.loads(original("run"))
    data["benchmarks"][0]["runs"][0]["values"][0] = 0
    data["metadata"] |= {"cpu_model_name": "\x1b[31m<script>`|`", "hostname": "a\nb", "numba": "\u202e"}
    assert attempt(sandbox, Spoiled("run", (), json.dumps(data).encode())) == "set aside"
    call_commands(sandbox)


def test_what_is_touched_elsewhere_is_noticed(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By a write beside the output folder, or anywhere else."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for path in (sandbox.folder / "beside", elsewhere / "file"):
        with pytest.raises(Exception, match="touched"), sandbox.watched():
            path.write_text("x")
    with pytest.raises(Exception, match="touched"), sandbox.watched():
        (elsewhere / "folder").mkdir()
    with sandbox.watched():
        (sandbox.out / "file").write_text("x")
