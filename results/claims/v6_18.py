"""Questions of v6.18: what the checks of its free path cost, each judged by a written rule.

The baseline is the kernel as it is, and most variants leave a step out: a step costs what leaving it out
saves. docs/claims.md has the rules in words.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from results.analysis.groups import Cell
from results.analysis.texts import cell_text
from results.claims.claim import Answer, Data, missing

KERNEL: Final = "v6.18"
MEASURE: Final = "python -m benchmarks --quick --only kernel=v6.18 -o FILE"
LOW_PERCENT: Final = 5.0
"""Largest cost of a "low-cost" check, percent of the path as compiled: our choice, for the mail of 2025 has
no number."""


def cells(data: Data, variant: str) -> dict[str, Cell]:
    """A variant's cells on a distribution's kernel with the key on and off, and without memcg."""
    groups = {
        "key on": data.group("on-active", kernel=KERNEL),
        "key off": data.group("on-idle", kernel=KERNEL),
        "no memcg": data.group("off", kernel=KERNEL, config="default"),
    }
    return {name: cell for name, group in groups.items() if (cell := data.cell(group, variant))}


def said(measured: Mapping[str, Cell]) -> list[str]:
    """A line of evidence for each cell."""
    return [
        cell_text(c, f"{name}: {c.overhead.arm.name}, over the kernel as it is")
        for name, c in measured.items()
    ]


def step_costs(number: str, claim: str, measured: Mapping[str, Cell], what: str) -> Answer:
    """Holds when leaving a step out saves in every state that was measured, fails when in any it does not."""
    if not measured:
        return missing(number, claim, what, MEASURE)
    words = {name: cell.judgement.verdict for name, cell in measured.items()}
    if all(word == "saves" for word in words.values()):
        because = f"leaving it out saves: {', '.join(words)}"
        return Answer(number, claim, "holds", because, said(measured))
    without = [f"{name} {word}" for name, word in words.items() if word in ("negligible", "costs")]
    if without:
        because = f"leaving it out does not save: {', '.join(without)}"
        return Answer(number, claim, "fails", because, said(measured))
    return Answer(number, claim, "undecided", "the intervals do not settle it", said(measured))


def type_test(data: Data) -> Answer:
    """T1: the test of 2025, in every state."""
    claim = "the page type test of 2025 costs every kernel something"
    return step_costs("T1", claim, cells(data, "no-type-test"), "no-type-test")


def memcg_test(data: Data) -> Answer:
    """T2: the memcg test, with the key on as systemd leaves it."""
    claim = "the memcg test costs where its key is on"
    measured = {name: cell for name, cell in cells(data, "memcg-off").items() if name == "key on"}
    return step_costs("T2", claim, measured, "memcg-off with the key on")


def order_of_2015(data: Data) -> Answer:
    """T3: flag first, over key first, with the key off, where the two differ most."""
    claim = "the order of 2015, flag before key, would cost on v6.18 too"
    measured = {name: c for name, c in cells(data, "memcg-flag-first").items() if name != "no memcg"}
    if "key off" not in measured:
        return missing("T3", claim, "memcg-flag-first with the key off", MEASURE)
    word = measured["key off"].judgement.verdict
    verdict, because = {
        "costs": ("holds", "with the key off it costs"),
        "negligible": ("fails", "with the key off it is negligible"),
        "saves": ("fails", "with the key off it saves"),
    }.get(word, ("undecided", "the intervals do not settle it"))
    return Answer("T3", claim, verdict, because, said(measured))  # type: ignore[arg-type]


def page_checks(data: Data) -> Answer:
    """T4: the checks that init_on_alloc turns on, measured without their static key."""
    claim = "the page checks are relatively low-cost"
    measured = cells(data, "check-pages")
    bounds = {n: (c.judgement.ci95, c.overhead.bare_ns) for n, c in measured.items() if c.judgement.ci95}
    if not bounds:
        return missing("T4", claim, "check-pages", MEASURE)
    ends = [(100 * ci[0] / base, 100 * ci[1] / base) for ci, base in bounds.values() if ci]
    if all(high < LOW_PERCENT for _, high in ends):
        return Answer("T4", claim, "holds", f"less than {LOW_PERCENT:g} % of the path", said(measured))
    if any(low > LOW_PERCENT for low, _ in ends):
        return Answer("T4", claim, "fails", f"more than {LOW_PERCENT:g} % of the path", said(measured))
    because = f"an interval has {LOW_PERCENT:g} % of the path in it"
    return Answer("T4", claim, "undecided", because, said(measured))


def wipe_and_cpupid(data: Data) -> Answer:
    """T5: both write the same word, so leaving out one of them is negligible."""
    claim = "the wipe of the flags and the reset of the last cpupid are free beside each other"
    group = data.group("on-active", kernel=KERNEL)
    measured = {name: c for name in ("no-wipe", "no-cpupid") if (c := data.cell(group, name))}
    if len(measured) < 2:
        return missing("T5", claim, "no-wipe and no-cpupid", MEASURE)
    words = {name: cell.judgement.verdict for name, cell in measured.items()}
    if all(word == "negligible" for word in words.values()):
        return Answer("T5", claim, "holds", "leaving out either is negligible", said(measured))
    saving = [name for name, word in words.items() if word == "saves"]
    if saving:
        return Answer("T5", claim, "fails", f"leaving it out saves: {', '.join(saving)}", said(measured))
    return Answer("T5", claim, "undecided", "the intervals do not settle it", said(measured))


def trylock(data: Data) -> Answer:
    """T6: a lower bound. `irq-off` is pushf and popf, v4.3's guard without its cli, which costs more.

    The kernel has restored with a test and sti since v5.12, which is faster than popf; user space may execute
    neither cli nor sti, so no run decides about that form.
    """
    claim = "the trylock costs less than v4.3's guard, even without its cli"
    group = data.group("on-active", kernel=KERNEL)
    measured = {name: c for name in ("irq-off", "no-trylock") if (c := data.cell(group, name))}
    if "irq-off" not in measured:
        return missing("T6", claim, "irq-off", MEASURE)
    newer = "undecided for the form of v6.18, cli and sti, which user space cannot run"
    if measured["irq-off"].judgement.verdict == "costs":
        because = f"pushf and popf alone cost more than the lock; {newer}"
        return Answer("T6", claim, "holds", because, said(measured))
    because = f"pushf and popf alone cost no more than the lock, and cli comes on top; {newer}"
    return Answer("T6", claim, "undecided", because, said(measured))


QUESTIONS: Final[Sequence[Callable[[Data], Answer]]] = (
    type_test,
    memcg_test,
    order_of_2015,
    page_checks,
    wipe_and_cpupid,
    trylock,
)
