"""Documents spoiled at places that their schemas know: by a stranger, a broken disk or a bad joke.

Most are spoiled in one to three places only, and many so that their form stays right, because what is refused
at once says nothing about the code behind.
"""

import copy
import gzip
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

from results.reading import formats
from tests import runfile
from tests.command import ROOT

Draw = Callable[[st.SearchStrategy[Any]], Any]
Steps = tuple[str | int, ...]

TEXTS = (
    "", "\x1b[2J\x1b]0;x\x07", "<script>alert(1)</script>", "`|`*_#[x](y)", "../../x", "/etc/passwd",
    "\ud800", "a\nb", "\u202egnp", "nan", "1e999", "-1", "=1+1", "x" * 5000, "{{ 7*7 }}", ":warning:", "\x00",
    "[bold]",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 0.5, -0.0, 1e-320, 5e-324, 1e-9, 1e300, -1e300, float("inf"), float("-inf"), float("nan"),
    10**18, 10**400, -(10**400), 2**63, 2**64, True, False,
)  # fmt: skip
ODD = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.none(),
    st.builds(list),
    st.builds(dict),
    st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=4),
)
VARIANTS = ("base", "base-twin", "v1", "v1-ifdef", "nop", "nop-bytes-3", "chain-1", "chain-99", "chain-", "x")
AXES = {
    "variant": VARIANTS,
    "gate": ("none", "jump-label", "memory-flag", "other"),
    "memcg": ("off", "disabled", "on-idle", "on-active", "on-charged", "other"),
    "page_kind": ("plain", "flagged", "50%-flagged-random", "charged"),
    "scenario": ("on-idle/plain/warm/sequential/pcp", "off/plain/warm/sequential/pcp", "x"),
    "memory": ("warm", "l2", "dram"),
    "checks": ("on", "deferred"),
}
TIMES = ("build_ns", "bare_ns", "layout_ns", "stack_ns", "slot_ns")


@dataclass(frozen=True)
class Spoiled:
    """A file's content: what it was made from, and how it was spoiled."""

    kind: str
    ways: tuple[str, ...]
    content: bytes


def claimed() -> dict[str, Any]:
    """Small, with what most claims read."""
    arms: runfile.Arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0, ("v1", "none"): 0.3}
    label = arms | {("base", "jump-label"): 0.0, ("v1", "jump-label"): 0.2, ("v1", "memory-flag"): 0.3}
    states = [("off", "plain"), ("disabled", "plain"), ("on-idle", "plain"), ("on-idle", "flagged")]
    return runfile.document(
        *(
            runfile.FakeRun(
                arms=(arms | {("v1-ifdef", "none"): 0.0}) if memcg == "off" else label,
                processes=3,
                blocks=2,
                seed=seed,
                axes={"memcg": memcg, "page_kind": kind},
            )
            for seed, (memcg, kind) in enumerate(states)
        )
    )


def calibrated() -> dict[str, Any]:
    """A calibration of few processes: one A/A session, v1, chains."""
    document = runfile.calibration(sessions=1, blocks=2, builds=1)
    for bench in document["benchmarks"]:
        del bench["runs"][6:]
    return document


def few_arms() -> dict[str, Any]:
    """A census with an arm of every kind that a claim reads."""
    census: dict[str, Any] = json.loads(
        (ROOT / "results" / "reference" / "census-x86-64-v3.json").read_text()
    )
    v1 = [arm for arm in census["arms"] if arm["variant"] in ("base", "v1") and arm["depth"] == "pcp"]
    return census | {"arms": v1[:12]}


KINDS: dict[str, Callable[[], dict[str, Any]]] = {
    "run": lambda: runfile.document(runfile.FakeRun(processes=3, blocks=3)),
    "large run": lambda: runfile.document(runfile.FakeRun(processes=7, blocks=2, builds=1)),
    "run of before builds": lambda: runfile.document(runfile.FakeRun(processes=3, blocks=4, builds=0)),
    "run for claims": claimed,
    "calibration": calibrated,
    "census": few_arms,
}


@cache
def original(kind: str) -> str:
    """A valid document."""
    return json.dumps(KINDS[kind]())


def schema_of(kind: str) -> str:
    """Name of its format."""
    return "census" if kind == "census" else "run"


