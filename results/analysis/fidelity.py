"""The model of a free beside kernel files, step by step: what one free executes and accesses, by census."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from model.common.errors import UsageError
from model.vocabulary.scenario import DEFAULTS, RELEASE
from results.reading.folder import REFERENCE

KEPT_CENSUS: Final = REFERENCE / "fidelity-census.json.gz"
FULL: Final = ("list-check", "base")
"""The arm that is compared: of the model the one with the list check, of a kernel file the path as booted."""
FULL_STATE: Final = {"memcg": "on-active", "checks": "on", "page_kind": "plain", "depth": "pcp"}
"""What Debian's kernels are after boot; the list check beside it is the arm's."""
PLAIN_STATE: Final = {**FULL_STATE, "checks": "off"}


@dataclass(frozen=True)
class Test:
    """A test of the path: the arm that has one more or one less than base, and what it is then.

    Attributes
    ----------
    name
        In words.
    arms
        Arm -> its sign: -1 where the arm goes without the test.
    """

    name: str
    arms: Mapping[str, int]


TESTS: Final = (
    Test("memcg test, its key on", {"memcg-off": -1}),
    Test("page checks", {"check-pages": 1, "check-pages-off": -1}),
    Test("list check", {"list-check": 1, "no-list-check": -1}),
    Test("UBSAN's checks", {"no-ubsan": -1}),
    Test("a test put in", {"load-compare": 1, "v1": 1}),
    Test("5-byte NOP put in", {"nop": 1}),
)
STEPS: Final = (
    ("drop the last reference", ("update", "page._refcount")),
    ("prepare: head, tests, checks, wipe", ("store", "page.flags")),
    ("zone and pageblock", ("before", "cpu.preempt_count")),
    ("this CPU's lists, trylock", ("update", "pcp.lock")),
    ("count the event, find the list", ("load", "pcp.lists.next")),
    ("push, with the list check", ("store", "pcp.lists.next")),
    ("count, tune, limit", ("before", "pcp.lock")),
    ("unlock, return", ("return", "return.")),
)
"""Steps in their order, each with the access that ends it; `before` leaves that access to the next step."""
ALIKE: Final = (
    (r"\.(rlock\.raw_lock\.val\.counter|f|counter)$", ""),
    (r"^page\.compound_(head|info)$", "page.compound_head"),
    (r"\.lru[._]prev$", ".lru.prev"),
    (r"^pcp\.lists\[\d+\]\.next$", "pcp.lists.next"),
    (r"^(percpu\.(__preempt_count|pcpu_hot\+8)|cpu\.preempt_count)$", "cpu.preempt_count"),
    (r"^(percpu\.vm_event_states\+\d+|cpu\.pgfree)$", "cpu.PGFREE"),
    (r"^(percpu|cpu)\.(this_cpu_off|cpu_number)$", r"cpu.\2"),
    (r"^(global|cpu)\.(mem_section|node_data|vmemmap_base)(\[\d+\])?$", r"global.\2"),
    (r"^section_roots\.$", "section root"),
    (r"^mem_section\.(usage)?$", "mem_section.usage"),
    (r"^(pageblock_flags\.|mem_section_usage\.pageblock_flags\[\d+\])$", "pageblock_flags"),
)
"""Names of one thing in the model and in kernel files, and what stands for all of them."""


@dataclass(frozen=True)
class Column:
    """One kernel: its counts.

    Attributes
    ----------
    kernel
        Which.
    steps
        Of `STEPS`, by name.
    tests
        What each test adds, by name: instructions, loads, stores, conditional branches.
    """

    kernel: str
    steps: "dict[str, Step]"
    tests: dict[str, tuple[float, ...]]


@dataclass
class Step:
    """Counts of one step: instructions in all, those that do nothing, those for the stack and calls."""

    instructions: int = 0
    idle: int = 0
    frame: int = 0

    def __post_init__(self) -> None:
        self.loads, self.stores = Counter[str](), Counter[str]()


def field_of(row: Mapping[str, Any]) -> str:
    """`page.flags`: what a row accesses, by the name that all kernels share."""
    name = f"{row['object']}.{row['field']}"
    for pattern, instead in ALIKE:
        name = re.sub(pattern, instead, name)
    return name


def steps_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Step]:
    """What a free executes in each step.

    Raises
    ------
    UsageError
        When a step has no end.
    """
    found = {name: Step() for name, _ in STEPS}
    left = list(STEPS)
    last_wipe = max((i for i, row in enumerate(rows) if _is(row, ("store", "page.flags"))), default=-1)
    for place, row in enumerate(rows):
        name, end = left[0]
        if end[0] == "before" and field_of(row) == end[1] and row["op"] != "load":
            left.pop(0)
            name, end = left[0]
        step = found[name]
        step.instructions += row["instructions"]
        step.idle += row["idle"]
        step.frame += row["frame"]
        if row["op"] in ("load", "update"):
            step.loads[field_of(row)] += 1
        if row["op"] in ("store", "update"):
            step.stores[field_of(row)] += 1
        if _is(row, end) and (end != ("store", "page.flags") or place == last_wipe):
            left.pop(0)
            if not left:
                return found
    raise UsageError(f"a free whose accesses do not end the step '{left[0][0]}' cannot be compared")


def _is(row: Mapping[str, Any], end: tuple[str, str]) -> bool:
    return (row["op"], field_of(row)) == end


def of_several(document: Mapping[str, Any]) -> bool:
    """Whether a census has frees of several kernels in order."""
    return len({arm.get("kernel") for arm in document["arms"] if "in_order" in arm}) > 1


def columns_of(document: Mapping[str, Any], path: str = "it") -> list[Column]:
    """The kernels that a census is about.

    Raises
    ------
    UsageError
        When one of them has no such free, or not in order.
    """
    by_kernel: dict[str, list[dict[str, Any]]] = {}
    for arm in document["arms"]:
        by_kernel.setdefault(arm.get("kernel", DEFAULTS["kernel"]), []).append(arm)
    return [_column(kernel, arms, path) for kernel, arms in by_kernel.items()]


def _column(kernel: str, arms: Sequence[dict[str, Any]], path: str) -> Column:
    states = (FULL_STATE, PLAIN_STATE) if RELEASE.fullmatch(kernel) else (FULL_STATE,)  # 6.1 has no such key
    ordered = [arm for state in states for arm in arms if _state(arm, state) and "in_order" in arm]
    arm = next((arm for name in FULL for arm in ordered if arm["variant"] == name), None)
    if arm is None:
        raise UsageError(
            f"{path} has no free of {kernel} in order, with the memcg key and the page checks on: count "
            "it by python -m benchmarks.census --in-order --json -o FILE"
        )
    return Column(short(kernel), steps_of(arm["in_order"]), dict(_tests(arms)))


def short(kernel: str) -> str:
    """A version, or a release without its flavour."""
    return kernel.partition("-cloud")[0]


def _state(arm: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return not {"block", "entry"} & arm.keys() and all(arm[name] == value for name, value in wanted.items())


COUNTED: Final = ("instructions", "loads", "stores", "branches")


def _tests(arms: Sequence[dict[str, Any]]) -> Iterator[tuple[str, tuple[float, ...]]]:
    """What each test adds, where an arm of the kernel goes with it or without it."""
    for test in TESTS:
        for state in (PLAIN_STATE, FULL_STATE):
            found = [arm for arm in arms if _state(arm, state) and arm["variant"] in test.arms]
            if found:
                sign = test.arms[found[0]["variant"]]
                yield test.name, tuple(sign * found[0]["over_base"][name] for name in COUNTED)
                break
