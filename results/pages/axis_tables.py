"""The tables of docs/findings*.md: an axis of `--sweep`, from the kept runs, a table for each core.

A cell has a line for each seed, the verdict of both, and below it the figure beside a busy sibling where the
first seed has both conditions. `largest` is the table at the top of a page: the largest effect of each axis.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from model.vocabulary.formats import INSTRUMENT
from model.vocabulary.scenario import AXES, usual_of
from results.analysis.conditions import SAID
from results.analysis.groups import Group
from results.analysis.machines import MARK
from results.analysis.seeds import settled, verdicts_of
from results.kept.analysed import analysed
from results.kept.runs import kept
from results.output.as_json import cell_document
from results.pages.overview import AT_MARGIN, TURNED, cost_of
from results.reading.cpus import processor_line
from results.reading.dates import date_of
from results.reading.folder import REFERENCE
from results.reading.machine import product

WIDTH: Final = 100
FILES: Final = "../results/reference"
"""Where the runs are, from a page of docs."""
WORDS: Final[Mapping[tuple[str, str], str]] = {
    ("between", "nothing"): "another free (tight loop)",
    ("between", "pause"): "nothing",
    ("between", "data"): "L1 data cache evicted",
    ("between", "code"): "L1 instruction cache evicted",
    ("between", "branches"): "1,024 branches at random",
    ("between", "flip"): "its key was flipped",
    ("memory", "warm"): "in the L1 cache",
    ("memory", "l2"): "half the L2",
    ("memory", "l3"): "four times the L2",
    ("memory", "dram"): "1 GiB",
    ("order", "random"): "random",
    ("page_kind", "flagged"): "flagged",
    ("page_kind", "charged"): "charged",
    ("spread", "periodic"): "evenly spread",
    ("spread", "random"): "at random",
    ("depth", "full"): "to the buddy",
    ("config", "default"): "defconfig",
}
"""(axis, value) as a row says it."""
NAMED: Final = {"share": "{1} %", "block": "{1}", "entry": "`{1}`"}
"""How a row says another value of an axis; others are `axis value`."""
SILENT: Final = frozenset({"kernel", "cgroup"})
"""Axes that no row names where they are the same in all."""


Both = tuple[dict[str, Any], dict[str, Any] | None]
"""A cell with the verdict of both seeds, and the second seed's cell."""


@dataclass(frozen=True)
class Axis:
    """One axis of a page.

    Attributes
    ----------
    name
        Of the kept runs: `sweep-between`.
    title
        As the table at the top names it, with a link.
    arms
        Columns: variants, of several gates the jump label's. The first is the one whose effect is asked for.
    """

    name: str
    title: str
    arms: tuple[str, ...]


OF_2015: Final = ("v1", "keyfirst", "load-compare")
STEPS: Final = ("memcg-off", "no-type-test", "no-trylock", "load-compare")
V4_3: Final = (
    Axis("sweep-between", "[between two frees](findings.md#between-two-frees)", OF_2015),
    Axis("sweep-memory", "[memory](findings-memory.md#memory)", OF_2015),
    Axis("sweep-backing", "[pages below the array](findings-memory.md#memory)", OF_2015[:2]),
    Axis("sweep-share", "[share of flagged pages](findings-mixes.md#share-of-flagged-pages)", OF_2015[:2]),
    Axis("sweep-block", "[blocks](findings-mixes.md#blocks)", OF_2015),
    Axis("sweep-threads", "[threads](findings-other.md#threads)", OF_2015[:2]),
    Axis("sweep-levels", "[levels, memsw](findings-other.md#levels-and-memsw)", OF_2015[:2]),
    Axis("sweep-checks", "[checks](findings-other.md#checks-depth-entry)", OF_2015[:2]),
    Axis("sweep-depth", "[depth](findings-other.md#checks-depth-entry)", OF_2015[:2]),
    Axis("sweep-entry", "[entry](findings-other.md#checks-depth-entry)", OF_2015[:2]),
)
LOADS: Final = Axis("today-refcount", "", ("rc", "rcload", "map", "mcg", "flag"))
"""One test more on v6.18: which word it reads."""
V6_18: Final = (
    Axis("sweep-v6-18-between", "[between two frees](findings-v6.18.md#between-two-frees)", STEPS[:3]),
    Axis("sweep-v6-18-entry", "[batches and kfree](findings-v6.18-paths.md#batches-and-kfree)", STEPS),
    Axis("sweep-v6-18-stock", "[uncharge](findings-v6.18-paths.md#uncharge)", STEPS[:2]),
    Axis("sweep-v6-18-levels", "[levels](findings-v6.18-paths.md#uncharge)", STEPS[:2]),
    Axis("sweep-v6-18-depth", "[drains](findings-v6.18-blocks.md#drains-and-blocks)", STEPS[:3]),
    Axis("sweep-v6-18-block", "[blocks](findings-v6.18-blocks.md#drains-and-blocks)", STEPS[:3]),
)
V7_1: Final = (
    Axis(
        "v7-1-quick",
        "[private store](findings-v7.1.md#the-private-store-and-the-head)",
        ("no-private", "private-conditional", "head-branch", "head-direct"),
    ),
    Axis(
        "v7-1-drains",
        "[drains in slices](findings-v7.1.md#drains-and-lists)",
        ("whole-drain", "to-buddy", "no-private", "head-branch"),
    ),
    Axis(
        "v7-1-blocks",
        "[page checks of blocks](findings-v7.1-paths.md#page-checks-of-blocks)",
        ("check-pages",),
    ),
    Axis(
        "sweep-v7-1-stock",
        "[one slot of the stock](findings-v7.1-paths.md#the-stock-of-seven-slots)",
        ("one-slot", "random-victim", "no-private", "head-branch"),
    ),
)
BY_NAME: Final = {axis.name: axis for axis in (*V4_3, *V6_18, *V7_1, LOADS)}


