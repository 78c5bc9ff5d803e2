"""Questions of v7.1: what changed after v6.18, each judged by a written rule (docs/claims.md).

That the longest section with interrupts off is 32 times as short (T9) is arithmetic, and not judged.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from results.analysis.groups import Cell
from results.claims.claim import Answer, Data, missing
from results.claims.v6_18 import LOW_PERCENT, said

KERNEL: Final = "v7.1"
MEASURE: Final = "python -m benchmarks --quick --only kernel=v7.1 -o FILE"
DRAINS: Final = "python -m benchmarks --only 'kernel=v7.1,memcg=on-active,depth=full' -o FILE"
BLOCKS: Final = "python -m benchmarks --only 'kernel=v7.1,memcg=on-active,check-pages' -o FILE"
TURNS: Final = "python -m benchmarks --sweep v7.1/stock -o FILE"
SLOTS: Final = 7
"""Cgroups whose pages the stock holds at once."""
STOCK: Final = {"memcg": "on-charged", "page_kind": "charged"}
STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "key on": {"memcg": "on-active"},
    "key off": {"memcg": "on-idle"},
    "no memcg": {"memcg": "off", "config": "default"},
}


def measured(data: Data, variant: str, **scenarios: Mapping[str, str]) -> dict[str, Cell]:
    """A variant's cell in each of these scenarios of v7.1 that the run has, by the scenario's name here."""
    groups = {
        name: data.group(
            axes.get("memcg", "on-active"),  # type: ignore[arg-type]
            axes.get("page_kind", "plain"),  # type: ignore[arg-type]
            kernel=KERNEL,
            **{axis: value for axis, value in axes.items() if axis not in ("memcg", "page_kind")},
        )
        for name, axes in scenarios.items()
    }
    return {name: cell for name, group in groups.items() if (cell := data.cell(group, variant))}


def no_dearer(
    number: str, claim: str, without: Mapping[str, Cell], words: tuple[str, str], what: tuple[str, str]
) -> Answer:
    """Judge a step that is said to cost nothing, by an arm that goes without it.

    Holds where that arm saves in none of the scenarios, fails where it saves in any.

    Parameters
    ----------
    without
        The arm's cells, by the scenario's name.
    words
        What it means that it does not save, and that it does.
    what
        What is missing where there is none, and the command that measures it.
    """
    if not without:
        return missing(number, claim, *what)
    verdicts = {name: cell.judgement.verdict for name, cell in without.items()}
    saving = [name for name, word in verdicts.items() if word == "saves"]
    if saving:
        return Answer(number, claim, "fails", f"{words[1]}: {', '.join(saving)}", said(without))
    if all(word in ("negligible", "costs") for word in verdicts.values()):
        return Answer(number, claim, "holds", f"{words[0]}: {', '.join(verdicts)}", said(without))
    return Answer(number, claim, "undecided", "the intervals do not settle it", said(without))


def private_store(data: Data) -> Answer:
    """T7: the store to page->private, in every state; beside it the test in its place, and v6.18's arm."""
    claim = "the store to page->private on every free costs nothing"
    words = "leaving it out does not save", "leaving it out saves"
    cells = measured(data, "no-private", **STATES)
    answer = no_dearer("T7", claim, cells, words, ("no-private", MEASURE))
    beside = measured(data, "private-conditional", **STATES)
    if stable := data.cell(data.group("on-active", kernel="v6.18"), "stable"):
        beside["v6.18, key on"] = stable
    return replace(answer, evidence=[*answer.evidence, *said(beside)])


def head_by_mask(data: Data) -> Answer:
    """T8: v6.18's branch and key in the place of the mask, with the key of memcg on and off."""
    claim = "the head by a mask, without a branch, is no dearer than by a branch"
    cells = measured(data, "head-branch", **{name: STATES[name] for name in ("key on", "key off")})
    words = "the branch of v6.18 does not save", "the branch of v6.18 saves"
    return no_dearer("T8", claim, cells, words, ("head-branch", MEASURE))


