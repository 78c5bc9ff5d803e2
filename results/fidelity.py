"""python -m results.fidelity FILE...: the model of a free beside kernel files, step by step.

Of each census: what one free executes and accesses, by step and by field, and what its tests add. Of each
run: what these cost. Kernels stand in the order of the files.

For example:
  python -m benchmarks.census --only 'kernel=v6.18,memcg=on-active' --in-order --json -o model.json
  python -m benchmarks.census --vmlinux /boot/vmlinuz-6.12 --in-order --json -o file.json
  python -m results.fidelity model.json file.json run.json
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.common.command import Parser, leave, run, say
from model.common.errors import UsageError
from model.common.files import STANDARD, check_target, write_new
from model.vocabulary.margin import Margin
from model.vocabulary.scenario import DEFAULTS, RELEASE
from results import kernel_table, machines, overview
from results.analysis.groups import Cell, analyse
from results.compare import run_or_census
from results.reading.load import Run, load, read_json

REFERENCE: Final = Path(__file__).parent / "reference"
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


def tables(columns: Sequence[Column]) -> Iterator[str]:
    """Steps, fields and tests, as Markdown."""
    kernels = [column.kernel for column in columns]
    yield from _heading("step: instructions (NOPs, stack and calls), loads/stores", kernels)
    for name, _ in STEPS:
        yield _row(name, [_counts(column.steps[name]) for column in columns])
    yield _row("**all**", [_counts(*column.steps.values()) for column in columns])
    yield ""
    yield from _heading("field: loads/stores", kernels)
    for name, _ in STEPS:
        fields = dict.fromkeys(f for c in columns for f in (*c.steps[name].loads, *c.steps[name].stores))
        for field in fields:
            pairs = [(c.steps[name].loads[field], c.steps[name].stores[field]) for c in columns]
            yield _row(f"{name.partition(':')[0].partition(',')[0]}: {field}", [f"{a}/{b}" for a, b in pairs])
    yield ""
    yield from _heading("test adds: instructions, loads, stores, branches", kernels)
    for test in TESTS:
        if any(test.name in column.tests for column in columns):
            yield _row(test.name, [_signed(column.tests.get(test.name)) for column in columns])


def _counts(*steps: Step) -> str:
    instructions, idle, frame = (
        sum(getattr(step, name) for step in steps) for name in ("instructions", "idle", "frame")
    )
    loads, stores = (sum(sum(getattr(step, n).values()) for step in steps) for n in ("loads", "stores"))
    return f"{instructions} ({idle}, {frame}), {loads}/{stores}"


def _signed(counts: tuple[float, ...] | None) -> str:
    return "" if counts is None else ", ".join(f"{count:+g}" for count in counts)


def _heading(first: str, kernels: Sequence[str]) -> Iterator[str]:
    yield _row(first, kernels)
    yield "|---|" + "---:|" * len(kernels)


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def prices(runs: Sequence[Run]) -> Iterator[str]:
    """What each test costs, ns per page with its 95 % interval, by kernel."""
    found: dict[str, dict[str, Cell]] = {}
    for read in runs:
        for group in analyse(read, Margin(1.0, percent=True)):
            axes = group.scenario.axes
            if axes["memcg"] == "on-active" and (axes["kernel"], axes["checks"]) != ("v6.18", "on"):
                cells = {cell.overhead.arm.variant: cell for cell in group.cells}
                found.setdefault(short(axes["kernel"]), cells)
    yield from _heading("costs, ns per page", list(found))
    for test in TESTS:
        yield _row(test.name, [_price(cells, test) for cells in found.values()])
    yield _row("the whole free", [_level(cells) for cells in found.values()])


def _level(cells: Mapping[str, Cell]) -> str:
    return f"{next(iter(cells.values())).overhead.base_ns:.1f}"


def _price(cells: Mapping[str, Cell], test: Test) -> str:
    for variant, sign in test.arms.items():
        if variant in cells:
            cell = cells[variant]
            low, high = sorted(sign * end for end in cell.judgement.ci95 or (cell.overhead.ns,) * 2)
            return f"{sign * cell.overhead.ns:+z.2f} [{low:+z.2f}, {high:+z.2f}]"
    return ""


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run("python -m results.fidelity", lambda: _command(argv))


def _command(argv: Sequence[str]) -> int:
    parser = Parser(prog="python -m results.fidelity", description=__doc__)
    parser.add_argument("files", metavar="FILE", nargs="+", help="census with --in-order, or run")
    about = "write the censuses there as one, for python -m plots; - is standard output"
    parser.add_argument("-o", "--output", metavar="OUT", help=about)
    parser.add_argument("--force", action="store_true", help="overwrite OUT")
    args = parser.parse_args(argv)
    if args.output is not None:
        check_target(args.output, replace=args.force)
    read = [(path, run_or_census(path)) for path in args.files]
    censuses = [(path, each) for path, each in read if not isinstance(each, Run)]
    columns = [column for path, census in censuses for column in columns_of(census, path)]
    if args.output is not None:
        write_new(args.output, merged([census for _, census in censuses]), replace=args.force)
    runs = [each for _, each in read if isinstance(each, Run)]
    lines = [*(tables(columns) if columns else ()), *(prices(runs) if runs else ())]
    if args.output != STANDARD:
        say("".join(f"{line}\n" for line in lines))
    return 0


def merged(censuses: Sequence[Mapping[str, Any]]) -> str:
    """Several censuses as one document, a line per arm.

    Raises
    ------
    UsageError
        When there is none, or they were compiled otherwise.
    """
    heads = [{name: value for name, value in census.items() if name != "arms"} for census in censuses]
    if not heads or any(head != heads[0] for head in heads):
        raise UsageError("-o takes censuses that were counted with the same --cpu and Numba")
    arms = ",\n".join(json.dumps(arm, separators=(",", ":")) for census in censuses for arm in census["arms"])
    return f'{json.dumps(heads[0])[:-1]}, "arms": [\n{arms}\n]}}\n'


def kept() -> Iterator[str]:
    """The tables of docs/fidelity-files.md, from what is kept in results.

    The prices are the kernel files' kept runs beside the model's published run of the same CPU, a table for
    each CPU.
    """
    yield from tables(columns_of(read_json(KEPT_CENSUS)))
    for cpu, files in kernel_table.by_cpu(kernel_table.runs()).items():
        yield from ("", f"{cpu}:", "")
        yield from prices([*_model_of(files[0]), *files])


def _model_of(run: Run) -> Iterator[Run]:
    """The published run of the CPU that a run is of; none where none was published."""
    for entry in overview.current(machines.entries()):
        if all(run.facts.get(name) == entry.machine.get(name) for name in ("cpu_family", "cpu_model")):
            yield load(machines.FOLDER / entry.key / machines.RUN)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