@dataclass(frozen=True)
class Seeds:
    """One axis on one core.

    Attributes
    ----------
    files
        Of the first seed, and of the second if there is one.
    processor, product, date, commit
        Of the first: `AMD EPYC (Zen 4: family ...)`, `Zen 4`.
    older
        Whether an older instrument measured it.
    cells
        Each cell with the verdict of both seeds, and the second seed's cell.
    """

    files: tuple[Path, ...]
    processor: str
    product: str
    date: str
    commit: str
    older: bool
    cells: list[Both]


@cache
def _read(*files: Path) -> Seeds:
    """What the tables need of these runs: two pages ask for most of them."""
    whole, *rest = map(analysed, files)
    first, again = whole.run, [group for each in rest for group in each.groups]
    other, by_key = verdicts_of(again), {_key(cell): cell for cell in _documents(again)}
    return Seeds(
        files,
        processor_line(first.facts),
        product(first),
        date_of(first)[:10],
        str(first.facts["commit"]),
        first.facts.get("instrument") != INSTRUMENT,
        [(settled(cell, other), by_key.get(_key(cell))) for cell in _documents(whole.groups)],
    )


def _documents(groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    return (cell_document(cell) for group in groups for cell in group.cells)


def _key(cell: Mapping[str, Any]) -> tuple[str, ...]:
    return cell["scenario"], cell["variant"], cell["gate"]


def seeds(name: str, folder: Path = REFERENCE) -> list[Seeds]:
    """The kept runs of an axis, the core that was measured last first."""
    found = []
    for _, of_core in groupby(kept(folder, name), key=lambda each: each.core):
        paths = {each.seed: each.path for each in of_core}
        if 1 in paths:
            found.append(_read(*(paths[seed] for seed in (1, 2) if seed in paths)))
    return found


def table(name: str, folder: Path = REFERENCE) -> Iterator[str]:
    """An axis: for each core a line that says what was measured, and a table."""
    axis, found = BY_NAME[name], seeds(name, folder)
    if not found:
        yield "No run is kept: the command above measures it."
    for number, pair in enumerate(found):
        if number:
            yield ""
        yield from wrap(_about(pair), WIDTH, break_long_words=False, break_on_hyphens=False)
        yield ""
        yield from _rows(axis, pair)


def _about(pair: Seeds) -> str:
    links = ", ".join(f"[seed {n}]({FILES}/{path.name})" for n, path in enumerate(pair.files, 1))
    older = "; an older instrument" * pair.older
    return f"{pair.processor}, {pair.date}, commit {pair.commit}{older} ({links}):"


def _rows(axis: Axis, pair: Seeds) -> Iterator[str]:
    rows = list(_rows_of(pair))
    arms = [arm for arm in axis.arms if any(_of_arm(row, arm) for row in rows)]
    yield f"| | base, ns | {' | '.join(f'`{arm}`' for arm in arms)} |"
    yield f"|---|---:|{'---:|' * len(arms)}"
    for row in rows:
        base = ", ".join(f"{each['bare_ns']:.1f}" for each in row[0] if each)
        texts = [_cell(found) if (found := _of_arm(row, arm)) else "" for arm in arms]
        yield f"| {label(row[0][0])} | {base} | {' | '.join(texts)} |"


def _rows_of(pair: Seeds) -> Iterator[list[Both]]:
    """The cells of each scenario."""
    for _, of_scenario in groupby(pair.cells, key=lambda each: str(each[0]["scenario"])):
        yield list(of_scenario)


def _of_arm(row: Sequence[Both], arm: str) -> Both | None:
    found = [pair for pair in row if pair[0]["variant"] == arm]
    return min(found, key=lambda pair: pair[0]["gate"] != "jump-label", default=None)


def _cell(pair: Both) -> str:
    """Figures of both seeds, the verdict, and the figure beside a busy sibling."""
    cell, again = pair
    texts = [cost_of(each, left_out=False)[0] for each in pair if each]
    shown = [*texts, verdict_of(cell, again)]
    shared = cell.get("shared") if cell["condition"] != "shared" else None
    if shared:
        number = cost_of({**shared, "variant": cell["variant"]}, left_out=False)[0]
        shown.append(f"{SAID['shared']} {number} {shared['verdict']}")
    if cell["condition"] == "shared":
        shown.append(SAID["shared"])
    return "<br>".join(shown)


def verdict_of(cell: Mapping[str, Any], again: Mapping[str, Any] | None) -> str:
    """The verdict of both seeds; `at margin` where it costs and an interval of either holds the margin."""
    verdict = str(cell["verdict"])
    near = any(_holds_margin(each) for each in (cell, again) if each)
    return AT_MARGIN if verdict in TURNED and near else verdict


def _holds_margin(cell: Mapping[str, Any]) -> bool:
    return bool(cell["ci95_ns"]) and min(map(abs, cell["ci95_ns"])) <= cell["margin_ns"]


def label(cell: Mapping[str, Any]) -> str:
    """What a scenario has that its kernel's usual one has not: `random, four times the L2`."""
    usual = usual_of(cell["kernel"])
    unusual = [axis for axis in AXES if axis not in SILENT and cell[axis] != usual[axis]]
    if cell["page_kind"] == "charged":
        unusual = [axis for axis in unusual if axis != "memcg"]
    if cell["share"] == usual["share"] and "spread" in unusual:
        unusual.remove("spread")
    if cell["share"] != usual["share"] and "spread" not in unusual:
        unusual.append("spread")
    words = [
        WORDS.get((axis, cell[axis]), NAMED.get(axis, "{0} {1}").format(axis, cell[axis])) for axis in unusual
    ]
    return ", ".join(words) or "usual: a tight loop"


def largest(axes: Sequence[Axis], folder: Path = REFERENCE) -> Iterator[str]:
    """The largest effect of each axis' first arm on each core: axis, effect, verdict, CPU."""
    yield "| axis | largest effect, ns | where | verdict | CPU |"
    yield "|---|---:|---|---|---|"
    marked = False
    for axis in axes:
        for pair in seeds(axis.name, folder):
            found = _largest_of(axis, pair)
            if found:
                cell, again = found
                number = cost_of(cell, left_out=False)[0]
                marked |= pair.older
                where = f"{label(cell)} | {verdict_of(cell, again)}"
                yield f"| {axis.title} | {number} | {where} | {_core(pair)} |"
    if marked:
        yield from ("", f"\\{MARK} measured with an older instrument, one seed")


def across(axes: Sequence[Axis], folder: Path = REFERENCE) -> Iterator[str]:
    """The same with a column for each core, and without links of rows: for a short page."""
    by_axis = {axis: {_core(pair): pair for pair in seeds(axis.name, folder)} for axis in axes}
    cores = list(dict.fromkeys(core for pairs in by_axis.values() for core in pairs))
    yield f"| axis | {' | '.join(cores)} |"
    yield f"|---|{'---|' * len(cores)}"
    for axis, pairs in by_axis.items():
        if pairs:
            texts = (_largest_text(axis, pairs[core]) if core in pairs else "" for core in cores)
            yield f"| {axis.title} | {' | '.join(texts)} |"
    if any(pair.older for pairs in by_axis.values() for pair in pairs.values()):
        yield from ("", f"\\{MARK} measured with an older instrument, one seed")


def _core(pair: Seeds) -> str:
    return pair.product + f"\\{MARK}" * pair.older


def _largest_text(axis: Axis, pair: Seeds) -> str:
    found = _largest_of(axis, pair)
    if found is None:
        return ""
    cell, again = found
    return f"{cost_of(cell, left_out=False)[0]}<br>{verdict_of(cell, again)}<br>{label(cell)}"


def _largest_of(axis: Axis, pair: Seeds) -> Both | None:
    """The cell of the first arm with the largest effect."""
    found = (each for row in _rows_of(pair) if (each := _of_arm(row, axis.arms[0])))
    return max(found, key=lambda each: _weight(each[0]), default=None)


def _weight(cell: Mapping[str, Any]) -> tuple[bool, float]:
    """What is decided comes first, then what keeps furthest from zero, by the path: it may not be none."""
    low, high = cell["ci95_ns"] or (0.0, 0.0)
    return cell["verdict"] in TURNED, max(low, -high, 0.0) / cell["bare_ns"]