def places(value: Any, node: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[tuple[Steps, Any]]:
    """Every place of a document, with the part of the schema that speaks of it."""
    if "$ref" in node:
        node = whole["$defs"][node["$ref"].removeprefix("#/$defs/")]
    yield (), node
    inner: Iterator[tuple[str | int, Any, Any]] = iter(())
    if isinstance(value, dict):
        other = node.get("additionalProperties") or {}
        inner = ((name, item, node.get("properties", {}).get(name, other)) for name, item in value.items())
    elif isinstance(value, list):
        inner = ((number, item, node.get("items", {})) for number, item in enumerate(value))
    for step, item, below in inner:
        for steps, spots in places(item, below, whole):
            yield (step, *steps), spots


@cache
def known(kind: str) -> list[list[tuple[Steps, Any]]]:
    """The places of a document, those of a kind together: there are thousands of values, and one version."""
    whole = formats.schema(schema_of(kind))
    groups: dict[tuple[str, ...], list[tuple[Steps, Any]]] = {}
    for steps, node in places(json.loads(original(kind)), whole, whole):
        shape = tuple(step if isinstance(step, str) else "[]" for step in steps)
        if steps:
            groups.setdefault(shape, []).append((steps, node))
    return list(groups.values())


LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def near(node: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that the schema allows, or just does not."""
    limits = [node[name] for name in LIMITS if name in node]
    strategies: list[st.SearchStrategy[Any]] = []
    if limits:
        ends = [limit + step for limit in limits for step in (-1, -1e-9, 0, 1e-9, 1)]
        strategies.append(st.sampled_from(ends + list(map(int, limits))))
        strategies.append(st.floats(min(limits), max(limits)) if len(limits) > 1 else st.integers(0, 100))
    if "pattern" in node:
        strategies.append(st.from_regex(node["pattern"], fullmatch=True))
    if "enum" in node:
        strategies.append(st.sampled_from(node["enum"]))
    return st.one_of(strategies) if strategies else st.text(max_size=20)


def parent(document: Any, steps: Steps) -> Any:
    """What holds the place; None when it has gone meanwhile."""
    for step in steps[:-1]:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return None
    return document if isinstance(document, dict | list) else None


def a_place(draw: Draw, kind: str, document: Any) -> tuple[Any, Any, Any]:
    """What holds it, its name or number there, and its part of the schema."""
    steps, node = draw(st.sampled_from(draw(st.sampled_from(known(kind)))))
    return parent(document, steps), steps[-1], node


def replace(draw: Draw, kind: str, document: Any) -> None:
    """Another value."""
    holder, name, node = a_place(draw, kind, document)
    value = draw(near(node) | near(node) | ODD)
    if isinstance(holder, dict) or (isinstance(holder, list) and name in range(len(holder))):
        holder[name] = value


def remove(draw: Draw, kind: str, document: Any) -> None:
    """Not there."""
    holder, name, _ = a_place(draw, kind, document)
    if isinstance(holder, dict):
        holder.pop(name, None)
    elif isinstance(holder, list):
        del holder[name : name + draw(st.sampled_from((1, 1, 100)))]


def repeat(draw: Draw, kind: str, document: Any) -> None:
    """Twice, or under another name."""
    holder, name, _ = a_place(draw, kind, document)
    if isinstance(holder, list):
        holder.extend(copy.deepcopy(holder[name : name + 1]))
    elif isinstance(holder, dict):
        holder[draw(st.sampled_from((*TEXTS, "seed", "date")))] = copy.deepcopy(holder.get(name))


def runs(draw: Draw, document: Any) -> list[dict[str, Any]]:
    """Runs of a process, of an arm, of everything, or one."""
    benches = document["benchmarks"]
    if draw(st.booleans()):
        benches = [draw(st.sampled_from(benches))]
    some = draw(st.sampled_from((slice(None), slice(0, 1), slice(-1, None))))
    return [run for bench in benches for run in bench["runs"][some]]


def set_times(run: dict[str, Any], change: Callable[[float], float], names: Sequence[str]) -> None:
    """Change every time of a run alike, and let the values stay the means of the cells."""
    facts, blocks = run["metadata"], len(run["values"])
    run["values"] = [change(value * 1e9) * 1e-9 for value in run["values"]]
    for name in names:
        if name in facts:
            facts[name] = " ".join(repr(change(float(word))) for word in facts[name].split())
    if "build_ns" in names and "build_ns" in facts and blocks:
        cells = [float(word) for word in facts["build_ns"].split()]
        size = len(cells) // blocks
        run["values"] = [sum(cells[k * size : (k + 1) * size]) / max(size, 1) * 1e-9 for k in range(blocks)]


OWN = ("build_ns", "layout_ns", "stack_ns")
"""Of the arm; the others tell how busy the machine was."""


def rescale(draw: Draw, kind: str, document: Any) -> None:
    """Faster or slower by as much as the format can say, values and cells alike."""
    factor = 10.0 ** draw(st.sampled_from((-8, -7, -6.5, -3, -0.01, 0.001, 0.01, 1, 5, 7, 7.7, 8)))
    names = draw(st.sampled_from((OWN, OWN, TIMES)))
    for run in runs(draw, document):
        set_times(run, lambda ns: ns * factor, names)


def flatten(draw: Draw, kind: str, document: Any) -> None:
    """The same time everywhere: no noise at all."""
    level = draw(st.sampled_from((15.0, 2e-6, 9e8)))
    names = draw(st.sampled_from((OWN, OWN, TIMES)))
    for run in runs(draw, document):
        set_times(run, lambda ns: level, names)


def change_a_time(draw: Draw, kind: str, document: Any) -> None:
    """One number in a text of times."""
    words = draw(st.sampled_from(("0", "-1", "nan", "1e-7", "2e-6", "9e8", "1e9", "", "15.0 15.0")))
    for run in runs(draw, document)[:2]:
        name = draw(st.sampled_from(TIMES))
        numbers = run["metadata"].get(name, "15.0").split() or ["15.0"]
        numbers[draw(st.integers(0, len(numbers) - 1))] = words
        run["metadata"][name] = " ".join(numbers)


def rename(draw: Draw, kind: str, document: Any) -> None:
    """Another arm, or another scenario or axis for some or all, by a name that means something."""
    name = draw(st.sampled_from(("variant", "gate", *sorted(AXES))))
    value = draw(st.sampled_from(AXES[name]))
    benches = document["benchmarks"]
    some = benches[1:2], benches[-1:], benches[draw(st.integers(0, len(benches) - 1)) :]
    for bench in draw(st.sampled_from(some)) if name in ("variant", "gate") else benches:
        bench["metadata"][name] = value


def set_a_fact(draw: Draw, kind: str, document: Any) -> None:
    """One fact of many runs, at the ends of what it may be."""
    definitions = formats.schema("run")["$defs"]
    name = draw(st.sampled_from(sorted(definitions["metadata"]["properties"])))
    node = definitions["metadata"]["properties"][name]
    node = definitions[node["$ref"].removeprefix("#/$defs/")] if "$ref" in node else node
    value = draw(near(node))
    for run in runs(draw, document):
        run["metadata"][name] = value


SAID = (
    "cpu_model_name",
    "hostname",
    "freepath_command",
    "numba",
    "platform",
    "date",
    "governor",
    "cpu_vendor",
)


def say_something(draw: Draw, kind: str, document: Any) -> None:
    """Free text that is shown, of the whole file or of some processes."""
    name, text = draw(st.sampled_from(SAID)), draw(st.sampled_from(TEXTS) | st.text(max_size=20))
    for holder in draw(st.sampled_from(([document], runs(draw, document)))):
        holder["metadata"][name] = text


def thin_out(draw: Draw, kind: str, document: Any) -> None:
    """Fewer arms, or fewer processes, down to one."""
    kept = draw(st.integers(1, 3))
    if draw(st.booleans()):
        start = draw(st.integers(0, len(document["benchmarks"]) - 1))
        document["benchmarks"] = document["benchmarks"][:1] + document["benchmarks"][start : start + kept + 1]
    some = draw(
        st.sampled_from((document["benchmarks"], document["benchmarks"], document["benchmarks"][-1:]))
    )
    for bench in some:
        del bench["runs"][kept:]


Way = Callable[[Draw, str, Any], None]
FORM: tuple[Way, ...] = (replace, remove, repeat)
MEANING: tuple[Way, ...] = (rescale, flatten, change_a_time, rename, set_a_fact, say_something, thin_out)


SPLICES = (b"", b"0", b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b'"', b"\\u0000", b"[[[[", b"\xff")


def bytes_changed(text: bytes, rng: random.Random) -> bytes:
    """A few bytes replaced, dropped or doubled."""
    data = bytearray(text)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(data) or 1)
        data[at : at + rng.choice((0, 1, 8, 60))] = rng.choice(SPLICES) or data[at : at + 40]
    return bytes(data)


WRAPPED: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "gzip": lambda text, rng: gzip.compress(text, 1),
    "damaged gzip": lambda text, rng: bytes_changed(gzip.compress(text, 1), rng),
    "byte order mark": lambda text, rng: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text, rng: text.decode(errors="replace").encode("utf-16"),
    "cut off": lambda text, rng: text[: rng.randrange(len(text) or 1)],
    "bytes changed": bytes_changed,
    "a name twice": lambda text, rng: text.replace(
        b'"metadata": {', b'"metadata": {"loops": 1, "loops": 1, ', 1
    ),
    "nested": lambda text, rng: b'{"benchmarks": ' * rng.choice((3, 300, 3000)) + text,
}


@st.composite
def spoiled(draw: Draw) -> Spoiled:
    """A document of any kind, spoiled in any way."""
    kind = draw(st.sampled_from(sorted((*KINDS, *(name for name in KINDS if name != "calibration")))))
    document = json.loads(original(kind))
    meaning = 0 if kind == "census" else draw(st.sampled_from((0, 1, 2, 3, 4)))
    form = draw(st.sampled_from((0, 0, 0, 1) if meaning else (1, 1, 2)))
    ways = [draw(st.sampled_from(MEANING)) for _ in range(meaning)]
    ways += [draw(st.sampled_from(FORM)) for _ in range(form)]
    for way in ways:
        way(draw, kind, document)
    names = [way.__name__ for way in ways]
    text = json.dumps(document).replace("Infinity", "1e999").encode()
    wrap = draw(st.sampled_from((*[""] * 40, *sorted(WRAPPED))))
    if wrap:
        names.append(wrap)
        text = WRAPPED[wrap](text, random.Random(draw(st.integers(0, 1 << 32))))
    return Spoiled(kind, tuple(names), text)
