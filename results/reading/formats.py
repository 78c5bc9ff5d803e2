"""The formats that freepath writes: a schema each in `schemas/`, prose in docs/format.md.

A document is checked here before any of its values is used; later code checks only what a schema cannot
express. jsonschema-rs takes 2 % of the time of `show`, and its patterns take linear time:
docs/format-outputs.md has the figures.
"""

import decimal  # noqa: F401 (jsonschema_rs imports it in the middle of its work, and panics on a signal there)
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from model.common.streams import printable
from model.vocabulary.scenario import AXES

SCHEMAS: Final = Path(__file__).parents[1] / "schemas"
MADE_BY: Final = {
    "run": "python -m benchmarks -o FILE",
    "census": "python -m benchmarks.census --json -o FILE",
    "show": "python -m results show --format json",
    "answer": "python -m results answer --format json",
    "claims": "python -m results claims --format json",
    "compare": "python -m results compare --format json",
    "history": "python -m results history --format json",
    "calibration": "python -m results calibration --format json",
    "machine": "python -m results publish FILE",
    "machines": "python -m results machines --format json",
    "list": "python -m benchmarks --list --json",
    "doctor": "python -m benchmarks --doctor --json",
}
"""Format -> the command that writes it."""
ARM: Final = ("variant", "gate", "memcg", "page_kind", "depth", "checks", "free")
"""Fields that identify an arm of a census, together with `ARM_LATER`."""
ARM_LATER: Final = ("kernel", "path", "config", "hvo", "block", "levels", "stock", "cgroup", "entry")
"""Fields added later; present where the value differs from that of older files."""
SHOWN: Final = 40
"""Most characters of an untrusted text in a message."""
PLACE: Final = 120
BASE: Final = "freepath:///"
"""Base URI by which schemas refer to one another."""


@cache
def schema(name: str) -> dict[str, Any]:
    """The schema of a format."""
    document: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    _fill_in_axes(document)
    return document


def _fill_in_axes(node: Any) -> None:
    """Add the axes where a schema has `x-axes`, so that an axis is declared in one place."""
    if not isinstance(node, dict):
        return
    for part in node.values():
        _fill_in_axes(part)
    if "x-axes" in node:
        node["required"] = [*node["required"], *AXES]
        node["properties"] = {axis: {"type": "string"} for axis in AXES} | node["properties"]


@cache
def validator(name: str) -> jsonschema_rs.Validator:
    """The compiled schema; its patterns are matched in linear time."""
    shared = jsonschema_rs.Registry([(f"{BASE}show.schema.json", schema("show"))])
    return jsonschema_rs.validator_for(
        schema(name),
        base_uri=f"{BASE}{name}.schema.json",
        registry=shared,
        pattern_options=jsonschema_rs.RegexOptions(),
        mask="it",
        offline=True,
    )


def format_of(document: Any) -> str | None:
    """Which format a document claims to have; None: none of freepath."""
    if not isinstance(document, dict):
        return None
    if "benchmarks" in document:
        return "run"
    named = document.get("schema")
    return next((name for name in MADE_BY if named == f"freepath.{name}/1"), None)


def fault(document: Any, name: str) -> str | None:
    """The first fault of a document in one short line; None for a valid one."""
    try:
        validator(name).validate(document)
    except jsonschema_rs.ValidationError as error:
        what = f"{place(error.instance_path)} {_said(error, document)}"
    except UnicodeEncodeError:
        what = "a text in it is not Unicode, but half of a surrogate pair"
    except ValueError:
        what = "it is nested too deeply"
    else:
        what = RULES[name](document) if name in RULES else ""
    return f"{what}; {MADE_BY[name]} makes such a file" if what else None


def _said(error: jsonschema_rs.ValidationError, document: Any) -> str:
    """`is 'x', expected a whole number`: the value found, and what the schema expects."""
    kind = error.kind.as_dict()
    if error.kind.name == "required":
        return f"lacks {kind['property']}"
    if error.kind.name in ("additionalProperties", "unevaluatedProperties"):
        return f"has an unknown {shown(kind['unexpected'][0])}"
    whole = str(error.absolute_keyword_location).removeprefix(BASE).partition(".")[0]
    expected = _at(schema(whole), error.schema_path[:-1]).get("description", error.message)
    return f"is {shown(_at(document, error.instance_path))}, expected {expected}"


def _at(document: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        document = document[step]
    return document


def shown(value: Any) -> str:
    """An untrusted value, short and on one line."""
    if isinstance(value, dict | list):
        return ("an object" if isinstance(value, dict) else "a list") + f" of {len(value)}"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return printable(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def place(path: Sequence[str | int]) -> str:
    """`benchmarks[0].metadata.builds`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step[:SHOWN]}" for step in path)
    text = "".join(steps).removeprefix(".") or "it"
    return printable(text if len(text) <= PLACE else f"...{text[-PLACE:]}")


def arm_named(arm: Mapping[str, Any]) -> str:
    """Name of an arm of a census, from its fields."""
    return "/".join([*(arm[name] for name in ARM), *(arm[name] for name in ARM_LATER if name in arm)])


def _arms_differ(document: Mapping[str, Any]) -> str:
    """A census has every arm once."""
    names = Counter(map(arm_named, document["arms"]))
    twice = next((name for name, count in names.items() if count > 1), None)
    return f"arm {twice} is there twice" if twice else ""


RULES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {"census": _arms_differ}
"""Format -> check of what its schema cannot express; an empty text when it passes."""