def drain_in_slices(data: Data) -> Answer:
    """T9: one drain of 2016 pages in the place of 32 slices, in a stream of frees."""
    claim = "giving up the locks every 63 pages of a drain is negligible for the freeing task"
    cells = measured(data, "whole-drain", **{"stream of frees": {"depth": "full"}})
    words = "one drain under one lock does not save", "one drain under one lock saves"
    return no_dearer("T9", claim, cells, words, ("whole-drain at depth full", DRAINS))


def page_checks(data: Data) -> Answer:
    """T10: the checks that init_on_alloc turns on, of a page and of blocks; the threshold is T4's."""
    claim = "the page checks that init_on_alloc turns on are too dear"
    blocks = {name: {"block": name} for name in ("page", "order-3", "order-9")}
    cells = measured(data, "check-pages", **blocks)
    bounds = {
        name: [100 * end / c.overhead.bare_ns for end in c.judgement.ci95]
        for name, c in cells.items()
        if c.judgement.ci95
    }
    if not bounds:
        return missing("T10", claim, "check-pages", BLOCKS)
    above = [name for name, (low, _) in bounds.items() if low > LOW_PERCENT]
    if above:
        because = f"more than {LOW_PERCENT:g} % of the path: {', '.join(above)}"
        return Answer("T10", claim, "holds", because, said(cells))
    if all(high < LOW_PERCENT for _, high in bounds.values()):
        because = f"less than {LOW_PERCENT:g} % of the path: {', '.join(bounds)}"
        return Answer("T10", claim, "fails", because, said(cells))
    because = f"an interval has {LOW_PERCENT:g} % of the path in it"
    return Answer("T10", claim, "undecided", because, said(cells))


def seven_slots(data: Data) -> Answer:
    """T11: one slot, over pages of 2 to 7 cgroups, which seven slots hold; beside it more, and the draw."""
    claim = "with pages of several cgroups a stock of seven slots costs less than one of a single slot"
    turns = {f"{k} cgroups": {**STOCK, "stock": f"turn-{k}"} for k in (2, 4, 7, 8, 12)}
    cells = measured(data, "one-slot", **turns)
    held = {name: cell for name, cell in cells.items() if int(name.split()[0]) <= SLOTS}
    if not held:
        return missing("T11", claim, "one-slot with several cgroups", TURNS)
    evidence = [*said(cells), *said(measured(data, "random-victim", **turns))]
    words = {name: cell.judgement.verdict for name, cell in held.items()}
    if all(word == "costs" for word in words.values()):
        return Answer("T11", claim, "holds", f"one slot costs: {', '.join(words)}", evidence)
    without = [f"{name} {word}" for name, word in words.items() if word in ("negligible", "saves")]
    if without:
        return Answer("T11", claim, "fails", f"one slot does not cost: {', '.join(without)}", evidence)
    return Answer("T11", claim, "undecided", "the intervals do not settle it", evidence)


def without_lists(data: Data) -> Answer:
    """T12: every page to the buddy, over the lists with their drains; each takes one lock a free."""
    claim = "without per-CPU lists, as on one CPU, a free is no dearer"
    cells = measured(data, "to-buddy", **{"stream of frees": {"depth": "full"}})
    if not cells:
        return missing("T12", claim, "to-buddy at depth full", DRAINS)
    word = cells["stream of frees"].judgement.verdict
    verdict, because = {
        "costs": ("fails", "each page straight to the buddy costs over the lists and their drains"),
        "negligible": ("holds", "each page straight to the buddy is negligible"),
        "saves": ("holds", "each page straight to the buddy saves"),
    }.get(word, ("undecided", "the intervals do not settle it"))
    return Answer("T12", claim, verdict, because, said(cells))  # type: ignore[arg-type]


QUESTIONS: Final[Sequence[Callable[[Data], Answer]]] = (
    private_store,
    head_by_mask,
    drain_in_slices,
    page_checks,
    seven_slots,
    without_lists,
)
